"""The front door: an OpenAI-compatible HTTP server over a `Client`."""
