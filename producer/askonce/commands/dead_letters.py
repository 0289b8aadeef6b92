"""askonce dead-letters"""

import argparse
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from askonce.client import Client
from askonce.commands.output import complain, say, say_json
from askonce.commands.records import known, show
from askonce.commands.text_table import table
from askonce.operator.dead_letters import DeadLetter, DeadLetters

NAME = "dead-letters"
HELP = "List, show, replay or drop jobs that workers gave up on."
EXAMPLES = (
    "askonce dead-letters list",
    "askonce dead-letters replay JOB          # prints old and new job ids",
    "askonce dead-letters drop --all --namespace shop",
)
DEFAULTS = {"namespace": None}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=tuple(ACTIONS), help="list omits prompts; replay asks the questions again")
    parser.add_argument("jobs", metavar="JOB", nargs="*", help="as shown by `list`")
    parser.add_argument("--all", action="store_true", help="all of them, or with --namespace all in it")


async def run(client: Client, args: argparse.Namespace) -> int:
    if args.action != "list" and args.all == bool(args.jobs):
        raise ValueError(f"{args.action} which: name jobs, or give --all")
    async with DeadLetters(client, args.url) as letters:
        chosen = await known(letters.get(args.jobs)) if args.jobs else [item async for item in letters.all()]
        if chosen is None:
            return 1
        if args.namespace is not None:
            chosen = [letter for letter in chosen if _namespace(letter) == args.namespace]
        return await ACTIONS[args.action](letters, sorted(chosen, key=lambda letter: letter.at), args.json)


async def _list(letters: DeadLetters, chosen: list[DeadLetter], as_json: bool) -> int:  # noqa: ARG001
    """No prompts."""
    facts = [{**_facts(letter), "namespace": _namespace(letter), "questions": _questions(letter)} for letter in chosen]
    if as_json:
        say_json(facts)
    elif facts:
        heads = ["job", "given up (UTC)", "namespace", "asked", "cause"]
        say(table(heads, map(_row, facts), left=5, width=shutil.get_terminal_size().columns, whole=1))
    else:
        complain("no dead letters")
    return 0


def _row(fact: dict[str, Any]) -> list[str]:
    when = datetime.fromtimestamp(fact["at"] / 1000, UTC).strftime("%m-%d %H:%M")
    questions = "-" if fact["questions"] is None else str(fact["questions"])
    return [fact["job"], when, fact["namespace"] or "-", questions, fact["cause"]]


async def _show(letters: DeadLetters, chosen: list[DeadLetter], as_json: bool) -> int:  # noqa: ARG001
    show(chosen, as_json=as_json)
    return 0


async def _replay(letters: DeadLetters, chosen: list[DeadLetter], as_json: bool) -> int:
    """Prints old and new job ids. Exit code 1 if a letter could not be replayed; it is kept."""
    replays, failed = [], 0
    for letter in chosen:
        try:
            replays.append(await letters.replay(letter))
        except ValueError as error:
            failed += 1
            complain(f"{letter.job} cannot be replayed: {error}")
            continue
        if not as_json:
            for old, new in replays[-1].job_ids.items():
                say(f"{old} {new}")
            for job_id, reason in replays[-1].left_out.items():
                complain(f"{job_id} is left out: {reason}")
    if as_json:
        say_json([asdict(replay) for replay in replays])
    return 1 if failed else 0


async def _drop(letters: DeadLetters, chosen: list[DeadLetter], as_json: bool) -> int:
    dropped = await letters.drop([letter.job for letter in chosen])
    if as_json:
        say_json({"dropped": dropped})
    else:
        say(f"{dropped} dropped")
    return 0


ACTIONS: dict[str, Callable[[DeadLetters, list[DeadLetter], bool], Awaitable[int]]] = {
    "list": _list,
    "show": _show,
    "replay": _replay,
    "drop": _drop,
}


def _facts(letter: DeadLetter) -> dict[str, Any]:
    return {name: value for name, value in asdict(letter).items() if name != "record"}


def _namespace(letter: DeadLetter) -> str | None:
    try:
        return letter.chunk().namespace
    except ValueError:
        return None


def _questions(letter: DeadLetter) -> int | None:
    try:
        chunk = letter.chunk()
    except ValueError:
        return None
    return len(chunk.questions) + len(chunk.bad)
