"""Answers that are to fit a JSON schema: looked at, repaired once, and otherwise failed."""
