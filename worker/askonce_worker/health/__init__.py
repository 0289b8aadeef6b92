"""Detects parts of a worker that fail repeatedly."""
