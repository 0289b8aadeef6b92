"""Ports for servers of a test's own."""

import socket


def free_port() -> int:
    """One that the system hands out: tests run side by side, and a search from a fixed one on would collide."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
