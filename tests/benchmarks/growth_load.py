"""The questions of `bench_growth.py`: entries with neighbours near and far, and rewordings that must find them."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import orjson

from askonce import Client, Question
from askonce_worker.answering.ports import VectorQuery
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.semantic import QdrantSemanticCache
from support.openai_server.vectors import vectors

MODEL = "m"
EMBEDDING = "bench"
THRESHOLD = 0.95
DIMENSION = 384
ANSWER = "An answer of about the length that a question of support gets. " * 8
POLITE = ("please", "kindly", "hello", "hi", "well", "so", "okay", "hey")


class Load:
    """entries: how many. scopes: over how many they are spread, each a system prompt. expired: the share of entries
    whose vectors have expired; these are not asked for."""

    def __init__(self, entries: int, scopes: int, expired: float, seed: int = 1) -> None:
        self.entries, self.scopes = entries, scopes
        self.random = np.random.default_rng(seed)
        self.expired = np.sort(self.random.choice(entries, int(entries * expired), replace=False))
        self.valid = np.setdiff1d(np.arange(entries), self.expired, assume_unique=True)
        self.asked = 0

    def question(self, number: int, opening: str = "") -> Question:
        """20 topics, in each 20 parts: entries of a part are 0.65 alike, rewordings of one entry 0.98."""
        tag = f"[g{number % 20}/{number % 400}/{number}]"
        system = None if self.scopes == 1 else f"You serve customer {number % self.scopes}."
        return Question(f"{opening}bulk question number {number}? {tag}", model=MODEL, system=system)

    def rewordings(self, count: int) -> list[Question]:
        """Of entries by chance, each in words that nobody has used before."""
        questions = []
        for number in self.random.choice(self.valid, count):
            self.asked += 1
            words = " ".join(POLITE[int(digit)] for digit in f"{self.asked:o}")
            questions.append(self.question(int(number), f"{words} "))
        return questions

    def write(self, path: Path) -> None:
        """The rows for `askonce warm`."""
        with path.open("wb") as file:
            for number in range(self.entries):
                question = self.question(number)
                row = {"question": question.text, "model": MODEL, "answer": ANSWER, "system": question.system}
                file.write(orjson.dumps(row) + b"\n")


async def asks(client: Client, load: Load, count: int) -> dict[str, float]:
    """One at a time. Milliseconds, and how many of them were paid for."""
    taken, sources = [], Counter()
    for question in load.rewordings(count):
        started = time.perf_counter()
        answer = await client.ask(question, timeout=300)
        taken.append((time.perf_counter() - started) * 1000)
        sources[answer.source] += 1
    p99 = quantiles(taken, n=100)[98]
    return {"p50_ms": median(taken), "p99_ms": p99, "asked": count, "paid": sources["llm"]}


async def bulk(client: Client, load: Load, count: int, in_flight: int) -> dict[str, float]:
    sources, questions = Counter(), load.rewordings(count)
    started = time.perf_counter()
    async for _, answer in client.map(questions, in_flight=in_flight, ordered=False):
        sources[answer.source or answer.status] += 1
    rate = count / (time.perf_counter() - started)
    return {"per_second": rate, "asked": count, "paid": sources["llm"], "hits": sources["semantic"]}


async def recall(url: str, prefix: str, load: Load, count: int) -> float:
    """The share of searches in which Qdrant finds first what an exact search does."""
    cache = QdrantSemanticCache(
        QdrantChannel(url), embedding_model=EMBEDDING, now=time.time, prefix=prefix, timeout=600
    )
    questions = load.rewordings(count)
    rows = vectors([question.text for question in questions], DIMENSION)
    names, similar = await asyncio.to_thread(_exact, load, questions, rows)
    queries = [VectorQuery(q.scope, row, THRESHOLD) for q, row in zip(questions, rows, strict=True)]
    found = [hits for at in range(0, count, 64) for hits in await cache.search(queries[at : at + 64])]
    await cache.close()
    wanted = [at for at, similarity in enumerate(similar) if similarity >= THRESHOLD]
    return sum(bool(found[at]) and found[at][0].fingerprint == names[at] for at in wanted) / len(wanted)


def _exact(load: Load, questions: list[Question], rows: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Of each question the nearest valid entry of its scope: its fingerprint, and the similarity."""
    best, which = np.full(len(rows), -1.0, np.float32), np.zeros(len(rows), np.int64)
    scopes = np.array([int(q.text.rsplit("number ")[1].split("?")[0]) % load.scopes for q in questions])
    for at in range(0, len(load.valid), 20_000):
        some = load.valid[at : at + 20_000]
        scores = rows @ vectors([load.question(int(number)).text for number in some], DIMENSION).T
        scores[scopes[:, None] != (some % load.scopes)[None, :]] = -1
        nearest = scores.argmax(axis=1)
        score = scores[np.arange(len(rows)), nearest]
        better = score > best
        best[better], which[better] = score[better], some[nearest[better]]
    return [load.question(int(number)).fingerprint for number in which], best
