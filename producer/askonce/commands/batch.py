"""askonce batch"""

import argparse
import asyncio
import sqlite3
import sys
from typing import Any

import orjson

from askonce.batch.examine import Findings, estimate, examine, open_input
from askonce.batch.ledger import Ledger
from askonce.batch.opening import choose_paths, open_ledger
from askonce.batch.plan import Plan, make_plan, settings, source_of
from askonce.batch.report import Progress, display, summary, table
from askonce.batch.run import Run
from askonce.batch.source import Source
from askonce.client import Client
from askonce.commands.output import complain, say, say_json

NAME = "batch"
HELP = "Answer a file of questions, in OpenAI's Batch format; started again, it goes on where it was."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="IN.jsonl", help="requests, one a line; - is stdin")
    parser.add_argument("output", metavar="OUT.jsonl", help="answers, one a line; - is stdout")
    parser.add_argument("--errors", metavar="FILE", help="failed lines (default: OUT.errors.jsonl; of stdout: stdout)")
    parser.add_argument("--text", action="store_true", help="the input is plain text: each line a question")
    parser.add_argument("--ordered", action="store_true", help="keep the order of the input")
    parser.add_argument(
        "--template", default="auto", metavar="auto|none|FILE", help="the text that all questions share (default: auto)"
    )
    parser.add_argument("--model", help="of lines that name none (ASKONCE_MODEL)")
    parser.add_argument("--system", help="the system prompt of plain and short lines")
    parser.add_argument("--param", action="append", default=[], metavar="KEY=JSON", help="of plain and short lines")
    parser.add_argument("--cache", choices=("use", "refresh", "bypass"), default="use")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="from now to each question's deadline")
    parser.add_argument("--in-flight", type=_positive, default=5000, metavar="N", help="questions at once (5000)")
    parser.add_argument("--prices", metavar="FILE", help="a price file of your own")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--restart", action="store_true", help="forget an earlier run and what it wrote")
    how.add_argument("--retry-failed", action="store_true", help="run only the lines that failed")
    how.add_argument("--dry-run", action="store_true", help="check the input, and estimate tokens and cost")
    parser.add_argument(
        "--strict", action="store_true", help="check the whole input first, and stop at malformed lines"
    )


def _positive(given: str) -> int:
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is not a whole number above 0")
    return int(given)


async def run(client: Client, args: argparse.Namespace) -> int:
    """Exit code: 0 all answered, 1 some failed."""
    try:
        plan = make_plan(args)
        if args.dry_run:
            return _say_estimate(plan, await _examined(args, plan), as_json=args.json)
        if args.strict:
            findings = await _examined(args, plan)
            if findings.malformed:
                raise ValueError(f"{findings.malformed} of {findings.lines} lines are malformed; nothing was asked")
        return await _run(client, args, plan)
    except sqlite3.Error as error:
        raise OSError(f"the journal: {error}") from error


async def _examined(args: argparse.Namespace, plan: Plan) -> Findings:
    findings = await examine(open_input(args.input), plan.form)
    for reason in findings.reasons:
        complain(reason)
    return findings


def _say_estimate(plan: Plan, findings: Findings, *, as_json: bool) -> int:
    found = estimate(findings, plan.prices)
    if as_json:
        say_json(found)
    else:
        for name, value in found.items():
            shown = ", ".join(value) if isinstance(value, list) else f"{value:,}" if isinstance(value, int) else value
            say(f"{name.replace('_', ' '):<30} {'-' if shown in (None, '') else shown}")
    return 1 if findings.malformed else 0


async def _run(client: Client, args: argparse.Namespace, plan: Plan) -> int:
    paths = choose_paths(args.input, args.output, args.errors)
    ledger = open_ledger(paths, settings(args, plan), plan.prices, restart=args.restart)
    try:
        if args.retry_failed:
            _retry(ledger, ordered=args.ordered)
        source = await source_of(args, plan, ledger)
        progress = Progress(ledger.tally, plan.survey.lines if plan.survey else None, plan.prices.currency)
        await _answer(client, args, ledger, source, progress)
        facts = {"seconds": progress.seconds, "currency": plan.prices.currency}
        text = _summary(ledger, facts, as_json=args.json)
        (sys.stderr if paths.out is None else sys.stdout).write(text + "\n")
        return 1 if ledger.tally.failed else 0
    finally:
        ledger.close()


def _retry(ledger: Ledger, *, ordered: bool) -> None:
    """Raises ValueError."""
    if not ledger.tally.done:
        raise ValueError("--retry-failed: there was no run before")
    if ledger.complete:
        ledger.retry()
        if ordered:
            complain("--ordered: the lines that failed follow after those that are written, in the input's order")
    else:
        complain("the last run has not finished: going on with it; a further --retry-failed runs what failed in it")


async def _answer(client: Client, args: argparse.Namespace, ledger: Ledger, source: Source, progress: Progress) -> None:
    shown = display(progress)
    run = Run(
        client,
        source,
        ledger,
        in_flight=args.in_flight,
        ordered=args.ordered,
        timeout=args.timeout,
        namespace=args.namespace,
        show=shown.show,
    )
    try:
        await run.all()
    except asyncio.CancelledError:
        complain(f"stopped with {ledger.tally.done:,} lines done; the same command goes on from there")
        raise
    finally:
        shown.close()


def _summary(ledger: Ledger, facts: dict[str, Any], *, as_json: bool) -> str:
    if as_json:
        return orjson.dumps(summary(ledger.tally, **facts)).decode()
    return table(ledger.tally, **facts)
