"""askonce explain"""

import argparse
import shutil
from dataclasses import asdict

from askonce.client import Client
from askonce.commands.explain_lines import lines
from askonce.commands.output import complain, say, say_json
from askonce.commands.question_arguments import add_question_arguments, question_from

NAME = "explain"
HELP = "Explain why a question is, or is not, answered from the cache. Nothing is asked."
EXAMPLES = (
    'askonce explain "How do I read a CSV file in Python?"',
    'askonce explain "hello" --system "Translate into French." --json',
)
PATIENCE = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_question_arguments(parser)
    parser.add_argument(
        "--timeout", type=float, default=PATIENCE, metavar="SECONDS", help="how long to wait for a worker"
    )


async def run(client: Client, args: argparse.Namespace) -> int:
    """Exit code 1 if no worker explained it."""
    found = await client.explain(question_from(args), timeout=args.timeout)
    if args.json:
        say_json(asdict(found))
    else:
        for line in lines(found, shutil.get_terminal_size().columns):
            say(line)
        if found.note:
            complain(found.note)
    return 1 if found.explained_by == "redis" else 0
