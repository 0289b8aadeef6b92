"""The embedded stack: real servers from PyPI, each a child process on loopback."""
