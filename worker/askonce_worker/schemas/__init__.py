"""Answers that must fit a JSON schema: validated, repaired once if need be, else failed."""
