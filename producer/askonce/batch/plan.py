"""What a run is about: the arguments of the command, made into what the parts of a run need. Raises ValueError."""

import argparse
import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

from askonce.batch.examine import open_input
from askonce.batch.file_format import Form, read_line
from askonce.batch.ledger import Ledger
from askonce.batch.lines import Survey, read_lines, survey
from askonce.batch.source import Source, sampled
from askonce.batch.template import Templates, dumped, find_templates, loaded, named
from askonce.commands.output import complain
from askonce.commands.question_arguments import params_from
from askonce.prices import Prices, load_prices
from askonce.settings import client_settings

SAID = 5
"""Templates that are told of."""


@dataclass(frozen=True, slots=True)
class Plan:
    """template: `auto`, `none` or the text of one. survey: of an input that is a file."""

    form: Form
    template: str
    prices: Prices
    survey: Survey | None


def make_plan(args: argparse.Namespace) -> Plan:
    is_file = _look(args)
    if not is_file and (args.strict or args.retry_failed):
        raise ValueError(f"{'--strict' if args.strict else '--retry-failed'} reads the input twice: name a file")
    template = args.template if args.template in ("auto", "none") else read_template(args.template)
    form = Form(
        namespace=args.namespace,
        model=client_settings({"model": args.model}).model,
        system=args.system,
        template=None if template in ("auto", "none") else template,
        params=params_from(args.param),
        cache=args.cache,
        as_text=args.text,
    )
    return Plan(form, template, load_prices(args.prices), survey(args.input) if is_file else None)


def _look(args: argparse.Namespace) -> bool:
    """Whether the input is a file that can be read as often as needed. Raises ValueError where there is nothing to read
    or write: under the number of a closed stdin or stdout some other file is open by now."""
    for given, stream, name in ((args.input, sys.stdin, "stdin"), (args.output, sys.stdout, "stdout")):
        if given == "-" and stream is None:
            raise ValueError(f"{name} is closed")
    path = Path(args.input)
    if args.input == "-":
        return False
    if not path.exists():
        raise ValueError(f"{path}: there is no such file")
    if path.is_dir():
        raise ValueError(f"{path} is a directory")
    return path.is_file()


def read_template(path: str) -> str:
    try:
        text = Path(path).read_text("utf-8").removesuffix("\n")
        named(text)
    except OSError as error:
        raise ValueError(f"--template {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"--template {path}: {error}") from error
    return text


def settings(args: argparse.Namespace, plan: Plan) -> dict[str, str | None]:
    """What must be the same when a run goes on."""
    form, facts = plan.form, plan.survey
    return {
        "the input": f"{facts.lines} lines (sha256 {facts.digest[:16]})" if facts else "a stream",
        "--namespace": form.namespace,
        "--model": form.model,
        "--system": form.system,
        "--param": orjson.dumps(form.params, option=orjson.OPT_SORT_KEYS).decode(),
        "--cache": form.cache,
        "--template": plan.template,
        "--text": str(form.as_text),
        "--ordered": str(args.ordered),
        "--errors": args.errors,
    }


async def source_of(args: argparse.Namespace, plan: Plan, ledger: Ledger) -> Source:
    blocks = read_lines(open_input(args.input))
    if plan.template == "none":
        templates = Templates()
    elif plan.template != "auto":
        templates = Templates(everywhere=named(plan.template))
    else:
        rows = ledger.journal.get("templates")
        if rows is None:
            sample = plan.survey.sample if plan.survey else None
            if sample is None:
                sample, blocks = await sampled(blocks)
            rows = dumped(await asyncio.to_thread(_found, sample, plan.form))
            ledger.journal.put("templates", rows)
            ledger.save()  # before anything is asked: another sample of a stream might find others
            _say_templates(rows, len(sample))
        templates = loaded(rows)
    return Source(blocks, ledger, plan.form, templates, is_stream=plan.survey is None)


def _found(sample: list[bytes], form: Form) -> Templates:
    lines = (read_line(0, raw, form) for raw in sample)
    return find_templates(line.question for line in lines if line.question is not None)


def _say_templates(rows: list[list[str | None]], lines: int) -> None:
    if not rows:
        complain(f"no template in a sample of {lines:,} lines: whole messages are compared")
    for model, system, head, tail in rows[:SAID]:
        under = f" under the system prompt {_short(system)}" if system else ""
        complain(f"template of {model}{under}: {_short(head)} {{text}} {_short(tail)}")
    if len(rows) > SAID:
        complain(f"and {len(rows) - SAID} more templates")


def _short(text: str | None) -> str:
    text = text or ""
    return repr(text if len(text) <= 80 else f"{text[:40]}…{text[-36:]}")
