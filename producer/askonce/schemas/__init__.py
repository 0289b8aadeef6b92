"""Answers that are to fit a JSON schema: what asks the provider for them, and what of a schema becomes columns."""
