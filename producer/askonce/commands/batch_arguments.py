"""The arguments of `askonce batch`, and the command to continue with."""

import argparse
import math
import shlex

from askonce.batch.line_format import Form
from askonce.batch.plan import Options
from askonce.commands.question_arguments import (
    add_cache_argument,
    add_file_template_argument,
    add_param_argument,
    add_schema_argument,
    file_template_from,
    params_from,
    schema_from,
)
from askonce.prices.money import to_nano
from askonce.question_checks import TIERS
from askonce.settings import client_settings
from askonce.tables.rows import kind_of

IN_FLIGHT, IN_FLIGHT_BATCH = 5000, 100_000
"""Questions in flight. Those in provider batches wait for hours, so their number does not matter."""
IN_FLIGHT_HELP = f"questions in flight ({IN_FLIGHT}; {IN_FLIGHT_BATCH} with --tier batch)"
USUAL = {"template": "auto", "cache": "use", "namespace": "default"}
"""Defaults, which a command need not name."""


def add_batch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", metavar="IN.jsonl", help="requests, one per line, may be compressed; - is stdin; a table with --prompt"
    )
    parser.add_argument("output", metavar="OUT.jsonl", help="answers, one per line; - is stdout")
    parser.add_argument(
        "--errors", metavar="FILE", help="file for failed lines (default: OUT.errors.jsonl; stdout if OUT is -)"
    )
    parser.add_argument("--text", action="store_true", help="the input is plain text: each line is a question")
    parser.add_argument("--ordered", action="store_true", help="write answers in input order")
    parser.add_argument("--prompt", metavar="TEXT", help="ask about each row of a table: 'Classify: {column}'")
    parser.add_argument("--id", metavar="COLUMN", help="the column with the rows' custom ids")
    add_file_template_argument(parser)
    parser.add_argument("--allow-misfits", action="store_true", help="continue if the template fits no line")
    parser.add_argument("--model", help="model for lines that name none (default: ASKONCE_MODEL)")
    parser.add_argument("--system", help="system prompt for lines that are not complete requests")
    add_param_argument(parser, "parameter for lines that are not complete requests")
    add_schema_argument(parser)
    add_cache_argument(parser)
    parser.add_argument("--tier", choices=TIERS, help="how calls are paid (default: the workers' ASKONCE_BULK_TIER)")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="deadline of each question, from now")
    parser.add_argument("--in-flight", type=_positive, metavar="N", help=IN_FLIGHT_HELP)
    parser.add_argument("--prices", metavar="FILE", help="your own price file (default: list prices)")
    parser.add_argument(
        "--max-cost", type=_money, metavar="AMOUNT", help="make no call that could exceed this cost, over all starts"
    )
    parser.add_argument("--max-tokens-total", type=_positive, metavar="N", help="the same for input and output tokens")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--restart", action="store_true", help="discard an earlier run and its output")
    how.add_argument("--retry-failed", action="store_true", help="run only the lines that failed")
    how.add_argument("--dry-run", action="store_true", help="check the input and estimate tokens and cost")
    parser.add_argument("--strict", action="store_true", help="check the whole input first; stop at malformed lines")


def _positive(given: str) -> int:
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is not a whole number above 0")
    return int(given)


def _money(given: str) -> str:
    try:
        amount = float(given)
    except ValueError:
        amount = 0.0
    if not 0 < amount < math.inf:
        raise argparse.ArgumentTypeError(f"{given!r} is not an amount above 0")
    return given


def options_from(args: argparse.Namespace) -> Options:
    """Raises ValueError."""
    _check_table(args)
    template = file_template_from(args.template) if args.prompt is None else "none"
    form = Form(
        namespace=args.namespace,
        model=client_settings({"model": args.model}).model,
        system=args.system,
        template=None if template in ("auto", "none") else template,
        params=params_from(args.param),
        cache=args.cache,
        tier=args.tier,
        as_text=args.text,
        schema=schema_from(args.schema),
    )
    return Options(
        input=args.input,
        output=args.output if args.prompt is None else f"{args.output}.answers.jsonl",
        errors=args.errors,
        form=form,
        template=template,
        allow_misfits=args.allow_misfits,
        ordered=args.ordered,
        prices=args.prices or client_settings({}).prices,
        max_cost=None if args.max_cost is None else to_nano(args.max_cost),
        max_tokens=args.max_tokens_total,
        twice="--strict" if args.strict else "--retry-failed" if args.retry_failed else None,
        table=None if args.prompt is None else args.output,
        prompt=args.prompt,
        id_column=args.id,
    )


def _check_table(args: argparse.Namespace) -> None:
    """Raises ValueError."""
    tables = {kind_of(path) for path in (args.input, args.output)} - {"jsonl"}
    if args.prompt is None:
        if args.id is not None:
            raise ValueError("--id is a column of a table, which --prompt asks about")
        if tables and not args.text:
            raise ValueError(f"a table ({', '.join(sorted(tables))}) needs --prompt: 'Classify: {{column}}'")
    elif args.text or args.template != "auto":
        raise ValueError(f"--prompt and {'--text' if args.text else '--template'}: a table's prompt is its template")


def retry_command(args: argparse.Namespace) -> str:
    """The command that runs the failed lines again, with the options that must not change."""
    words = ["askonce", "batch", args.input, args.output]
    for name in (
        "errors",
        "prompt",
        "id",
        "template",
        "model",
        "system",
        "schema",
        "cache",
        "tier",
        "url",
        "env_file",
        "namespace",
        "prices",
        "max_cost",
        "max_tokens_total",
    ):
        value = getattr(args, name)
        if value is not None and value != USUAL.get(name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    for param in args.param:
        words += ["--param", param]
    flags = ("text", "ordered", "allow_misfits")
    words += [f"--{name.replace('_', '-')}" for name in flags if getattr(args, name)]
    return shlex.join([*words, "--retry-failed"])
