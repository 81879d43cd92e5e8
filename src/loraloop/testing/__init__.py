"""Shipped fakes and tiny models, for tests of programs that build on this package."""
