"""The LLM and the embedding server: requests, retries, slots and rate budgets."""
