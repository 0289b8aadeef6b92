"""Why a question went to the LLM without a similarity lookup."""

from enum import StrEnum


class Unmatched(StrEnum):
    """The reason, as written in result records and in counter names (`unmatched:REASON`).

    EMBEDDINGS_SLOW: the embedding server did not answer within the lane's patience. EMBEDDINGS_DOWN: it cannot be
    reached, or fails. EMBEDDINGS_REFUSED: it refuses this text, or its vector has no direction. EMBEDDINGS_IDENTICAL:
    it gives different texts the same vector. TOO_LONG: the text is too long to be matched by similarity.
    QDRANT_DOWN: stored questions could not be searched, since Qdrant was away; those in flight were. QDRANT_SLOW: it
    did not answer within the lane's patience. QDRANT_REFUSED: it refuses the search, or all until settings change.
    """

    EMBEDDINGS_SLOW = "embeddings_slow"
    EMBEDDINGS_DOWN = "embeddings_down"
    EMBEDDINGS_REFUSED = "embeddings_refused"
    EMBEDDINGS_IDENTICAL = "embeddings_identical"
    TOO_LONG = "too_long"
    QDRANT_DOWN = "qdrant_down"
    QDRANT_SLOW = "qdrant_slow"
    QDRANT_REFUSED = "qdrant_refused"
