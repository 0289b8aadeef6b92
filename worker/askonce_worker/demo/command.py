"""`askonce-worker demo`: the embedded stack, a real worker, and 138 questions, many reworded, in two languages."""

import asyncio
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from askonce import AskOnceError, Client, Question
from askonce_worker.demo.near_misses import kept_apart
from askonce_worker.demo.tally import DemoTally, near_misses
from askonce_worker.demo.worker import WorkerDied, while_all_live, worker
from askonce_worker.local.parts import Part, Unavailable, choose_parts
from askonce_worker.local.stack import PartDied, Stack
from askonce_worker.local.stopping import Stopped, stop_on_signals
from askonce_worker.local.weights import WeightsMissing
from askonce_worker.settings import PREFIX

IN_FLIGHT = 12
TIMEOUT = 300.0
SYSTEM = "You are a helpful assistant. Answer in one short sentence."
COLUMNS = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
NEXT = """
next: ask your own questions, with three shells in the same directory

    askonce-worker local
    askonce-worker run
    askonce ask "What is the capital of France?"      # then reword it
"""


def demo(
    log: Annotated[Path | None, typer.Option(help="Write the worker's log to this file.")] = None,
) -> None:
    """Put 138 real questions to a real model on this machine: no API key, server or Docker needed."""
    console = Console()
    _ignore_shell_settings()
    try:
        with stop_on_signals():
            failed = _run(console, log)
    except (Unavailable, WeightsMissing, PartDied, WorkerDied, AskOnceError) as error:
        console.print(Text(f"askonce-worker demo: {error}", style="red"))
        raise typer.Exit(1) from error
    except Stopped:
        raise typer.Exit(130) from None
    raise typer.Exit(1 if failed else 0)


def _run(console: Console, log: Path | None) -> bool:
    """Returns whether any question failed."""
    parts = choose_parts(say=lambda line: console.print(line, markup=False, highlight=False))
    with ExitStack() as running:
        stack = running.enter_context(_started(console, parts))
        console.print("[bold]ready[/]: Valkey, Qdrant's engine, multilingual-e5-small and SmolLM2-135M")
        with worker(stack.environment, log) as check_worker:
            tally = asyncio.run(while_all_live(_ask_all(console, stack.environment), check_worker, stack.check))
        _report(console, tally, asyncio.run(kept_apart(questions(), stack.environment)))
    return bool(tally.failed)


@contextmanager
def _started(console: Console, parts: Sequence[Part]) -> Iterator[Stack]:
    """The running stack, once all of its parts answer; a progress bar names those that do not yet."""
    with ExitStack() as running:
        with Progress(*COLUMNS, console=console) as progress:
            names = [part.name for part in parts]
            bar = progress.add_task(f"starting {', '.join(names)}", total=len(names))

            def answers(name: str) -> None:
                names.remove(name)
                left = f"starting {', '.join(names)}" if names else "started"
                progress.update(bar, advance=1, description=left)

            stack = running.enter_context(Stack(parts, answers))
        yield stack


def _ignore_shell_settings() -> None:
    """The demo runs on this machine only, even if the shell is set up for servers elsewhere."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]


def questions() -> list[str]:
    """Shuffled, so that some paraphrases are asked close together and others far apart."""
    lines = files("askonce_worker").joinpath("demo", "questions.txt").read_text("utf-8").splitlines()
    random.Random(7).shuffle(lines)
    return lines


async def _ask_all(console: Console, environment: dict[str, str]) -> DemoTally:
    todo = questions()
    tally = DemoTally()
    slots = asyncio.Semaphore(IN_FLIGHT)
    async with Client(environment["ASKONCE_REDIS_URL"], model=environment["ASKONCE_MODEL"]) as client:
        with Progress(*COLUMNS, console=console) as progress:
            bar = progress.add_task("asking", total=len(todo))

            async def one(text: str) -> None:
                async with slots:
                    await _ask(client, text, tally)
                progress.update(
                    bar, advance=1, description=f"{tally.sources['llm']} LLM calls, {tally.calls_saved} saved"
                )

            await asyncio.gather(*(one(text) for text in todo))
    return tally


async def _ask(client: Client, text: str, tally: DemoTally) -> None:
    started = time.perf_counter()
    try:
        answer = await client.ask(Question(text, system=SYSTEM, params={"temperature": 0}), timeout=TIMEOUT)
    except AskOnceError as error:
        tally.fail(text, str(error))
    else:
        tally.add(text, answer, time.perf_counter() - started)


def _report(console: Console, tally: DemoTally, apart: list[tuple[str, str, float]]) -> None:
    console.print()
    console.print(tally.examples())
    console.print(near_misses(apart))
    console.print(tally.summary())
    for question, reason in tally.failed[:5]:
        console.print(Text(f"failed: {question}: {reason}", style="red"))
    console.print(NEXT, markup=False, highlight=False)
