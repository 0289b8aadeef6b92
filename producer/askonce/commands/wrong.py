"""askonce wrong"""

import argparse

import orjson

from askonce.client import Client
from askonce.commands.files import write_output
from askonce.commands.matches import (
    add_match_arguments,
    add_scope_arguments,
    check_scope_arguments,
    each_job,
    each_line,
    of_texts,
    opened,
    told,
)
from askonce.commands.output import say, say_json
from askonce.session.wrong_hits import WrongHits

NAME = "wrong"
HELP = "Report answers wrongly taken from another question: the two are never matched again."
EXAMPLES = (
    "askonce wrong JOB_ID --drop-entry",
    'grep \'"custom_id":"row-7"\' out.jsonl | askonce wrong --lines -',
    'askonce wrong --texts "the red tower" "the road tower" --model gpt-4o',
    "askonce wrong --export wrong.jsonl",
)
DEFAULTS = {"namespace": None}
"""All namespaces are exported, unless one is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_match_arguments(parser, "wrong", "two questions that need different answers")
    parser.add_argument("--export", metavar="FILE", help="write all pairs for `askonce-worker evaluate`; - is stdout")
    parser.add_argument("--drop-entry", action="store_true", help="drop the cached answer too (not with --texts)")
    add_scope_arguments(parser)


async def run(client: Client, args: argparse.Namespace) -> int:
    ways = [bool(args.job_ids), *(getattr(args, name) is not None for name in ("lines", "texts", "export"))]
    if sum(ways) != 1:
        raise ValueError("wrong what: name jobs, or give one of --lines, --texts and --export")
    check_scope_arguments(args)
    if args.job_ids:
        drop, space = args.drop_entry, args.namespace
        return await each_job(
            args.job_ids,
            lambda job_id: client.report_wrong(job_id, drop_entry=drop, namespace=space),
            as_json=args.json,
        )
    async with opened(args.url) as (store, keys):
        return await _other_ways(WrongHits(store, keys), args)


async def _other_ways(hits: WrongHits, args: argparse.Namespace) -> int:
    if args.export is not None:
        return await _export(hits, args.export, args.namespace)
    drop = args.drop_entry
    if args.lines is not None:
        return await each_line(
            args.lines, lambda report: hits.add(report, drop_entry=drop), as_json=args.json, own_too=drop
        )
    if drop:
        raise ValueError("--drop-entry goes with jobs and lines: two texts do not say whose answer was wrong")
    news = await hits.add(of_texts(args))
    if args.json:
        say_json({"reported": news})
    else:
        say(told(news))
    return 0


async def _export(hits: WrongHits, file: str, namespace: str | None) -> int:
    rows = [row async for row in hits.all(namespace)]
    write_output(file, b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return 0
