"""The plan of a run: its options, and what is determined before anything is asked. Raises ValueError."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from askonce.batch.ledger import Ledger
from askonce.batch.line_format import Form, Line, read_line
from askonce.batch.lines import name_of, open_input, read_lines
from askonce.batch.sampling import Blocks, Survey, sampled, survey
from askonce.batch.source import Source
from askonce.batch.spend_cap import SpendCap
from askonce.batch.table.table import Table, check_files, open_table
from askonce.batch.template_option import written
from askonce.batch.totals import RunTotals
from askonce.json_values import dumps
from askonce.prices.load import Prices, load_prices
from askonce.question import Question
from askonce.schemas.wanted import schema_of
from askonce.templates.find_templates import find_templates
from askonce.templates.template import Template, Templates, dumped, loaded

SHOWN = 5
"""Templates that are shown."""
Note = Callable[[str], None]
"""Shows the user a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a run.

    Attributes:
        input: A path; `-` is stdin.
        output: A path; `-` is stdout.
        errors: The file of failed lines; None for the default.
        template: `auto`, `none`, or the text of one.
        allow_misfits: Continue even if the template fits no line.
        max_cost: Maximum cost in billionths; None for no limit.
        max_tokens: Maximum tokens; None for no limit.
        twice: The option, if any, that requires reading the input twice.
        table: The path of the table to write. Its answers are first collected in `output`.
        prompt: The prompt for each row of a table.
        id_column: The column with the custom ids of its rows.
    """

    input: str
    output: str
    errors: str | None
    form: Form
    template: str
    allow_misfits: bool
    ordered: bool
    prices: str | None
    max_cost: int | None
    max_tokens: int | None
    twice: str | None
    table: str | None = None
    prompt: str | None = None
    id_column: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Checked options. survey: set if the input is a file. table: set if the input is a table."""

    options: Options
    prices: Prices
    survey: Survey | None
    table: Table | None = None

    @property
    def form(self) -> Form:
        return self.options.form

    def lines(self) -> Blocks:
        """Raises ValueError."""
        if self.table is not None:
            return self.table.lines()
        return read_lines(open_input(self.options.input), name_of(self.options.input))


def make_plan(options: Options) -> Plan:
    if options.table is not None and options.prompt is not None:
        check_files(options.input, options.table)
        schema = None if options.form.schema is None else schema_of(options.form.schema)
        table, found = open_table(options.input, options.table, options.prompt, options.id_column, schema)
        return Plan(options, load_prices(options.prices), found, table)
    is_file = _look(options.input, options.output)
    if not is_file and options.twice:
        raise ValueError(f"{options.twice} reads the input twice: name a file")
    if options.form.as_text and options.form.model is None:
        raise ValueError(NO_MODEL)
    return Plan(options, load_prices(options.prices), survey(options.input) if is_file else None)


NO_MODEL = "no model: set it with --model, in ASKONCE_MODEL, or in each line"


def _look(source: str, output: str) -> bool:
    """Whether the input is a file, which can be read repeatedly.

    Raises ValueError if there is nothing to read or write. The descriptor of a closed stdin or stdout may already
    belong to another file.
    """
    for given, stream, name in ((source, sys.stdin, "stdin"), (output, sys.stdout, "stdout")):
        if given == "-" and stream is None:
            raise ValueError(f"{name} is closed")
    path = Path(source)
    if source == "-":
        return False
    if not path.exists():
        raise ValueError(f"{path}: there is no such file")
    if path.is_dir():
        raise ValueError(f"{path} is a directory")
    return path.is_file()


def settings(plan: Plan) -> dict[str, str | None]:
    """Settings that must be the same when a run is resumed."""
    options, form, facts = plan.options, plan.form, plan.survey
    return {
        "the input": f"{facts.lines} lines (sha256 {facts.digest[:16]})" if facts else "a stream",
        "--namespace": form.namespace,
        "--model": form.model,
        "--system": form.system,
        "--param": dumps(form.params, sort_keys=True).decode(),
        "--cache": form.cache,
        "--template": options.template,
        "--text": str(form.as_text),
        "--ordered": str(options.ordered),
        "--errors": options.errors,
        "--prompt": options.prompt,
        "--id": options.id_column,
        "--schema": None if form.schema is None else dumps(form.schema).decode(),
    }


