"""The wire contract: every Redis key and every record that client and worker exchange."""
