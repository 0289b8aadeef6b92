"""Finds the worker's requests that a collection's strict mode would refuse. Pure.

The server refuses them with INVALID_ARGUMENT, so searches find nothing and vectors wait in the outbox.
"""

from collections.abc import Iterator

from qdrant_client import grpc as qdrant

from askonce_worker.cache.outbox import BATCH
from askonce_worker.cache.qdrant_messages import CANDIDATES, OVERSAMPLING, indexes_of
from askonce_worker.upkeep.orphans import PAGE

CONDITIONS = 3
"""Filter conditions of a search: scope, expiry, epochs."""


def refused(info: qdrant.CollectionInfo, *, searches: int) -> Iterator[str]:
    """The limits to raise, each as `name is N, M is needed`. searches: number per batch."""
    indexes = {*info.payload_schema, *(index.field_name for index in indexes_of(""))}
    needed: dict[str, float] = {
        "max_query_limit": max(CANDIDATES, PAGE),
        "search_max_batchsize": searches,
        "search_max_oversampling": OVERSAMPLING,
        "upsert_max_batchsize": BATCH,
        "filter_max_conditions": CONDITIONS,
        "condition_max_size": PAGE,
        "max_payload_index_count": len(indexes),
        "max_points_count": info.points_count + 1,
        "max_collection_vector_size_bytes": (info.points_count + 1) * info.config.params.vectors_config.params.size * 4,
    }
    limits = _limits(info)
    for name, least in needed.items():
        if limits.get(name, least) < least:
            yield f"{name} is {limits[name]}, {least} is needed"


def rates(info: qdrant.CollectionInfo) -> Iterator[str]:
    """Limits per minute that a load of questions would reach."""
    limits = _limits(info)
    for name in ("read_rate_limit", "write_rate_limit"):
        if name in limits:
            yield f"{name} is {limits[name]} a minute"


def _limits(info: qdrant.CollectionInfo) -> dict[str, float]:
    """The limits that are set; empty if strict mode is off."""
    strict = info.config.strict_mode_config
    limits = {field.name: value for field, value in strict.ListFields()}
    return limits if limits.get("enabled") else {}
