"""Answers that must fit a JSON schema: the request to the provider, and the columns of a table."""
