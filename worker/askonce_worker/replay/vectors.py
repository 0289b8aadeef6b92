"""The texts' vectors on disk, each embedded once: in a file of the user's, or for this run only."""

import asyncio
import random
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from askonce_worker.answering.ports import Embedding, Vector
from askonce_worker.evaluate.vectors import NO_SERVER, REQUEST_TIMEOUT, NoVectors, digest
from askonce_worker.matching.profiles import Profile
from askonce_worker.pacing.limits import Waits
from askonce_worker.providers import provider
from askonce_worker.providers.embeddings import OpenAIEmbedder
from askonce_worker.providers.retry import Backoff
from askonce_worker.replay.spool import NO_JOURNAL
from askonce_worker.settings import Settings

AT_ONCE = 500
"""Digests per query: older versions of SQLite allow 999 parameters."""


class Embedder(Protocol):
    async def embed(self, texts: Sequence[str]) -> list[Embedding]: ...

    async def close(self) -> None: ...


def embedder_of(settings: Settings, profile: Profile) -> OpenAIEmbedder:
    """The configured embedder, with long timeouts, because nobody waits for it."""
    key = settings.embedding_api_key or settings.openai_api_key
    client = provider.connect(
        api_key=key.get_secret_value() if key else "none",
        base_url=settings.embedding_base_url or settings.openai_base_url,
        timeout=REQUEST_TIMEOUT,
    )
    return OpenAIEmbedder(
        client,
        model=settings.embedding_model,
        dimensions=settings.embedding_dimensions,
        max_tokens=profile.max_tokens,
        backoff=Backoff(random.random),
        waits=Waits(bulk=REQUEST_TIMEOUT),
        timeout=REQUEST_TIMEOUT,
    )


class Vectors:
    """Vectors of one model. Texts without one (too long or refused) are remembered as well. Raises NoVectors."""

    def __init__(self, path: Path, model: str, embedder: Embedder) -> None:
        self._embedder = embedder
        self._wanted: dict[bytes, asyncio.Task[None]] = {}
        self._database = sqlite3.connect(path, isolation_level=None)
        try:
            self._database.executescript(NO_JOURNAL)
            self._database.execute("CREATE TABLE IF NOT EXISTS vectors (digest BLOB PRIMARY KEY, vector BLOB)")
            self._database.execute("CREATE TABLE IF NOT EXISTS model (name TEXT)")
            row = self._database.execute("SELECT name FROM model").fetchone()
        except sqlite3.DatabaseError as error:
            raise NoVectors(f"{path} is not a file of vectors: name another one or remove it") from error
        if row is None:
            self._database.execute("INSERT INTO model VALUES (?)", (model,))
        elif row[0] != model:
            raise NoVectors(f"{path} holds vectors of {row[0]}, not of {model}: name another file")
        self.embedded = 0

    async def of(self, texts: Sequence[str]) -> dict[str, Vector | None]:
        """None for a text that has no vector. Raises NoVectors."""
        digests = {digest(text): text for text in texts}
        known = self._known(list(digests))
        missing = {name: text for name, text in digests.items() if name not in known and name not in self._wanted}
        if missing:
            task = asyncio.ensure_future(self._embed(missing))
            self._wanted.update(dict.fromkeys(missing, task))
        await asyncio.gather(*{self._wanted[name] for name in digests if name in self._wanted})
        known |= self._known([name for name in digests if name not in known])
        return {text: known[name] for name, text in digests.items()}

    async def close(self) -> None:
        tasks = set(self._wanted.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._embedder.close()
        self._database.close()

    def _known(self, digests: Sequence[bytes]) -> dict[bytes, Vector | None]:
        found: dict[bytes, Vector | None] = {}
        for at in range(0, len(digests), AT_ONCE):
            some = digests[at : at + AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._database.execute(f"SELECT * FROM vectors WHERE digest IN ({marks})", some)  # noqa: S608
            found |= {name: None if raw is None else np.frombuffer(raw, np.float32) for name, raw in rows}
        return found

    async def _embed(self, missing: Mapping[bytes, str]) -> None:
        try:
            embeddings = await self._embedder.embed(list(missing.values()))
        finally:
            for name in missing:
                del self._wanted[name]
        if any(each.unmatched in NO_SERVER for each in embeddings):
            raise NoVectors("the embedding model does not answer: `askonce-worker check` says why")
        vectors = [None if each.vector is None else each.vector.astype(np.float32).tobytes() for each in embeddings]
        self._database.execute("BEGIN")
        rows = zip(missing, vectors, strict=True)
        self._database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        self._database.execute("COMMIT")
        self.embedded += len(missing)
