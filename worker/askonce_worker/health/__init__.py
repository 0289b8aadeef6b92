"""Which parts of a worker fail again and again."""
