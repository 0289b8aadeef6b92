"""What `askonce-worker check` says of a collection, from the server's own description of it."""

import pytest
from qdrant_client import grpc as qdrant

from askonce_worker.cache.qdrant_messages import collection_of
from askonce_worker.cache.qdrant_quantization import config_of, doubt, kind_of
from askonce_worker.check.qdrant_collection import remarks
from askonce_worker.settings import Settings


def described(size=1536, *, strict=None, points=10, status=qdrant.CollectionStatus.Green, **params):
    """As a server tells it. strict: the limits of strict mode."""
    vectors = qdrant.VectorsConfig(params=qdrant.VectorParams(size=size))
    config = qdrant.CollectionConfig(
        params=qdrant.CollectionParams(
            **{"vectors_config": vectors, "shard_number": 1, "replication_factor": 1, **params}
        )
    )
    if strict is not None:
        config.strict_mode_config.CopyFrom(qdrant.StrictModeConfig(**{"enabled": True, **strict}))
    return qdrant.CollectionInfo(status=status, points_count=points, config=config)


def said(info, **settings):
    return list(remarks(info, Settings(**settings)))


def test_a_collection_as_the_worker_makes_it_is_fine():
    assert said(described()) == []
    assert (
        said(described(strict={"max_query_limit": 1000, "search_max_batchsize": 64, "upsert_max_batchsize": 256})) == []
    )


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("search_max_batchsize", 63),
        ("max_query_limit", 100),
        ("search_max_oversampling", 1.5),
        ("upsert_max_batchsize", 100),
        ("filter_max_conditions", 2),
        ("condition_max_size", 100),
        ("max_payload_index_count", 2),
        ("max_points_count", 10),
        ("max_collection_vector_size_bytes", 10 * 1536 * 4),
    ],
)
def test_a_limit_that_the_workers_requests_would_pass_is_named(limit, value):
    [(serious, text)] = said(described(strict={limit: value}))
    assert serious
    assert f"{limit} is {value}, " in text
    assert said(described(strict={limit: value, "enabled": False})) == [], "strict mode is off"


def test_larger_chunks_need_larger_batches():
    info = described(strict={"search_max_batchsize": 64})
    assert "128 is needed" in said(info, chunk_size=128)[0][1]


def test_a_limit_a_minute_is_a_hint():
    [(serious, text)] = said(described(strict={"read_rate_limit": 600}))
    assert not serious
    assert "read_rate_limit is 600 a minute" in text


@pytest.mark.parametrize(("status", "serious"), [("Yellow", False), ("Grey", False), ("Red", True)])
def test_a_collection_that_is_not_green_is_explained(status, serious):
    [(wrong, text)] = said(described(status=qdrant.CollectionStatus.Value(status)))
    assert wrong is serious
    assert text.startswith(status.lower())


def test_a_clusters_default_of_one_copy_is_named():
    assert "3 shards with one copy each" in said(described(shard_number=3))[0][1]
    assert said(described(shard_number=3, replication_factor=2)) == []


def test_another_quantisation_than_asked_for_is_named_and_what_was_not_asked_for_is_left_alone():
    info = described()
    info.config.quantization_config.CopyFrom(config_of("int8"))
    assert (kind_of(info), said(info)) == ("int8", [])
    assert said(info, vector_quantization="int8") == []
    assert "ASKONCE_VECTOR_QUANTIZATION is none" in said(info, vector_quantization="none")[0][1]
    assert "ASKONCE_VECTOR_QUANTIZATION is int8" in said(described(), vector_quantization="int8")[0][1]


def test_binary_is_doubted_below_a_thousand_dimensions():
    info = described(384)
    info.config.quantization_config.CopyFrom(config_of("binary"))
    assert "384 dimensions" in said(info)[0][1]
    assert doubt("binary", 1536) is doubt("int8", 384) is None


def test_quantised_vectors_stay_in_memory_and_their_originals_on_disk():
    for kind, field in (("int8", "scalar"), ("binary", "binary")):
        request = collection_of("c", 384, kind)
        assert request.vectors_config.params.on_disk
        assert getattr(request.quantization_config, field).always_ram
    plain = collection_of("c", 384)
    assert not plain.HasField("quantization_config")
    assert not plain.vectors_config.params.HasField("on_disk")
