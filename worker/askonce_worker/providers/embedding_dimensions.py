"""Vectors with fewer dimensions than the model's own (`dimensions` in the request), whether or not the server supports
it.

A server that ignores it sends all dimensions. For a Matryoshka model, the first ones are a usable vector, so they are
cut here, as the provider would do it. If a server refuses it, or sends fewer, there are no vectors.
"""

import re
from collections.abc import Sequence

import numpy as np
import structlog

from askonce_worker.answering.ports import Vector
from askonce_worker.providers.provider import ProviderError

ABOUT_DIMENSIONS = re.compile(r"dimension|matryoshka", re.IGNORECASE)
"""Servers' words: 'This model does not support specifying dimensions', 'does not support matryoshka representation',
'body.dimensions: Extra inputs are not permitted'."""
BAD_REQUEST = (400, 422)

log = structlog.get_logger(__name__)


def is_refusal(status: int | None, words: str) -> bool:
    """Whether a server refuses `dimensions`, rather than the texts."""
    return status in BAD_REQUEST and ABOUT_DIMENSIONS.search(words) is not None


def shortened(vector: Vector, dimensions: int) -> Vector | None:
    """The first dimensions, as a unit vector. None if the vector has fewer, or no direction in these."""
    if vector.size <= dimensions:
        return vector if vector.size == dimensions else None
    first = vector[:dimensions].astype(np.float64)
    length = float(np.linalg.norm(first))
    if not length:
        return None
    unit: Vector = (first / length).astype(np.float32)
    unit.setflags(write=False)
    return unit


class Reduction:
    """wanted: dimensions; None for the model's own. Logs once how a server handles it."""

    def __init__(self, model: str, wanted: int | None) -> None:
        self.wanted = wanted
        self._model = model
        self._said: object = None

    def fit(self, vectors: Sequence[Vector | None]) -> list[Vector | None]:
        wanted = self.wanted
        sent = next((vector.size for vector in vectors if vector is not None), wanted)
        if wanted is None or sent is None or sent == wanted:
            return list(vectors)
        if sent > wanted:
            self._say(
                sent, "embeddings.shortened", "the server ignores `dimensions`; cut here, as Matryoshka models allow"
            )
        else:
            self._say(sent, "embeddings.too_short", "the model has fewer dimensions than ASKONCE_EMBEDDING_DIMENSIONS")
        return [None if vector is None else shortened(vector, wanted) for vector in vectors]

    def is_refused(self, error: ProviderError) -> bool:
        refused = self.wanted is not None and is_refusal(error.status, error.message)
        if refused:
            reason = "the server rejects `dimensions` for this model: unset ASKONCE_EMBEDDING_DIMENSIONS"
            self._say("refused", "embeddings.dimensions_refused", reason)
        return refused

    def _say(self, what: object, event: str, reason: str) -> None:
        if what != self._said:
            self._said = what
            sent = what if isinstance(what, int) else None
            log.warning(event, model=self._model, wanted=self.wanted, sent=sent, reason=reason)
