"""A provider batch, as stored in Redis. Its questions are in `lines:NAME`.

filled      it has its lines, and no file yet
uploaded    the provider has its file
creating    it was requested, and it is unknown whether the request arrived
running     the provider has it, under `batch_id`
ended       every line is settled, or has moved on
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from askonce.readable import read_object

VERSION = 1
UNSENT = ("filled", "uploaded")
"""States in which the provider has not been asked to create it."""
STATES = ("filled", "uploaded", "creating", "running", "ended")


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """began: Unix ms. asked: Unix ms of the last request to create it. heard: of a reply that left its creation
    unclear.

    pool: of its questions (`pool_of`). epochs: by namespace, when its file was written. status: the provider's.
    uploading: a file was sent, and its id may be unknown. unwanted: an operator wants to cancel it. cancelled: the
    provider was asked to cancel it. completed: lines, as the provider says; None if it does not. done, vain: lines
    that were read, with an answer and without one. lost: lines that are counted as billed, and nobody has read.
    """

    name: str
    state: str
    pool: str
    model: str
    total: int = 0
    file_id: str = ""
    batch_id: str = ""
    began: int = 0
    asked: int = 0
    heard: int = 0
    status: str = ""
    uploading: bool = False
    unwanted: bool = False
    cancelled: bool = False
    completed: int | None = None
    done: int = 0
    vain: int = 0
    lost: int = 0
    epochs: Mapping[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> str:
        """The place of its questions."""
        return f"lines:{self.name}"


def read_batch(name: str, fields: Mapping[bytes, bytes]) -> BatchRecord:
    """Raises ValueError if it cannot be read."""
    texts = {key.decode(): value.decode() for key, value in fields.items()}
    if texts.get("v") != str(VERSION) or texts.get("state") not in STATES or "model" not in texts:
        raise ValueError("not a batch of version 1")
    epochs = read_object(texts.get("epochs", "{}").encode())
    return BatchRecord(
        name=name,
        state=texts["state"],
        pool=texts.get("pool") or texts["model"],
        model=texts["model"],
        total=int(texts.get("total", "0")),
        file_id=texts.get("file", ""),
        batch_id=texts.get("id", ""),
        began=int(texts.get("began", "0")),
        asked=int(texts.get("asked", "0")),
        heard=int(texts.get("heard", "0")),
        status=texts.get("status", ""),
        uploading="uploading" in texts,
        unwanted="cancel" in texts,
        cancelled="cancelled" in texts,
        completed=int(texts["completed"]) if "completed" in texts else None,
        done=int(texts.get("done", "0")),
        vain=int(texts.get("vain", "0")),
        lost=int(texts.get("lost", "0")),
        epochs={str(namespace): str(stamp) for namespace, stamp in epochs.items()},
    )


def epochs_record(epochs: Mapping[str, str]) -> bytes:
    return orjson.dumps(dict(epochs))
