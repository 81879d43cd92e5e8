"""Pure text: normal forms, language, personal data, near-duplicates. Values in, values out; no effects, no models."""
