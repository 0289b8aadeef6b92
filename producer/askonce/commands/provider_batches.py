"""askonce provider-batches"""

import argparse
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from askonce.client import Client
from askonce.commands.output import complain, say, say_json
from askonce.commands.records import known, show
from askonce.commands.text_table import age, money, number, table
from askonce.operator.provider_batches import ProviderBatch, ProviderBatches

NAME = "provider-batches"
HELP = "List, show or cancel batches at the LLM provider."
EXAMPLES = (
    "askonce provider-batches list",
    "askonce provider-batches cancel BATCH    # the rest goes to the next batch",
    "askonce provider-batches list --all --json",
)
DEFAULTS = {"namespace": None}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=tuple(ACTIONS), help="cancel ends them early; `askonce cancel` is for questions"
    )
    parser.add_argument("batches", metavar="BATCH", nargs="*", help="as shown by `list`")
    parser.add_argument("--all", action="store_true", help="list: include those that ended in the last week")


async def run(client: Client, args: argparse.Namespace) -> int:  # noqa: ARG001 - as every command
    if args.action != "list" and not args.batches:
        raise ValueError(f"{args.action} which: name batches, as `list` does")
    if args.namespace is not None:
        raise ValueError("--namespace: a batch holds questions of all namespaces")
    if args.all and (args.action != "list" or args.batches):
        raise ValueError("--all goes with list alone, without names")
    async with ProviderBatches(args.url) as batches:
        chosen = await known(batches.get(args.batches) if args.batches else batches.all())
        if chosen is None:
            return 1
        if args.action == "list" and not args.batches and not args.all:
            chosen = [batch for batch in chosen if batch.state != "ended"]
        return await ACTIONS[args.action](batches, chosen, args.json)


async def _list(batches: ProviderBatches, chosen: list[ProviderBatch], as_json: bool) -> int:  # noqa: ARG001
    if as_json:
        say_json([asdict(batch) for batch in chosen])
    elif chosen:
        heads = ["batch", "state", "model", "lines", "done", "failed", "age", "cost"]
        say(table(heads, map(_row, chosen), left=3, width=shutil.get_terminal_size().columns, whole=2))
    else:
        complain("no batches")
    return 0


def _row(batch: ProviderBatch) -> list[str]:
    state = batch.status if batch.state in ("running", "ended") and batch.status else batch.state
    counts = [number(each) for each in (batch.requests, batch.done, batch.failed)]
    return [batch.name, state, batch.model, *counts, age(batch.age_s), "-" if batch.cost is None else money(batch.cost)]


async def _show(batches: ProviderBatches, chosen: list[ProviderBatch], as_json: bool) -> int:  # noqa: ARG001
    show(chosen, as_json=as_json)
    return 0


async def _cancel(batches: ProviderBatches, chosen: list[ProviderBatch], as_json: bool) -> int:
    """Exit code 1 if one has already ended."""
    asked = await batches.cancel([batch.name for batch in chosen])
    if as_json:
        say_json(asked)
    for name, done in () if as_json else asked.items():
        say(f"{name} {'is being cancelled' if done else 'has ended already'}")
    return 0 if all(asked.values()) else 1


ACTIONS: dict[str, Callable[[ProviderBatches, list[ProviderBatch], bool], Awaitable[int]]] = {
    "list": _list,
    "show": _show,
    "cancel": _cancel,
}
