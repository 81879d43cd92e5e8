"""Adapter -> Report -> Decision: suites, metrics, evaluator, gate."""
