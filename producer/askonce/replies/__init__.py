"""Reads providers' replies from every endpoint: chat completions, responses, embeddings. Pure."""
