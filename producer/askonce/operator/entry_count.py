"""Counts the entries that an invalidation would affect, in bounded time and without blocking Redis."""

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from askonce.contract.keys import Keys, epoch_fields
from askonce.store.connection import Store

PAGE = 500
HEAD_BYTES = 2048
"""Bytes read of an entry. Its model and namespace come first; its question and its answer come later."""
TEXT = rb'("(?:[^"\\]|\\.)*+")'
_NAMES = re.compile(rb'"model":' + TEXT + rb',"namespace":' + TEXT)
_EPOCHS = re.compile(rb'"epochs":"([0-9.]+)"')


@dataclass(slots=True)
class EntryCount:
    """matching: valid entries of the name. looked_at: entries read, of `total`. whole: all were read.

    models, namespaces: those of all valid entries that were read.
    """

    total: int
    matching: int = 0
    looked_at: int = 0
    whole: bool = False
    models: Counter[str] = field(default_factory=Counter)
    namespaces: Counter[str] = field(default_factory=Counter)


async def count_entries(
    store: Store,
    keys: Keys,
    *,
    model: str | None,
    namespace: str | None,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> EntryCount:
    """Counts the valid entries of a model, of a namespace, of both, or all.

    It starts with the most recently hit. Entries that move in the index meanwhile may be missed.

    Args:
        store: the connection.
        keys: the names of the keys.
        model: the model; None for any.
        namespace: the namespace; None for any.
        seconds: after how long the count stops, unless all entries were read.
        clock: monotonic seconds.
    """
    end = clock() + seconds
    total, epochs = await store.pipeline([("ZCARD", keys.touched), ("HGETALL", keys.epochs)])
    count, current, seen = EntryCount(total), current_epochs(epochs), set[bytes]()
    first = 0
    while True:
        [page] = await store.pipeline([("ZREVRANGE", keys.touched, first, first + PAGE - 1)])
        names = [name for name in page if name not in seen]
        seen.update(names)
        reads = [("GETRANGE", keys.entry(name.decode()), 0, HEAD_BYTES - 1) for name in names]
        for head in await store.pipeline(reads) if reads else []:
            _count(count, head, current, model, namespace)
        count.looked_at = len(seen)
        count.whole = len(page) < PAGE
        first += PAGE
        if count.whole or clock() >= end:
            return count


def current_epochs(reply: list[bytes]) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in zip(reply[::2], reply[1::2], strict=True)}


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an entry. epochs: the stamp."""

    model: str
    namespace: str
    epochs: str

    def is_valid(self, current: Mapping[str, int]) -> bool:
        """Whether it has not been invalidated."""
        return self.epochs == ".".join(str(current.get(name, 0)) for name in epoch_fields(self.namespace, self.model))


def read_head(head: bytes) -> Head | None:
    names, epochs = _NAMES.search(head), _EPOCHS.search(head)
    if names is None or epochs is None:
        return None
    return Head(orjson.loads(names[1]), orjson.loads(names[2]), epochs[1].decode())


def _count(count: EntryCount, raw: bytes, current: Mapping[str, int], model: str | None, namespace: str | None) -> None:
    head = read_head(raw)
    if head is None or not head.is_valid(current):
        return
    count.models[head.model] += 1
    count.namespaces[head.namespace] += 1
    if model in (None, head.model) and namespace in (None, head.namespace):
        count.matching += 1
