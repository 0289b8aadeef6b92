"""Quantised vectors in Qdrant: small copies in memory find the candidates, the originals on disk give their scores.

Each search asks for twice as many candidates as it takes, scored again (`qdrant_messages.query`): a threshold is always
compared with the originals' similarity. What is lost are neighbours that the small copies do not find.
"""

from typing import Literal

from qdrant_client import grpc as qdrant

Quantization = Literal["none", "int8", "binary"]

BINARY_FROM = 1024
"""Dimensions below which one bit a dimension loses neighbours: `tests/benchmarks/bench_vectors.py`."""
_QUANTILE = 0.99


def config_of(kind: Quantization) -> qdrant.QuantizationConfig | None:
    if kind == "int8":
        scalar = qdrant.ScalarQuantization(type=qdrant.QuantizationType.Int8, quantile=_QUANTILE, always_ram=True)
        return qdrant.QuantizationConfig(scalar=scalar)
    if kind == "binary":
        return qdrant.QuantizationConfig(binary=qdrant.BinaryQuantization(always_ram=True))
    return None


def kind_of(info: qdrant.CollectionInfo) -> str:
    """`none`, `int8`, `binary`, or what an operator has chosen else. The vectors' own setting goes before their
    collection's."""
    config, vectors = info.config, info.config.params.vectors_config.params
    chosen = vectors if vectors.HasField("quantization_config") else config
    if not chosen.HasField("quantization_config"):
        return "none"
    kind = chosen.quantization_config.WhichOneof("quantization")
    return "int8" if kind == "scalar" else str(kind)


def doubt(kind: Quantization, dimension: int) -> str | None:
    """What speaks against it."""
    if kind == "binary" and dimension < BINARY_FROM:
        return f"binary loses neighbours at {dimension} dimensions: int8 is for fewer than {BINARY_FROM}"
    return None
