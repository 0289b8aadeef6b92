"""What a provider's reply says, whichever endpoint it came from: chat completions, responses, embeddings. Pure."""
