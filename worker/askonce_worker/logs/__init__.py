"""Structured logs, without prompts and secrets."""
