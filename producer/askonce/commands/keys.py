"""askonce keys"""

import argparse
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import InvalidOperation

from askonce.client import Client
from askonce.commands.output import complain, say, say_json
from askonce.commands.parser import meant
from askonce.commands.text_table import table
from askonce.contract.access_key import RIGHTS, AccessKey, payer_of
from askonce.operator.access_keys import AccessKeys
from askonce.payer import Payer
from askonce.prices.money import from_nano, to_nano
from askonce.question_checks import check_namespace

NAME = "keys"
HELP = "Add, list and remove keys of the front door (`askonce serve`)."
EXAMPLES = (
    "askonce keys add shop-backend --namespace shop --budget 200/day",
    "askonce keys add ada --rights ask,read,operator",
    "askonce keys list",
    "askonce keys remove shop-backend",
)
DEFAULTS = {"namespace": None}
"""Any namespace, unless one is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=tuple(ACTIONS), help="add prints the key, once")
    parser.add_argument("name", metavar="NAME", nargs="?", help="whose key it is")
    parser.add_argument("--rights", help=f"of {', '.join(RIGHTS)}, separated by commas (default: ask)")
    parser.add_argument("--budget", metavar="AMOUNT/day", help="or AMOUNT/month (UTC): what it may spend on the LLM")


async def run(client: Client, args: argparse.Namespace) -> int:  # noqa: ARG001 - keys are no questions
    if args.action != "add" and any(given is not None for given in (args.rights, args.namespace, args.budget)):
        raise ValueError(f"keys {args.action} takes neither --rights nor --namespace nor --budget")
    if (args.action == "list") == (args.name is not None):
        raise ValueError(f"keys {args.action} takes {'no name' if args.name else 'a name'}")
    async with AccessKeys(args.url) as keys:
        return await ACTIONS[args.action](keys, args)


async def _add(keys: AccessKeys, args: argparse.Namespace) -> int:
    if args.namespace is not None:
        check_namespace(args.namespace)
    rights = frozenset(word.strip() for word in (args.rights or "ask").split(","))
    if not rights <= set(RIGHTS):
        wrong = min(rights - set(RIGHTS))
        raise ValueError(f"{wrong!r} is not a right: choose from {', '.join(RIGHTS)}{meant(wrong, RIGHTS)}")
    payer = None if args.budget is None else _payer(args.name, args.budget)
    token = await keys.add(args.name, namespace=args.namespace, rights=rights, payer=payer)
    if args.json:
        facts = {"name": args.name, "key": token, "namespace": args.namespace, "rights": sorted(rights)}
        say_json({**facts, "budget": None if payer is None else _words(payer)})
    else:
        say(token)
        complain(f"keep it: only a digest of {args.name}'s key is stored")
    return 0


async def _list(keys: AccessKeys, args: argparse.Namespace) -> int:
    found = await keys.all()
    if args.json:
        say_json([_facts(key) for key in found])
    elif found:
        rows = [
            [
                key.name,
                key.namespace or "(any)",
                ", ".join(sorted(key.rights)),
                "" if key.payer is None else _words(key.payer),
                _day(key),
            ]
            for key in found
        ]
        say(
            table(
                ["name", "namespace", "rights", "budget", "since (UTC)"],
                rows,
                left=5,
                width=shutil.get_terminal_size().columns,
            )
        )
    else:
        complain("no keys")
    return 0


async def _remove(keys: AccessKeys, args: argparse.Namespace) -> int:
    if await keys.remove(args.name):
        say_json({"removed": args.name}) if args.json else say(f"removed: {args.name}")
        return 0
    complain(f"there is no key {args.name!r}")
    return 1


def _facts(key: AccessKey) -> dict[str, object]:
    facts = {"name": key.name, "namespace": key.namespace, "rights": sorted(key.rights), "created_at": key.created_at}
    return {**facts, "budget": None if key.payer is None else _words(key.payer)}


def _payer(name: str, budget: str) -> Payer:
    """Raises ValueError."""
    amount, _, period = budget.partition("/")
    try:
        nano = to_nano(amount.strip())
    except (InvalidOperation, ValueError, OverflowError):
        nano = 0
    return payer_of(name, nano, period.strip())


def _words(payer: Payer) -> str:
    return f"{from_nano(payer.nano):g}/{payer.period}"


def _day(key: AccessKey) -> str:
    return datetime.fromtimestamp(key.created_at, UTC).strftime("%Y-%m-%d")


ACTIONS: dict[str, Callable[[AccessKeys, argparse.Namespace], Awaitable[int]]] = {
    "add": _add,
    "list": _list,
    "remove": _remove,
}
