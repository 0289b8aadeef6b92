"""askonce stats"""

import argparse
import asyncio
import sys

from askonce.client import Client
from askonce.commands.output import say, say_json
from askonce.commands.stats_table import tables
from askonce.operator.admin import Admin
from askonce.prices import load_prices

NAME = "stats"
HELP = "Print what was asked, what it cost, and what was saved: last hour, day, month, and in all."
CLEAR = "\x1b[H\x1b[2J"
DEFAULTS = {"namespace": None}
"""Not the client's own: all, where none is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="of this model alone")
    parser.add_argument("--prices", metavar="FILE", help="a price file of your own")
    parser.add_argument(
        "--watch", nargs="?", type=float, const=2.0, metavar="SECONDS", help="again and again (default: every 2 s)"
    )


async def run(client: Client, args: argparse.Namespace) -> int:  # noqa: ARG001 - this takes a connection of its own
    prices = load_prices(args.prices)
    async with Admin(args.url) as admin:
        while True:
            report = await admin.stats(prices, namespace=args.namespace, model=args.model)
            if args.json:
                say_json(report)
            else:
                say((CLEAR if args.watch and sys.stdout.isatty() else "") + tables(report))
            if args.watch is None:
                return 0
            await asyncio.sleep(max(0.1, args.watch))
