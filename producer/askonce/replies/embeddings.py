"""Bodies of the Embeddings API: a vector for each input, as numbers or as base64, mostly of little-endian float32."""

import binascii
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping
from sys import byteorder
from typing import Any

BYTES = 4
"""Bytes of a number."""


def is_embeddings(body: Any) -> bool:
    return isinstance(body, Mapping) and body.get("object") == "list" and "data" in body


def embeddings_of(body: Any) -> dict[str, Any]:
    """Checks embeddings: each has a vector. Raises ValueError."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or not data or not all(map(_has_vector, data)):
        raise ValueError("no embeddings")
    if not isinstance(body.get("model"), str | None) or not isinstance(body.get("usage"), dict | None):
        raise ValueError("embeddings with a malformed model or usage")
    known: dict[str, Any] = body
    return known


def packed(vector: Any) -> Any:
    """Vectors as base64, a fifth of the size of decimals. Anything but a list of floats stays unchanged, because its
    numbers may be of another kind, such as bits or integers."""
    if not isinstance(vector, list) or not all(isinstance(number, float) for number in vector):
        return vector
    return _encoded(vector)


def encoded_as(body: Mapping[str, Any], encoding: Any) -> dict[str, Any]:
    """A body of floats, with its vectors as requested: `base64`, else numbers."""
    change = _as_base64 if encoding == "base64" else _as_numbers
    data = [{**item, "embedding": change(item["embedding"])} for item in body["data"]]
    return {**body, "data": data}


def is_of_floats(vector: Any) -> bool:
    """Whether base64 vectors can be floats."""
    return not isinstance(vector, str) or _numbers_in(vector) is not None


def _has_vector(item: Any) -> bool:
    vector = item.get("embedding") if isinstance(item, dict) else None
    if isinstance(vector, str):
        return bool(_bytes_in(vector))
    return isinstance(vector, list) and bool(vector) and all(isinstance(each, int | float) for each in vector)


def _as_base64(vector: Any) -> Any:
    return vector if isinstance(vector, str) else _encoded(vector)


def _as_numbers(vector: Any) -> Any:
    numbers = _numbers_in(vector) if isinstance(vector, str) else None
    return vector if numbers is None else numbers


def _encoded(vector: list[float]) -> str:
    numbers = array("f", vector)
    if byteorder == "big":
        numbers.byteswap()
    return b64encode(numbers.tobytes()).decode()


def _numbers_in(text: str) -> list[float] | None:
    """The numbers; None if it is not base64 of such numbers."""
    raw = _bytes_in(text)
    if not raw or len(raw) % BYTES:
        return None
    numbers = array("f", raw)
    if byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def _bytes_in(text: str) -> bytes | None:
    """The bytes; None if it is not base64."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
