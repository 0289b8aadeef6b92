"""`askonce-worker demo`: the embedded stack, a real worker, and 138 questions in other words and in two languages."""

import asyncio
import os
import random
import time
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from askonce import AskOnceError, Client, Question
from askonce_worker.demo.tally import Tally
from askonce_worker.demo.worker import WorkerDied, while_all_live, worker
from askonce_worker.local.parts import Unavailable, choose_parts
from askonce_worker.local.stack import PartDied, Stack
from askonce_worker.local.stopping import Stopped, told_to_stop
from askonce_worker.local.weights import WeightsMissing
from askonce_worker.matching.match import conflict
from askonce_worker.providers.provider import connect
from askonce_worker.settings import PREFIX

THRESHOLD = 0.95
"""Tells this file's near-misses apart on the embedded model. It is the demo's, not a recommendation."""
IN_FLIGHT = 12
PATIENCE = 300.0
SYSTEM = "You are a helpful assistant. Answer in one short sentence."


def demo(
    log: Annotated[Path | None, typer.Option(help="Where the worker's log goes; nowhere by default.")] = None,
) -> None:
    """Watch real questions being answered by a real model on this machine: no key, no server, no Docker needed."""
    console = Console()
    _of_this_machine_alone()
    try:
        with told_to_stop():
            failed = _run(console, log)
    except (Unavailable, WeightsMissing, PartDied, WorkerDied, AskOnceError) as error:
        console.print(f"[red]askonce-worker demo: {error}", highlight=False)
        raise typer.Exit(1) from error
    except Stopped:
        raise typer.Exit(130) from None
    raise typer.Exit(1 if failed else 0)


def _run(console: Console, log: Path | None) -> bool:
    """Whether a question failed."""
    parts = choose_parts(say=console.print)
    with ExitStack() as running:
        with console.status("starting Redis, Qdrant, an embedding model and an LLM on this machine"):
            stack = running.enter_context(Stack(parts))
        console.print("[bold]ready[/]: Valkey, Qdrant's engine, multilingual-e5-small and SmolLM2-135M")
        environment = {**stack.environment, "ASKONCE_SIMILARITY_THRESHOLD": str(THRESHOLD)}
        with worker(environment, log) as check_worker:
            tally = asyncio.run(while_all_live(_ask_all(console, environment), check_worker, stack.check))
        _report(console, tally, asyncio.run(_kept_apart(environment)))
    return bool(tally.failed)


def _of_this_machine_alone() -> None:
    """What the shell sets for a service elsewhere is not meant for the demo's."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]


def questions() -> list[str]:
    """In an order in which the same question comes again early and late."""
    lines = files("askonce_worker").joinpath("demo", "questions.txt").read_text("utf-8").splitlines()
    random.Random(7).shuffle(lines)
    return lines


async def _ask_all(console: Console, environment: dict[str, str]) -> Tally:
    todo = questions()
    tally = Tally()
    places = asyncio.Semaphore(IN_FLIGHT)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    async with Client(environment["ASKONCE_REDIS_URL"], model=environment["ASKONCE_MODEL"]) as client:
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("asking", total=len(todo))

            async def one(text: str) -> None:
                async with places:
                    await _ask(client, text, tally)
                progress.update(bar, advance=1, description=f"{tally.sources['llm']} LLM calls, {tally.saved} saved")

            await asyncio.gather(*(one(text) for text in todo))
    return tally


async def _ask(client: Client, text: str, tally: Tally) -> None:
    started = time.perf_counter()
    try:
        answer = await client.ask(Question(text, system=SYSTEM, params={"temperature": 0}), timeout=PATIENCE)
    except AskOnceError as error:
        tally.fail(text, str(error))
    else:
        tally.add(text, answer, time.perf_counter() - started)


async def _kept_apart(environment: dict[str, str], most: int = 6) -> list[tuple[str, str, float]]:
    """Pairs above the threshold that the guard told apart: by their cosine alone they would share an answer."""
    texts = list(dict.fromkeys(questions()))
    url, key = environment["ASKONCE_EMBEDDING_BASE_URL"], environment["ASKONCE_EMBEDDING_API_KEY"]
    async with connect(base_url=url, api_key=key, timeout=PATIENCE) as openai:
        reply = await openai.embeddings.create(model=environment["ASKONCE_EMBEDDING_MODEL"], input=texts)
    vectors = np.array([item.embedding for item in reply.data], dtype=np.float32)
    similar = vectors @ vectors.T
    pairs: list[tuple[str, str, float]] = []
    for i, j in zip(*np.where(np.triu(similar, 1) >= THRESHOLD), strict=True):
        if conflict(texts[i], texts[j]) is not None:
            pairs.append((texts[i], texts[j], float(similar[i, j])))
    pairs.sort(key=lambda pair: -pair[2])
    return _one_of_each_kind(pairs)[:most]


def _one_of_each_kind(pairs: list[tuple[str, str, float]]) -> list[tuple[str, str, float]]:
    """Without those that say the same as one before, in other words."""
    shown: list[tuple[str, str, float]] = []
    for pair in pairs:
        alike = [(a, b) for a, b, _ in shown if _same(pair[0], a, b) and _same(pair[1], a, b)]
        if not alike:
            shown.append(pair)
    return shown


def _same(text: str, *others: str) -> bool:
    words = set(text.lower().replace("?", "").split())
    return any(len(words ^ set(other.lower().replace("?", "").split())) <= 2 for other in others)


def _report(console: Console, tally: Tally, apart: list[tuple[str, str, float]]) -> None:
    console.print()
    console.print(tally.examples())
    console.print(tally.near_misses(apart))
    console.print(tally.summary())
    for question, reason in tally.failed[:5]:
        console.print(f"[red]failed:[/] {question}: {reason}")
