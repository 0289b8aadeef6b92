"""Qdrant's official client, which workers do without: for looking at what is kept, and for showing that it works."""

from urllib.parse import urlsplit

from qdrant_client import AsyncQdrantClient


def official_client(url, *, api_key=None):
    parts = urlsplit(url)
    return AsyncQdrantClient(
        host=parts.hostname, grpc_port=parts.port, https=False, prefer_grpc=True, api_key=api_key,
        check_compatibility=False, timeout=120,
    )  # fmt: skip
