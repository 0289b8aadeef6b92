"""askonce batch"""

import argparse
import asyncio
import sqlite3
import sys

import orjson

from askonce.batch.console import Progress, display
from askonce.batch.examine import Examination, estimate, examine
from askonce.batch.ledger import Ledger
from askonce.batch.opening import Paths, choose_paths, open_ledger
from askonce.batch.plan import Plan, look_at, make_plan, settings, source_of
from askonce.batch.run import Run
from askonce.batch.source import Source
from askonce.batch.summary import RunReport
from askonce.batch.table.finish import finish, refuse_stranger
from askonce.client import Client
from askonce.commands.batch_arguments import (
    IN_FLIGHT,
    IN_FLIGHT_BATCH,
    add_batch_arguments,
    options_from,
    retry_command,
)
from askonce.commands.batch_waiting import watched
from askonce.commands.output import complain, say, say_json
from askonce.prices.money import amount

NAME = "batch"
HELP = "Answer a file of questions, in OpenAI's Batch format. Run it again to resume."
EXAMPLES = (
    "askonce batch in.jsonl out.jsonl",
    "askonce batch in.jsonl out.jsonl --dry-run",
    "askonce batch in.txt out.jsonl --text --template prompt.txt --model gpt-4o",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_batch_arguments(parser)


async def run(client: Client, args: argparse.Namespace) -> int:
    """Exit code: 0 if all were answered, 1 if some failed or may not be asked."""
    try:
        plan = make_plan(options_from(args))
        if args.dry_run:
            return _say_estimate(plan, await _examined(plan), as_json=args.json)
        if args.strict:
            findings = await _examined(plan)
            if findings.malformed:
                raise ValueError(f"{findings.malformed} of {findings.lines} lines are malformed; nothing was asked")
        return await _run(client, args, plan)
    except sqlite3.Error as error:
        raise OSError(f"the journal: {error}") from error


async def _examined(plan: Plan) -> Examination:
    findings = await examine(plan.lines(), plan.form)
    for reason in findings.reasons:
        complain(reason)
    if findings.malformed > len(findings.reasons):
        complain(f"and {findings.malformed - len(findings.reasons):,} more malformed lines")
    return findings


def _say_estimate(plan: Plan, findings: Examination, *, as_json: bool) -> int:
    found = estimate(findings, plan.prices)
    if as_json:
        say_json(found)
    else:
        for name, value in found.items():
            shown = _shown(value)
            say(f"{name.replace('_', ' '):<30} {'-' if shown in (None, '') else shown}")
    return 1 if findings.malformed else 0


def _shown(value: object) -> str | None:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float):
        return amount(value)
    return f"{value:,}" if isinstance(value, int) else None if value is None else str(value)


async def _run(client: Client, args: argparse.Namespace, plan: Plan) -> int:
    paths = choose_paths(args.input, plan.options.output, args.errors)
    if plan.table is not None:
        refuse_stranger(plan.table, paths.journal, restart=args.restart)
        complain(plan.table.how)
    look = await look_at(plan, complain)
    ledger = open_ledger(paths, settings(plan), plan.prices, restart=args.restart)
    try:
        retried = _retry(ledger, ordered=args.ordered) if args.retry_failed else None
        source = await source_of(plan, look, ledger, complain)
        progress = Progress(ledger.totals, plan.survey.lines if plan.survey else None, plan.prices.currency)
        await _answer(client, args, ledger, source, progress)
        if plan.table is not None and ledger.is_complete:
            await finish(plan.table, paths, plan.prices, plan.form.model)
        elif plan.table is not None:
            complain(f"{plan.table.output} is written once all rows are done")
        report = RunReport(
            ledger.totals,
            progress.seconds,
            plan.prices.currency,
            plan.prices.hint,
            errors_file=_errors_file(paths),
            retry=None if plan.survey is None or paths.journal is None else retry_command(args),
            retried=retried,
            stopped=_stopped(source, plan, ledger),
            tier=args.tier,
        )
        _say_report(report, paths, as_json=args.json)
        return 1 if ledger.totals.failed or report.stopped else 0
    finally:
        ledger.close()


def _stopped(source: Source, plan: Plan, ledger: Ledger) -> str | None:
    left = None if plan.survey is None else plan.survey.lines - ledger.totals.done
    return source.cap.words(left) if source.cap.reached else None


def _retry(ledger: Ledger, *, ordered: bool) -> int | None:
    """The number of lines to run again, if known. Raises ValueError."""
    if not ledger.totals.done:
        raise ValueError("--retry-failed: there was no run before")
    if not ledger.is_complete:
        complain("the last run has not finished: going on with it; a further --retry-failed runs what failed in it")
        return None
    retried = ledger.retry()
    complain(f"running {retried:,} failed lines again")
    if ordered:
        complain("--ordered: they follow after the lines that are written, in the order of the input")
    return retried


def _errors_file(paths: Paths) -> str:
    return str(paths.errors or paths.out or "stdout")


async def _answer(client: Client, args: argparse.Namespace, ledger: Ledger, source: Source, progress: Progress) -> None:
    shown = display(progress)
    run = Run(
        client,
        source,
        ledger,
        in_flight=args.in_flight or (IN_FLIGHT_BATCH if args.tier == "batch" else IN_FLIGHT),
        ordered=args.ordered,
        timeout=args.timeout,
        namespace=args.namespace,
        show=shown.show,
        note=complain,
    )
    try:
        async with watched(progress, args.url):
            await run.all()
    except asyncio.CancelledError:
        complain(f"stopped with {ledger.totals.done:,} lines done; the same command continues from there")
        raise
    finally:
        shown.close()


def _say_report(report: RunReport, paths: Paths, *, as_json: bool) -> None:
    """Prints the report, on stderr if the answers go to stdout."""
    text = orjson.dumps(report.record()).decode() if as_json else report.table()
    (sys.stderr if paths.out is None else sys.stdout).write(text + "\n")
    for note in report.notes():
        complain(note)
