"""The texts' vectors: from the configured embedding model, or from the file that an earlier run saved."""

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from numpy.typing import NDArray

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import Vector
from askonce_worker.matching.profiles import Profile
from askonce_worker.pacing.limits import Waits
from askonce_worker.providers import provider
from askonce_worker.providers.embeddings import OpenAIEmbedder
from askonce_worker.providers.retry import Backoff
from askonce_worker.settings import Settings

REQUEST_TIMEOUT = 120.0
"""Seconds. Long, because no user waits for these vectors."""
NO_SERVER = (Unmatched.EMBEDDINGS_DOWN, Unmatched.EMBEDDINGS_SLOW, Unmatched.EMBEDDINGS_IDENTICAL)
BATCH = 64
"""Texts per request."""

Progress = Callable[[int], None]


class NoVectors(Exception):
    """There are no vectors to measure with. The message says why in one line."""


class VectorFile:
    """Vectors of one model, keyed by the digest of their text: the file holds no text. Raises NoVectors."""

    def __init__(self, path: Path | None, model: str) -> None:
        self._path = path
        self._model = model
        self.known: dict[bytes, Vector] = {}
        if path is not None and path.exists():
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as file:
                model, digests, vectors = str(file["model"]), file["digests"], file["vectors"]
        except (OSError, ValueError, KeyError) as error:
            raise NoVectors(f"{path} is not a file of vectors: name another one or remove it") from error
        if model != self._model:
            raise NoVectors(f"{path} holds vectors of {model}, not of {self._model}: name another file")
        self.known = dict(zip(map(bytes, digests), vectors, strict=True))

    def add(self, texts: Sequence[str], vectors: Sequence[Vector]) -> None:
        self.known.update(zip(map(digest, texts), vectors, strict=True))

    def missing(self, texts: Iterable[str]) -> list[str]:
        """The texts without a vector, each once."""
        return [text for text in dict.fromkeys(texts) if digest(text) not in self.known]

    def save(self) -> None:
        if self._path is None or not self.known:
            return
        digests = np.frombuffer(b"".join(self.known), np.uint8).reshape(len(self.known), -1)
        with NamedTemporaryFile("wb", dir=self._path.parent, prefix=self._path.name, delete=False) as file:
            np.savez(file, model=np.array(self._model), digests=digests, vectors=np.stack(list(self.known.values())))
        Path(file.name).replace(self._path)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


async def embed(texts: Sequence[str], settings: Settings, profile: Profile, file: VectorFile, on: Progress) -> None:
    """Embed the texts and save their vectors in the file, also when interrupted.

    Args:
        texts: Texts without a vector.
        settings: Where the embedding model is.
        profile: Its token limit.
        file: Where the vectors go. Texts that the model refuses or that are too long get none.
        on: Called with the number of texts done since the last call.

    Raises:
        NoVectors: The model does not answer.
    """
    key = settings.embedding_api_key or settings.openai_api_key
    client = provider.connect(
        api_key=key.get_secret_value() if key else "none",
        base_url=settings.embedding_base_url or settings.openai_base_url,
        timeout=REQUEST_TIMEOUT,
    )
    embedder = OpenAIEmbedder(
        client,
        model=settings.embedding_model,
        dimensions=settings.embedding_dimensions,
        max_tokens=profile.max_tokens,
        backoff=Backoff(random.random),
        waits=Waits(bulk=REQUEST_TIMEOUT),
        timeout=REQUEST_TIMEOUT,
    )
    try:
        for at in range(0, len(texts), BATCH):
            batch = texts[at : at + BATCH]
            await _embed_batch(embedder, batch, file)
            on(len(batch))
    finally:
        await asyncio.shield(embedder.close())
        file.save()


async def _embed_batch(embedder: OpenAIEmbedder, batch: Sequence[str], file: VectorFile) -> None:
    embeddings = await embedder.embed(batch)
    if any(each.unmatched in NO_SERVER for each in embeddings):
        raise NoVectors("the embedding model does not answer: `askonce-worker check` says why")
    found = [(text, each.vector) for text, each in zip(batch, embeddings, strict=True) if each.vector is not None]
    file.add([text for text, _ in found], [vector for _, vector in found])


def similarities(firsts: Sequence[str], seconds: Sequence[str], file: VectorFile) -> NDArray[np.float64]:
    """The cosine of each pair; NaN where one of the two has no vector."""
    found = np.full(len(firsts), np.nan)
    for at, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
        a, b = file.known.get(digest(first)), file.known.get(digest(second))
        if a is not None and b is not None:
            found[at] = float(np.dot(a, b))
    return found
