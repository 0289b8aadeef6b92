"""askonce wrong"""

import argparse
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from askonce.batch.template_option import template_text
from askonce.client import Client
from askonce.commands.output import complain, say, say_json
from askonce.commands.question_arguments import params_from
from askonce.contract.keys import Keys
from askonce.errors import AnswerTimeout, UnknownJob
from askonce.question import Question
from askonce.readable import read_object, text_of
from askonce.session.wrong_hits import Report, WrongHits, pair_report
from askonce.settings import client_settings
from askonce.store.connection import Store

NAME = "wrong"
HELP = "Report answers that belong to another question: the two are never matched again."
EXAMPLES = (
    "askonce wrong JOB_ID --drop-entry",
    'grep \'"custom_id":"row-7"\' out.jsonl | askonce wrong --lines -',
    'askonce wrong --texts "the red tower" "the road tower" --model gpt-4o',
    "askonce wrong --export wrong.jsonl",
)
DEFAULTS = {"namespace": None}
"""All namespaces are exported, unless one is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job_ids", metavar="JOB_ID", nargs="*", help="jobs whose answers were wrong")
    parser.add_argument("--lines", metavar="FILE", help="lines of the output of `batch`, all wrong; - is stdin")
    parser.add_argument("--texts", nargs=2, metavar="TEXT", help="two questions that need different answers")
    parser.add_argument("--export", metavar="FILE", help="write all pairs for `askonce-worker evaluate`; - is stdout")
    parser.add_argument("--drop-entry", action="store_true", help="drop the cached answer too (not with --texts)")
    scope = parser.add_argument_group("how the two texts were asked")
    scope.add_argument("--model", help="the model (default: ASKONCE_MODEL)")
    scope.add_argument("--system", help="the system prompt")
    scope.add_argument(
        "--template", metavar="TEXT|FILE", help="the fixed text around both, with {text} in its place; or its file"
    )
    scope.add_argument("--param", action="append", default=[], metavar="KEY=JSON", help="a parameter of the request")


async def run(client: Client, args: argparse.Namespace) -> int:
    ways = [bool(args.job_ids), *(getattr(args, name) is not None for name in ("lines", "texts", "export"))]
    if sum(ways) != 1:
        raise ValueError("wrong what: name jobs, or give one of --lines, --texts and --export")
    if args.job_ids:
        return await _report_jobs(client, args)
    async with _wrong_hits(args.url) as hits:
        if args.export is not None:
            return await _export(hits, args.export, args.namespace)
        if args.lines is not None:
            return await _report_lines(hits, args)
        if args.drop_entry:
            raise ValueError("--drop-entry goes with jobs and lines: two texts do not say whose answer was wrong")
        news = await hits.add(_of_texts(args))
    if args.json:
        say_json({"reported": news})
    else:
        say(_told(news))
    return 0


@asynccontextmanager
async def _wrong_hits(url: str | None) -> AsyncIterator[WrongHits]:
    settings = client_settings({"redis_url": url})
    store = Store(settings.redis_url)
    try:
        yield WrongHits(store, Keys(settings.key_prefix))
    finally:
        await store.aclose()


async def _report_jobs(client: Client, args: argparse.Namespace) -> int:
    news, code = {}, 0
    for job_id in args.job_ids:
        try:
            news[job_id] = await client.report_wrong(job_id, drop_entry=args.drop_entry, namespace=args.namespace)
        except (ValueError, UnknownJob, AnswerTimeout) as error:
            complain(str(error))
            code = max(code, 2 if isinstance(error, ValueError) else 1)
        else:
            if not args.json:
                say(f"{job_id} {_told(news[job_id])}")
    if args.json:
        say_json(news)
    return code


async def _report_lines(hits: WrongHits, args: argparse.Namespace) -> int:
    news, code = {}, 0
    for number, line in _numbered(args.lines):
        try:
            name, report = _of_line(line, drop_entry=args.drop_entry)
        except ValueError as error:
            complain(f"line {number}: {error}")
            code = 2
            continue
        news[name] = await hits.add(report, drop_entry=args.drop_entry)
        if not args.json:
            say(f"{name} {_told(news[name])}")
    if args.json:
        say_json(news)
    return code


def _numbered(path: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank."""
    if path == "-":
        yield from ((number, line) for number, line in enumerate(sys.stdin.buffer, 1) if line.strip())
        return
    with Path(path).open("rb") as file:
        yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())


def _of_line(line: bytes, *, drop_entry: bool) -> tuple[str, Report]:
    """What a line of the output of `batch` is called, and its report. Raises ValueError."""
    record = read_object(line)
    facts = record.get("askonce")
    if not isinstance(facts, dict):
        raise ValueError("not a line of the output of `askonce batch`")
    name, entry = str(record.get("custom_id") or record.get("id")), facts.get("entry")
    if drop_entry and isinstance(entry, str):
        return name, Report(b"", entry, "", "")
    asked, matched = facts.get("asked"), facts.get("matched_question")
    if not isinstance(asked, dict) or not isinstance(matched, str):
        hint = ": --drop-entry drops it" if entry else ", or the batch was run by an older release"
        raise ValueError(f"its answer is not another question's{hint}")
    report = pair_report(
        namespace=text_of(asked, "namespace"),
        model=text_of(asked, "model"),
        scope=text_of(asked, "scope"),
        asked=text_of(asked, "text"),
        matched=matched,
    )
    return name, report


def _of_texts(args: argparse.Namespace) -> Report:
    """Raises ValueError."""
    model = client_settings({"model": args.model}).model
    template = None if args.template is None else template_text(args.template)
    asked, matched = (
        Question(text, system=args.system, template=template, params=params_from(args.param)).checked(
            namespace=args.namespace or "default", model=model
        )
        for text in args.texts
    )
    if asked.fingerprint == matched.fingerprint:
        raise ValueError("--texts: these two are the same question")
    return pair_report(
        namespace=asked.namespace or "",
        model=asked.model or "",
        scope=asked.scope,
        asked=asked.text,
        matched=matched.text,
    )


def _told(news: bool) -> str:
    return "reported" if news else "was reported before"


async def _export(hits: WrongHits, file: str, namespace: str | None) -> int:
    rows = [row async for row in hits.all(namespace)]
    _write(file, b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return 0


def _write(file: str, content: bytes) -> None:
    if file == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        Path(file).write_bytes(content)
