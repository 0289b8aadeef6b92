"""askonce labels"""

import argparse
from collections.abc import Mapping
from typing import get_args

import orjson

from askonce.client import Client
from askonce.commands.files import write_output
from askonce.commands.matches import opened
from askonce.contract.audit import By, Label, UnreadableAudit, decode_group
from askonce.session.verdicts import Verdicts, newest, row_of

NAME = "labels"
HELP = "Write the matches that were judged, as rows for `askonce-worker evaluate`."
EXAMPLES = (
    "askonce labels labels.jsonl",
    "askonce labels --by person --namespace shop",
    "askonce labels --waiting    # for `askonce right --match ID`",
)
DEFAULTS = {"namespace": None}
WHO = tuple(name for name in get_args(By) if name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="where they go; - is stdout")
    parser.add_argument("--by", choices=WHO, help="judged by these alone")
    parser.add_argument("--waiting", action="store_true", help="the matches that nobody could judge so far, instead")


async def run(client: Client, args: argparse.Namespace) -> int:  # noqa: ARG001 - this takes a connection of its own
    if args.by is not None and args.waiting:
        raise ValueError("--waiting: nobody has judged these")
    async with opened(args.url) as (store, keys):
        verdicts = Verdicts(store, keys)
        [groups] = await store.pipeline([("HGETALL", keys.audit.groups)])
        if args.waiting:
            labels = [label async for label in verdicts.waiting()]
        else:
            known = newest([label async for label in verdicts.labels()])
            labels = [label for label in known[::-1] if label.right is not None and args.by in (None, label.by)]
    _write(args.file, labels, _named(groups), args.namespace)
    return 0


def _named(groups: Mapping[bytes, bytes] | list[bytes]) -> dict[str, tuple[str, str]]:
    """Namespace and model of each group whose record can be read."""
    pairs = groups.items() if isinstance(groups, Mapping) else zip(groups[::2], groups[1::2], strict=True)
    found = {}
    for name, raw in pairs:
        try:
            group = decode_group(raw)
        except UnreadableAudit:
            continue
        found[name.decode("utf-8", "replace")] = group.namespace, group.model
    return found


def _write(file: str, labels: list[Label], groups: Mapping[str, tuple[str, str]], namespace: str | None) -> None:
    rows = [row_of(label, groups) for label in labels]
    content = b"".join(
        orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows if namespace in (None, row["namespace"])
    )
    write_output(file, content)
