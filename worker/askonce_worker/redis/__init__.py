"""The worker's connection to Redis, and its clock."""
