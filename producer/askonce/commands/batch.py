"""askonce batch"""

import argparse
import asyncio
import shlex
import sqlite3
import sys

import orjson

from askonce.batch.console import Progress, display
from askonce.batch.examine import Examination, estimate, examine
from askonce.batch.ledger import Ledger
from askonce.batch.line_format import Form
from askonce.batch.opening import Paths, choose_paths, open_ledger
from askonce.batch.plan import Options, Plan, look_at, make_plan, settings, source_of
from askonce.batch.run import Run
from askonce.batch.source import Source
from askonce.batch.summary import RunReport
from askonce.client import Client
from askonce.commands.batch_waiting import watched
from askonce.commands.output import complain, say, say_json
from askonce.commands.question_arguments import (
    add_cache_argument,
    add_file_template_argument,
    add_param_argument,
    file_template_from,
    params_from,
)
from askonce.question_checks import TIERS
from askonce.settings import client_settings

NAME = "batch"
HELP = "Answer a file of questions, in OpenAI's Batch format; started again, it goes on where it was."
EXAMPLES = (
    "askonce batch in.jsonl out.jsonl",
    "askonce batch in.jsonl out.jsonl --dry-run",
    "askonce batch in.txt out.jsonl --text --template prompt.txt --model gpt-4o",
)
IN_FLIGHT, IN_FLIGHT_BATCH = 5000, 100_000
"""Questions at once. What waits for a batch of the provider waits for hours, however many there are."""
IN_FLIGHT_HELP = f"questions at once ({IN_FLIGHT}; {IN_FLIGHT_BATCH} with --tier batch)"
USUAL = {"template": "auto", "cache": "use", "namespace": "default"}
"""Values that a command need not name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="IN.jsonl", help="requests, one a line, plain or packed; - is stdin")
    parser.add_argument("output", metavar="OUT.jsonl", help="answers, one a line; - is stdout")
    parser.add_argument("--errors", metavar="FILE", help="failed lines (default: OUT.errors.jsonl; of stdout: stdout)")
    parser.add_argument("--text", action="store_true", help="the input is plain text: each line is a question")
    parser.add_argument("--ordered", action="store_true", help="keep the order of the input")
    add_file_template_argument(parser)
    parser.add_argument("--allow-misfits", action="store_true", help="go on where the template fits no line")
    parser.add_argument("--model", help="of lines that name none (default: ASKONCE_MODEL)")
    parser.add_argument("--system", help="the system prompt of lines that are not whole requests")
    add_param_argument(parser, "a parameter of lines that are not whole requests")
    add_cache_argument(parser)
    parser.add_argument("--tier", choices=TIERS, help="how calls are paid (default: the workers' ASKONCE_BULK_TIER)")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="from now to each question's deadline")
    parser.add_argument("--in-flight", type=_positive, metavar="N", help=IN_FLIGHT_HELP)
    parser.add_argument("--prices", metavar="FILE", help="prices of your own (default: list prices)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--restart", action="store_true", help="forget an earlier run and what it wrote")
    how.add_argument("--retry-failed", action="store_true", help="run only the lines that failed")
    how.add_argument("--dry-run", action="store_true", help="check the input, and estimate tokens and cost")
    parser.add_argument("--strict", action="store_true", help="check the whole input first; stop at malformed lines")


def _positive(given: str) -> int:
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is not a whole number above 0")
    return int(given)


def _options(args: argparse.Namespace) -> Options:
    """Raises ValueError."""
    template = file_template_from(args.template)
    form = Form(
        namespace=args.namespace,
        model=client_settings({"model": args.model}).model,
        system=args.system,
        template=None if template in ("auto", "none") else template,
        params=params_from(args.param),
        cache=args.cache,
        tier=args.tier,
        as_text=args.text,
    )
    return Options(
        input=args.input,
        output=args.output,
        errors=args.errors,
        form=form,
        template=template,
        allow_misfits=args.allow_misfits,
        ordered=args.ordered,
        prices=args.prices or client_settings({}).prices,
        twice="--strict" if args.strict else "--retry-failed" if args.retry_failed else None,
    )


async def run(client: Client, args: argparse.Namespace) -> int:
    """Exit code: 0 all answered, 1 some failed."""
    try:
        plan = make_plan(_options(args))
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
    findings = await examine(plan.options.input, plan.form)
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
            shown = ", ".join(value) if isinstance(value, list) else f"{value:,}" if isinstance(value, int) else value
            say(f"{name.replace('_', ' '):<30} {'-' if shown in (None, '') else shown}")
    return 1 if findings.malformed else 0


async def _run(client: Client, args: argparse.Namespace, plan: Plan) -> int:
    paths = choose_paths(args.input, args.output, args.errors)
    look = await look_at(plan, complain)
    ledger = open_ledger(paths, settings(plan), plan.prices, restart=args.restart)
    try:
        retried = _retry(ledger, ordered=args.ordered) if args.retry_failed else None
        source = await source_of(plan, look, ledger, complain)
        progress = Progress(ledger.totals, plan.survey.lines if plan.survey else None, plan.prices.currency)
        await _answer(client, args, ledger, source, progress)
        report = RunReport(
            ledger.totals,
            progress.seconds,
            plan.prices.currency,
            plan.prices.hint,
            errors_file=_errors_file(paths),
            retry=None if plan.survey is None or paths.journal is None else _retry_command(args),
            retried=retried,
        )
        _say_report(report, paths, as_json=args.json)
        return 1 if ledger.totals.failed else 0
    finally:
        ledger.close()


def _retry(ledger: Ledger, *, ordered: bool) -> int | None:
    """How many lines are run again, where that is known. Raises ValueError."""
    if not ledger.totals.done:
        raise ValueError("--retry-failed: there was no run before")
    if not ledger.complete:
        complain("the last run has not finished: going on with it; a further --retry-failed runs what failed in it")
        return None
    retried = ledger.retry()
    complain(f"running {retried:,} failed lines again")
    if ordered:
        complain("--ordered: they follow after the lines that are written, in the order of the input")
    return retried


def _errors_file(paths: Paths) -> str:
    return str(paths.errors or paths.out or "stdout")


def _retry_command(args: argparse.Namespace) -> str:
    """What a person types to run the failed lines again, with the options that must stay as they were."""
    words = ["askonce", "batch", args.input, args.output]
    for name in ("errors", "template", "model", "system", "cache", "tier", "url", "env_file", "namespace", "prices"):
        value = getattr(args, name)
        if value is not None and value != USUAL.get(name):
            words += [f"--{name.replace('_', '-')}", value]
    for param in args.param:
        words += ["--param", param]
    flags = ("text", "ordered", "allow_misfits")
    words += [f"--{name.replace('_', '-')}" for name in flags if getattr(args, name)]
    return shlex.join([*words, "--retry-failed"])


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
        complain(f"stopped with {ledger.totals.done:,} lines done; the same command goes on from there")
        raise
    finally:
        shown.close()


def _say_report(report: RunReport, paths: Paths, *, as_json: bool) -> None:
    """On stderr, where the answers are on stdout."""
    text = orjson.dumps(report.record()).decode() if as_json else report.table()
    (sys.stderr if paths.out is None else sys.stdout).write(text + "\n")
    for note in report.notes():
        complain(note)
