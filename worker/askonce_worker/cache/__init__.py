"""The exact and the semantic cache, the outbox between them, and the publishing of answers."""