@dataclass(frozen=True, slots=True)
class Look:
    """A first look at the input. lines: a sample. blocks: the whole input, if some had to be read for the sample."""

    lines: Sequence[Line]
    blocks: Blocks | None


async def look_at(plan: Plan, note: Note) -> Look:
    """Reads a sample before anything is written. Raises ValueError if all of it would fail."""
    options, blocks = plan.options, None
    if plan.survey is not None:
        sample = plan.survey.sample
    else:
        sample, blocks = await sampled(plan.lines())
    lines = await asyncio.to_thread(_read, sample, plan.form)
    SpendCap(plan.prices, RunTotals(), cost=options.max_cost, tokens=None).check(_questions(lines))
    if options.template != "auto":
        choose_templates(options.template, _questions(lines), note, allow_misfits=options.allow_misfits)
    return Look(lines, blocks)


def _read(sample: Sequence[bytes], form: Form) -> list[Line]:
    lines = [read_line(0, raw, form) for raw in sample]
    if any(line.needs_model for line in lines) and not any(line.question for line in lines):
        raise ValueError(NO_MODEL)
    return lines


def _questions(lines: Sequence[Line]) -> list[Question]:
    return [line.question for line in lines if line.question is not None]


async def source_of(plan: Plan, look: Look, ledger: Ledger, note: Note) -> Source:
    """The lines to ask, with the templates found by the first start."""
    options = plan.options
    if options.template != "auto":
        templates = named(options.template)
    else:
        rows = ledger.journal.get("templates")
        if rows is None:
            found = await asyncio.to_thread(choose_templates, "auto", _questions(look.lines), note)
            rows = dumped(found)
            ledger.journal.put("templates", rows)
            ledger.save()  # before anything is asked: another sample of a stream might find others
        templates = loaded(rows)
    blocks = look.blocks or plan.lines()
    cap = SpendCap(plan.prices, ledger.totals, cost=options.max_cost, tokens=options.max_tokens)
    return Source(blocks, ledger, plan.form, templates, cap, is_stream=plan.survey is None)


def named(template: str) -> Templates:
    """The templates for `--template none` or a template text."""
    return Templates() if template == "none" else Templates(everywhere=written(template))


def choose_templates(
    template: str, questions: Sequence[Question], note: Note, *, allow_misfits: bool = False
) -> Templates:
    """Chooses templates for a sample of questions, with a note on how well they fit.

    Raises:
        ValueError: The given template fits none of them.
    """
    templates = find_templates(questions) if template == "auto" else named(template)
    fit, of = templates.count(questions)
    if template == "auto":
        _note_found(templates, len(questions), note)
    elif of and not fit and not allow_misfits:
        raise ValueError(
            f"--template fits 0 of {of:,} lines in a sample: their messages must begin and end as it does. Nothing was "
            "asked; --allow-misfits asks anyway and matches them exactly only"
        )
    if fit < of:
        note(f"{fit:,} of {of:,} lines in a sample fit; the others are matched exactly only")
    return templates


def _note_found(templates: Templates, sampled_lines: int, note: Note) -> None:
    found = [(group, template) for group, group_templates in templates.groups.items() for template in group_templates]
    if not found:
        note(f"no template in a sample of {sampled_lines:,} lines: whole messages are compared")
    for (model, system), template in found[:SHOWN]:
        under = f" under the system prompt {_short(system)}" if system else ""
        how = " (several parts of it vary: matched exactly only)" if template.exact else ""
        note(f"template of {model}{under}: {_shown(template)}{how}")
    if len(found) > SHOWN:
        note(f"and {len(found) - SHOWN} more templates")


def _shown(template: Template) -> str:
    head, text, tail = template.text.partition("{text}")
    return f"{_short(head)} {text} {_short(tail)}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:40]}…{text[-36:]}")
