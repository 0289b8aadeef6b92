"""Matches to judge, named by job id, by an output line of `batch`, or by their two texts."""

import argparse
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson

from askonce.batch.line_format import decoded
from askonce.batch.template_option import template_text
from askonce.commands.files import numbered_lines
from askonce.commands.output import complain, say, say_json
from askonce.commands.question_arguments import params_from
from askonce.contract.keys import Keys
from askonce.errors import AnswerTimeout
from askonce.question import Question
from askonce.readable import read_object, text_of
from askonce.session.wrong_hits import Report, pair_report
from askonce.settings import client_settings
from askonce.store.connection import Store

Judge = Callable[[Report], Awaitable[bool]]
"""Whether that was news."""

SHOWN = 5
"""Malformed lines that are named one by one."""


def add_match_arguments(parser: argparse.ArgumentParser, verdict: str, texts: str) -> None:
    parser.add_argument("job_ids", metavar="JOB_ID", nargs="*", help=f"jobs whose answers were {verdict}")
    parser.add_argument("--lines", metavar="FILE", help=f"output lines of `batch`, all {verdict}; - is stdin")
    parser.add_argument("--texts", nargs=2, metavar="TEXT", help=texts)


def add_scope_arguments(parser: argparse.ArgumentParser) -> None:
    scope = parser.add_argument_group("how the two texts were asked")
    scope.add_argument("--model", help="the model (default: ASKONCE_MODEL)")
    scope.add_argument("--system", help="the system prompt")
    scope.add_argument(
        "--template", metavar="TEXT|FILE", help="the fixed text around both, with {text} in it; or a file with it"
    )
    scope.add_argument("--param", action="append", default=[], metavar="KEY=JSON", help="a parameter of the request")


def check_scope_arguments(args: argparse.Namespace) -> None:
    """Raises ValueError if they would have no effect."""
    given = [name for name in ("model", "system", "template", "param") if getattr(args, name)]
    if given and args.texts is None:
        raise ValueError(f"--{given[0]} goes only with --texts")


@asynccontextmanager
async def opened(url: str | None) -> AsyncIterator[tuple[Store, Keys]]:
    settings = client_settings({"redis_url": url})
    store = Store(settings.redis_url)
    try:
        yield store, Keys(settings.key_prefix)
    finally:
        await store.aclose()


async def each_job(job_ids: list[str], judge: Callable[[str], Awaitable[bool]], *, as_json: bool) -> int:
    news, code = {}, 0
    for job_id in job_ids:
        try:
            news[job_id] = await judge(job_id)
        except (ValueError, LookupError, AnswerTimeout) as error:
            complain(str(error))
            code = max(code, 2 if isinstance(error, ValueError) else 1)
        else:
            if not as_json:
                say(f"{job_id} {told(news[job_id])}")
    if as_json:
        say_json(news)
    return code


async def each_line(file: str, judge: Judge, *, as_json: bool, own_too: bool = False) -> int:
    """own_too: also reports lines with their own question's answer, without a pair.

    Exit code: 2 if lines are malformed, 1 if none of them is a match.
    """
    news, malformed, own = {}, 0, 0
    for number, line in numbered_lines(file):
        try:
            name, report = _of_line(line, own_too=own_too)
        except ValueError as error:
            malformed += 1
            if malformed <= SHOWN:
                complain(f"line {number}: {error}")
            continue
        if report is None:
            own += 1
            continue
        news[name] = await judge(report)
        if not as_json:
            say(f"{name} {told(news[name])}")
    if as_json:
        say_json(news)
    _say_left_out(malformed, own)
    return 2 if malformed else 0 if news else 1


def _say_left_out(malformed: int, own: int) -> None:
    if malformed > SHOWN:
        complain(f"and {malformed - SHOWN:,} more malformed lines")
    if own:
        complain(f"lines whose answer is not another question's, left out: {own:,} (wrong --drop-entry drops answers)")


def _of_line(line: bytes, *, own_too: bool) -> tuple[str, Report | None]:
    """The name and the report of an output line of `batch`. The report is None if it is not a match. Raises
    ValueError."""
    try:
        record = read_object(decoded(line).encode())
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from error
    facts = record.get("askonce")
    if not isinstance(facts, dict):
        raise ValueError("not a line of the output of `askonce batch`")
    name, entry = str(record.get("custom_id") or record.get("id")), facts.get("entry")
    if own_too and isinstance(entry, str):
        return name, Report(b"", entry, "", "")
    asked, matched = facts.get("asked"), facts.get("matched_question")
    if not isinstance(asked, dict) or not isinstance(matched, str):
        return name, None
    report = pair_report(
        namespace=text_of(asked, "namespace"),
        model=text_of(asked, "model"),
        scope=text_of(asked, "scope"),
        asked=text_of(asked, "text"),
        matched=matched,
    )
    return name, report


def of_texts(args: argparse.Namespace) -> Report:
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


def told(news: bool) -> str:
    return "reported" if news else "was reported before"
