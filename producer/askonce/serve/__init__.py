"""The front door: an HTTP server that every OpenAI client knows how to speak to, over a `Client`."""
