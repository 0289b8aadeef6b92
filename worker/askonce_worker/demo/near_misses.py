"""The demo's near-misses: questions that look the same to the embedding model and that the guard tells apart."""

from collections.abc import Mapping, Sequence

import numpy as np

from askonce_worker.matching.match import conflict
from askonce_worker.providers.provider import connect

TIMEOUT = 300.0


async def kept_apart(
    questions: Sequence[str], environment: Mapping[str, str], most: int = 6
) -> list[tuple[str, str, float]]:
    """Pairs above the threshold that the guard kept apart, the most similar first: by cosine alone they would share an
    answer."""
    texts = list(dict.fromkeys(questions))
    url, key = environment["ASKONCE_EMBEDDING_BASE_URL"], environment["ASKONCE_EMBEDDING_API_KEY"]
    async with connect(base_url=url, api_key=key, timeout=TIMEOUT) as openai:
        reply = await openai.embeddings.create(model=environment["ASKONCE_EMBEDDING_MODEL"], input=texts)
    vectors = np.array([item.embedding for item in reply.data], dtype=np.float32)
    similar = vectors @ vectors.T
    threshold = float(environment["ASKONCE_SIMILARITY_THRESHOLD"])
    pairs: list[tuple[str, str, float]] = []
    for i, j in zip(*np.where(np.triu(similar, 1) >= threshold), strict=True):
        if conflict(texts[i], texts[j]) is not None:
            pairs.append((texts[i], texts[j], float(similar[i, j])))
    pairs.sort(key=lambda pair: -pair[2])
    return _one_of_each_kind(pairs)[:most]


def _one_of_each_kind(pairs: list[tuple[str, str, float]]) -> list[tuple[str, str, float]]:
    """The pairs without those that merely reword an earlier one."""
    shown: list[tuple[str, str, float]] = []
    for pair in pairs:
        alike = [(a, b) for a, b, _ in shown if _same(pair[0], a, b) and _same(pair[1], a, b)]
        if not alike:
            shown.append(pair)
    return shown


def _same(text: str, *others: str) -> bool:
    words = set(text.lower().replace("?", "").split())
    return any(len(words ^ set(other.lower().replace("?", "").split())) <= 2 for other in others)
