"""askonce warm"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from askonce.batch.examine import open_input
from askonce.batch.file_format import Form
from askonce.batch.lines import RawLine, read_lines, survey
from askonce.batch.plan import read_template
from askonce.batch.source import read_raw, sampled
from askonce.batch.template import Templates, find_templates, named
from askonce.client import Client
from askonce.commands.output import complain, say, say_json
from askonce.commands.question_arguments import params_from
from askonce.operator.warming import Outputs, Pair, Warming, read_row
from askonce.session.iteration import batched
from askonce.settings import client_settings

NAME = "warm"
HELP = "Fill the cache: from rows of questions and answers, or from a Batch input and its output."
TOGETHER = 1024
EVERY = 10.0
"""Seconds between two lines of progress."""

Read = Callable[[RawLine], Pair]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help='{"question", "answer", "model"?, …} a line, or a Batch input')
    parser.add_argument("output", metavar="OUT.jsonl", nargs="?", help="the output of that Batch input")
    parser.add_argument(
        "--template", default="auto", metavar="auto|none|FILE", help="as `batch` has it: the text all share"
    )
    parser.add_argument("--model", help="of lines that name none (ASKONCE_MODEL)")
    parser.add_argument("--system", help="the system prompt of rows")
    parser.add_argument("--param", action="append", default=[], metavar="KEY=JSON", help="of rows")
    parser.add_argument("--ttl", type=float, metavar="SECONDS", help="how long the answers may be used (CACHE_TTL)")


async def run(client: Client, args: argparse.Namespace) -> int:
    """Exit code: 0 all stored, 1 some rows were bad."""
    template = args.template if args.template in ("auto", "none") else read_template(args.template)
    form = Form(
        namespace=args.namespace,
        model=client_settings({"model": args.model}).model,
        system=args.system,
        template=None if template in ("auto", "none") else template,
        params=params_from(args.param),
    )
    warming, began = Warming(client, ttl=args.ttl, on_bad=_say_bad), time.monotonic()
    outputs = Outputs()
    try:
        if args.output is not None:
            await _read_outputs(args.output, outputs, warming)

        def read(raw: RawLine) -> Pair:
            return read_row(raw, form) if args.output is None else outputs.pair(read_raw(raw, form))

        progress = asyncio.create_task(_say_progress(warming, began))
        try:
            await warming.run(_pairs(args.file, template, read))
        finally:
            progress.cancel()
    finally:
        outputs.close()
    _say_summary(warming, time.monotonic() - began, as_json=args.json)
    return 1 if warming.bad else 0


async def _read_outputs(path: str, outputs: Outputs, warming: Warming) -> None:
    async for block in read_lines(open_input(path)):
        for raw in block:
            try:
                outputs.add(raw)
            except ValueError as error:
                warming.refuse(f"{path} line {raw.number}", str(error))


async def _pairs(path: str, template: str, read: Read) -> AsyncIterator[list[Pair]]:
    blocks, templates = read_lines(open_input(path)), Templates()
    if template == "auto":
        sample = await asyncio.to_thread(_sample, path)
        if sample is None:
            sample, blocks = await sampled(blocks)
        templates = _found(sample, read)
    elif template != "none":
        templates = Templates(everywhere=named(template))
    async for block in blocks:
        for part in batched(block, TOGETHER):
            yield [_fit(read(raw), templates) for raw in part]


def _sample(path: str) -> list[bytes] | None:
    return survey(path).sample if Path(path).is_file() else None


def _found(sample: list[bytes], read: Read) -> Templates:
    """As `batch` finds them in the same file, and says so: else neither would find the other's answers."""
    pairs = (read(RawLine(0, data)) for data in sample)
    templates = find_templates(pair.question for pair in pairs if pair.question is not None)
    for (model, _), found in templates.groups.items():
        for template in found:
            text = template.text
            complain(f"template of {model}: {text if len(text) <= 120 else f'{text[:60]}…{text[-56:]}'!r}")
    return templates


def _fit(pair: Pair, templates: Templates) -> Pair:
    if pair.question is None:
        return pair
    return Pair(pair.where, templates.fit(pair.question), pair.answer, pair.usage)


def _say_bad(where: str, reason: str) -> None:
    complain(f"{where}: {reason}")


async def _say_progress(warming: Warming, began: float) -> None:
    while True:
        await asyncio.sleep(EVERY)
        rate = warming.done / (time.monotonic() - began)
        sys.stderr.write(f"askonce: {warming.stored:,} stored, {rate:,.0f}/s, {warming.bad:,} bad\n")


def _say_summary(warming: Warming, seconds: float, *, as_json: bool) -> None:
    facts = {name: getattr(warming, name) for name in ("stored", "exact_only", "bad", "unanswered")}
    if as_json:
        say_json({**facts, "seconds": round(seconds, 3)})
    for name, count in {} if as_json else facts.items():
        say(f"{name.replace('_', ' '):<12} {count:>14,}")
    if warming.exact_only:
        complain("for some no vector will be made: too many wait. Start a worker, and warm the same file again")
