"""askonce stats"""

import argparse
import asyncio
import shutil
import sys

from askonce.client import Client
from askonce.commands.output import say, say_json
from askonce.commands.stats_table import tables
from askonce.commands.text_table import visible
from askonce.contract.wrong_rates import rates_report
from askonce.operator.admin import Admin
from askonce.prices.load import load_prices
from askonce.settings import client_settings

NAME = "stats"
HELP = "Print what was asked, what it cost and what was saved: last hour, day, 30 days and in total."
EXAMPLES = ("askonce stats", "askonce stats --namespace shop --json", "askonce stats --watch 5")
DEFAULTS = {"namespace": None}
"""All namespaces, unless one is named."""
HOME, END_OF_LINE, BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="count only this model")
    parser.add_argument("--prices", metavar="FILE", help="your own price file (default: list prices)")
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_pause,
        const=2.0,
        metavar="SECONDS",
        help="print again every SECONDS (default: 2) until Ctrl-C",
    )


def _pause(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{given!r} is not a number of seconds from 0.1 to 86400")
    return seconds


async def run(client: Client, args: argparse.Namespace) -> int:  # noqa: ARG001 - this takes a connection of its own
    prices = load_prices(args.prices or client_settings({}).prices)
    async with Admin(args.url) as admin:
        while True:
            report = await admin.stats(prices, namespace=args.namespace, model=args.model)
            rates = await admin.wrong_rates(namespace=args.namespace, model=args.model)
            terminal = shutil.get_terminal_size()
            if args.json:
                say_json({**report, "wrong_rate": None if rates is None else rates_report(rates)})
            elif args.watch and sys.stdout.isatty():
                sys.stdout.write(_redrawn(tables(report, terminal.columns, prices.hint, rates), terminal.lines))
            else:
                say(tables(report, terminal.columns, prices.hint, rates))
            sys.stdout.flush()
            if args.watch is None:
                return 0
            await asyncio.sleep(args.watch)


def _redrawn(text: str, height: int) -> str:
    """Redraws the screen. Lines beyond its height are cut off, because they would scroll."""
    lines = visible(text).split("\n")
    if len(lines) >= height:
        lines = [*lines[: height - 2], "… (a higher window shows more)"]
    return HOME + "".join(f"{line}{END_OF_LINE}\n" for line in lines) + BELOW
