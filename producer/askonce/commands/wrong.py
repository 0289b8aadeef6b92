"""askonce wrong"""

import argparse
import sys
from pathlib import Path

import orjson

from askonce.client import Client
from askonce.commands.output import complain, say, say_json
from askonce.contract.keys import Keys
from askonce.errors import AnswerTimeout, UnknownJob
from askonce.session.wrong_hits import WrongHits
from askonce.settings import client_settings
from askonce.store.connection import Store

NAME = "wrong"
HELP = "Report answers that were another question's: the pair is never matched again."
DEFAULTS = {"namespace": None}
"""Not the client's own: what is exported is of all, where none is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job_ids", metavar="JOB_ID", nargs="*", help="whose answer was wrong")
    parser.add_argument("--drop-entry", action="store_true", help="drop the cached answer, too")
    parser.add_argument("--export", metavar="FILE", help="write all pairs for `askonce-worker evaluate`; - to stdout")


async def run(client: Client, args: argparse.Namespace) -> int:
    if bool(args.job_ids) == (args.export is not None):
        raise ValueError("wrong what: name jobs, or say --export FILE")
    if args.export is not None:
        return await _export(args.url, args.export, args.namespace)
    news, code = {}, 0
    for job_id in args.job_ids:
        try:
            news[job_id] = await client.report_wrong(job_id, drop_entry=args.drop_entry, namespace=args.namespace)
        except (ValueError, UnknownJob, AnswerTimeout) as error:
            complain(str(error))
            code = max(code, 2 if isinstance(error, ValueError) else 1)
        else:
            if not args.json:
                say(f"{job_id} {'reported' if news[job_id] else 'was reported before'}")
    if args.json:
        say_json(news)
    return code


async def _export(url: str | None, file: str, namespace: str | None) -> int:
    settings = client_settings({"redis_url": url})
    store = Store(settings.redis_url)
    try:
        rows = [row async for row in WrongHits(store, Keys(settings.key_prefix)).all(namespace)]
    finally:
        await store.aclose()
    _write(file, b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return 0


def _write(file: str, content: bytes) -> None:
    if file == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        Path(file).write_bytes(content)
