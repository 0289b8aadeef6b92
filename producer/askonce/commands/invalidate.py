"""askonce invalidate"""

import argparse

from askonce.client import Client
from askonce.commands.output import complain, say, say_json
from askonce.commands.parser import meant
from askonce.operator.admin import Admin
from askonce.operator.entry_count import EntryCount

NAME = "invalidate"
HELP = "Stop using cached answers: those of a model, of a namespace, of both together, or all."
EXAMPLES = (
    "askonce invalidate --model gpt-4o-mini",
    "askonce invalidate --model gpt-4o-mini --namespace shop",
    "askonce invalidate --all",
)
DEFAULTS = {"namespace": None}
"""All namespaces, unless one is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="the model, as questions name it")
    parser.add_argument("--all", action="store_true", help="everything, in all namespaces")


async def run(client: Client, args: argparse.Namespace) -> int:
    count = await _counted(args)
    await client.invalidate(model=args.model, namespace=args.namespace, all=args.all)
    if args.json:
        of = {"model": args.model, "namespace": args.namespace, "all": args.all}
        met = {"entries": count.matching, "looked_at": count.looked_at, "of": count.total, "whole": count.whole}
        say_json({"invalidated": of, **met})
    else:
        say(_summary(count))
    if count.matching == 0 and count.whole and count.total:
        complain(_none_had_it(count, args))
    return 0


async def _counted(args: argparse.Namespace) -> EntryCount:
    """Counts no entries if they cannot be counted: invalidating matters more."""
    try:
        async with Admin(args.url) as admin:
            return await admin.count_entries(model=args.model, namespace=args.namespace)
    except Exception as error:  # noqa: BLE001 - whatever it is, the entries must not be used any longer
        complain(f"the entries could not be counted ({type(error).__name__})")
        return EntryCount(0)


def _summary(count: EntryCount) -> str:
    if count.whole:
        entries = "1 entry" if count.matching == 1 else f"{count.matching:,} entries"
        return f"invalidated {entries}; the workers delete the data in the background"
    return (
        f"invalidated at least {count.matching:,} entries "
        f"({count.looked_at:,} of {count.total:,} were checked); the workers delete the data in the background"
    )


def _none_had_it(count: EntryCount, args: argparse.Namespace) -> str:
    named = [f"{name} {value!r}" for name in ("model", "namespace") if (value := getattr(args, name)) is not None]
    hints = ""
    if args.model is not None and args.model not in count.models:
        hints = meant(args.model, count.models)
    if args.namespace is not None and args.namespace not in count.namespaces:
        hints = hints or meant(args.namespace, count.namespaces)
    of = " and ".join(named)
    return f"none of the {count.total:,} entries is for {of}{hints}" if named else "no entry was valid"
