"""askonce invalidate"""

import argparse

from askonce.client import Client
from askonce.commands.output import say, say_json

NAME = "invalidate"
HELP = "Have cached answers never used again: of a model, of a namespace, of both together, or all."
DEFAULTS = {"namespace": None}
"""Not the client's own: all, where none is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="the model, as questions name it")
    parser.add_argument("--all", action="store_true", help="everything, of all namespaces")


async def run(client: Client, args: argparse.Namespace) -> int:
    await client.invalidate(model=args.model, namespace=args.namespace, all=args.all)
    if args.json:
        say_json({"invalidated": {"model": args.model, "namespace": args.namespace, "all": args.all}})
    else:
        say("invalidated: from now on nothing of it is used; the workers delete it")
    return 0
