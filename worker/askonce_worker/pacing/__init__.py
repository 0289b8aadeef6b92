"""How much is under way at a server at a time, and for how long it is waited for."""
