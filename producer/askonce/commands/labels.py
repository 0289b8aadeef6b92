"""askonce labels"""

import argparse
from typing import get_args

import orjson

from askonce.client import Client
from askonce.commands.files import write_output
from askonce.contract.audit import By
from askonce.operator.matches import Matches

NAME = "labels"
HELP = "Write judged matches as rows for `askonce-worker evaluate`."
EXAMPLES = (
    "askonce labels labels.jsonl",
    "askonce labels --by person --namespace shop",
    "askonce labels --waiting    # for `askonce right --match ID`",
)
DEFAULTS = {"namespace": None}
WHO = tuple(name for name in get_args(By) if name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="output file; - is stdout")
    parser.add_argument("--by", choices=WHO, help="only those judged by these")
    parser.add_argument("--waiting", action="store_true", help="instead, the matches that nobody could judge yet")


async def run(client: Client, args: argparse.Namespace) -> int:  # noqa: ARG001 - this takes a connection of its own
    if args.by is not None and args.waiting:
        raise ValueError("--waiting: nobody has judged these")
    async with Matches(args.url) as matches:
        rows = await matches.labelled(waiting=args.waiting)
    content = b"".join(
        orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        for row in rows
        if args.namespace in (None, row["namespace"]) and args.by in (None, row["by"])
    )
    write_output(args.file, content)
    return 0
