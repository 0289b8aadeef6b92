"""Policies in force, and what workers learn about their hits: sent to Redis and read back."""
