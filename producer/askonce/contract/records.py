"""Entries and results as stored in Redis: JSON objects whose large fields may be compressed.

    {"created_at":1732400000,…,"question":"…","body":null,"zstd":{"body":[2714,958]}}
    <line feed><version: one byte><frame>…

A compressed field is null in the object. `zstd` lists it with its size in bytes as JSON and as a frame (`frames.py`);
the frames follow in this order. Everything else comes first, as in a plain record: Redis scripts and the upkeep read no
further. In JSON no byte below 9 can follow a line feed, so that byte marks a compressed record.

Any entry may be compressed; a result only if its chunk says that the submitter can read it (`chunk.py`).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from askonce.contract.frames import compress, decompress
from askonce.readable import MAX_RECORD_BYTES, read_json, read_object

VERSION = 1
LEAST = 1024
"""Minimum bytes of a compressed record: smaller ones would save little memory and slow down every hit."""
FIELDS = {"question": 2048, "body": 256, "matched_question": 256, "asked": 256, "metadata": 256}
"""Fields to compress, and their minimum bytes. Shorter questions stay plain because upkeep reads them."""
_BEGINS_NO_JSON = 9

Frame = tuple[int, bytes]
"""The size of its JSON in bytes, and the frame."""


class Body(dict[str, Any]):
    """An immutable completion that caches its frame, so that it is compressed once for its entry and all its
    results."""

    __slots__ = ("frame",)

    def __init__(self, body: Mapping[str, Any], frame: Frame | None = None) -> None:
        super().__init__(body)
        self.frame = frame


def write_record(record: Mapping[str, Any], *, compressed: bool) -> bytes:
    """The record, with its fields in their order."""
    plain = b"" if compressed and _has_large_frame(record) else orjson.dumps(record)
    if plain and (not compressed or len(plain) < LEAST):
        return plain
    found = {name: _frame(record[name], least) for name, least in FIELDS.items() if record.get(name) is not None}
    frames = {name: frame for name, frame in found.items() if frame is not None}
    if not frames:
        return plain
    sizes = {name: (size, len(frame)) for name, (size, frame) in frames.items()}
    head = orjson.dumps({**record, **dict.fromkeys(frames), "zstd": sizes})
    return b"".join([head, b"\n", bytes([VERSION]), *(frame for _, frame in frames.values())])


def read_record(raw: bytes) -> dict[str, Any]:
    """A record, compressed or not. Raises ValueError if it is unreadable, or of an unknown version."""
    return open_record(raw)[0]


def open_record(raw: bytes) -> tuple[dict[str, Any], dict[str, Frame]]:
    """Like `read_record`, but also returns the frames by field."""
    head, _, tail = raw.partition(b"\n")
    if not tail or tail[0] >= _BEGINS_NO_JSON:
        return read_object(raw), {}
    if tail[0] != VERSION:
        raise ValueError(f"compressed as of version {tail[0]}, which a newer release knows")
    if len(raw) > MAX_RECORD_BYTES:
        raise ValueError(f"over {MAX_RECORD_BYTES} bytes")
    record = read_object(head)
    frames = _frames(record.pop("zstd", None), tail)
    for name, (size, frame) in frames.items():
        record[name] = read_json(decompress(frame, size))
    return record, frames


def _has_large_frame(record: Mapping[str, Any]) -> bool:
    """Whether it is compressed for certain, without measuring it."""
    body = record.get("body")
    return isinstance(body, Body) and body.frame is not None and body.frame[0] >= LEAST


def _frame(value: Any, least: int) -> Frame | None:
    """The frame; None if the field stays plain."""
    if isinstance(value, Body) and value.frame is not None:
        return value.frame
    plain = orjson.dumps(value)
    frame = compress(plain) if len(plain) >= least else None
    if frame is None:
        return None
    if isinstance(value, Body):
        value.frame = len(plain), frame
    return len(plain), frame


def _frames(sizes: Any, tail: bytes) -> dict[str, Frame]:
    """Splits what follows the version byte by its sizes. Raises ValueError."""
    if not isinstance(sizes, dict) or not sizes.keys() <= FIELDS.keys():
        raise ValueError("malformed sizes of frames")
    frames, at = {}, 1
    for name, pair in sizes.items():
        if not isinstance(pair, list) or [type(size) for size in pair] != [int, int] or pair[1] <= 0:
            raise ValueError("malformed sizes of frames")
        frames[name] = pair[0], tail[at : at + pair[1]]
        at += pair[1]
    if at != len(tail):
        raise ValueError("frames that are cut off, or too long")
    return frames
