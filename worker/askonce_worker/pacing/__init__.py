"""How much is in flight at a server, and how long to wait for it."""
