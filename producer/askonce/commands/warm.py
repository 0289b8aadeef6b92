"""askonce warm"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from askonce.batch.line_format import Form, read_raw
from askonce.batch.lines import name_of, open_input, read_lines
from askonce.batch.plan import NO_MODEL, choose_templates
from askonce.batch.sampling import Blocks, sampled, survey
from askonce.client import Client
from askonce.commands.output import complain, say, say_json
from askonce.commands.question_arguments import (
    add_file_template_argument,
    add_param_argument,
    file_template_from,
    params_from,
)
from askonce.operator.csv_rows import CsvRows
from askonce.operator.warming import Outputs, Pair, Warming, read_row
from askonce.session.iteration import batched
from askonce.settings import client_settings
from askonce.tables.lines import RawLine
from askonce.templates.template import Templates

NAME = "warm"
HELP = "Fill the cache from rows of questions and answers, or from a Batch input and its output."
EXAMPLES = ("askonce warm rows.jsonl", "askonce warm in.jsonl out.jsonl")
TOGETHER = 1024
EVERY = 10.0
"""Seconds between progress lines."""
SHOWN = 20
"""Bad rows that are listed individually."""

Read = Callable[[RawLine], Pair]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = '{"question", "answer", "model"?, …} a line, CSV with such a first row, or a Batch input; - is stdin'
    parser.add_argument("file", metavar="FILE", help=what)
    parser.add_argument("output", metavar="OUT.jsonl", nargs="?", help="the output of that Batch input")
    parser.add_argument("--csv", action="store_true", help="the file is CSV, whatever its name")
    add_file_template_argument(parser)
    parser.add_argument("--allow-misfits", action="store_true", help="continue if the template fits no line")
    parser.add_argument("--model", help="model for lines that name none (default: ASKONCE_MODEL)")
    parser.add_argument("--system", help="system prompt for rows")
    add_param_argument(parser, "a parameter of rows")
    parser.add_argument("--ttl", type=float, metavar="SECONDS", help="how long the answers may be used (CACHE_TTL)")


async def run(client: Client, args: argparse.Namespace) -> int:
    """Exit code: 0 if all were stored, 1 if some rows were bad."""
    template = file_template_from(args.template)
    form = Form(
        namespace=args.namespace,
        model=client_settings({"model": args.model}).model,
        system=args.system,
        template=None if template in ("auto", "none") else template,
        params=params_from(args.param),
    )
    bad, began, outputs = BadRows(), time.monotonic(), Outputs()
    warming = Warming(client, ttl=args.ttl, on_bad=bad.add)
    try:
        if args.output is not None:
            await _read_outputs(args.output, outputs, warming)

        def read(raw: RawLine) -> Pair:
            return read_row(raw, form) if args.output is None else outputs.pair(read_raw(raw, form))

        blocks, pairs = await _sample(args.file, read, is_csv=args.csv or _is_csv(args.file))
        templates = await asyncio.to_thread(_templates, template, pairs, allow_misfits=args.allow_misfits)
        progress = asyncio.create_task(_say_progress(warming, began))
        try:
            await warming.run(_pairs(blocks, read, templates))
        finally:
            progress.cancel()
    finally:
        outputs.close()
        bad.end()
    _say_summary(warming, time.monotonic() - began, as_json=args.json)
    return 1 if warming.bad else 0


class BadRows:
    """Names the first `SHOWN` bad rows, and counts the others."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, where: str, reason: str) -> None:
        self._count += 1
        if self._count <= SHOWN:
            complain(f"{where}: {reason}")

    def end(self) -> None:
        if self._count > SHOWN:
            complain(f"and {self._count - SHOWN:,} more bad rows")


def _is_csv(path: str) -> bool:
    return Path(path).suffix.lower() in (".csv", ".tsv")


async def _read_outputs(path: str, outputs: Outputs, warming: Warming) -> None:
    async for block in read_lines(open_input(path), name_of(path)):
        for raw in block:
            try:
                outputs.add(raw)
            except ValueError as error:
                warming.refuse(f"{path} line {raw.number}", str(error))


async def _sample(path: str, read: Read, *, is_csv: bool) -> tuple[Blocks, list[Pair]]:
    """The whole input, and pairs from a sample of it: the sample that `batch` takes of the same file."""
    blocks: Blocks = read_lines(open_input(path), name_of(path), CsvRows() if is_csv else None)
    sample = None if is_csv else await asyncio.to_thread(_sample_of_file, path)
    if sample is None:
        sample, blocks = await sampled(blocks)
    return blocks, [read(RawLine(0, data)) for data in sample]


def _sample_of_file(path: str) -> list[bytes] | None:
    return survey(path).sample if Path(path).is_file() else None


def _templates(template: str, pairs: Sequence[Pair], *, allow_misfits: bool) -> Templates:
    """The templates `batch` finds in the same file; otherwise neither would find the other's answers. Raises
    ValueError."""
    questions = [pair.question for pair in pairs if pair.question is not None]
    if not questions and any(pair.needs_model for pair in pairs):
        raise ValueError(NO_MODEL)
    return choose_templates(template, questions, complain, allow_misfits=allow_misfits)


async def _pairs(blocks: Blocks, read: Read, templates: Templates) -> AsyncIterator[list[Pair]]:
    async for block in blocks:
        for part in batched(block, TOGETHER):
            yield [_fit(read(raw), templates) for raw in part]


def _fit(pair: Pair, templates: Templates) -> Pair:
    if pair.question is None:
        return pair
    return Pair(pair.where, templates.fit(pair.question), pair.answer, pair.usage)


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
        complain(
            "some answers got no vector, because too many are waiting: start a worker, then warm the same file again"
        )
