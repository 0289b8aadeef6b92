"""The embedded stack: real servers from the package index, each a child process on loopback."""
