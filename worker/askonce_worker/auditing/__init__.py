"""Policies in force, and what workers learn of their hits: on their way to Redis and back."""
