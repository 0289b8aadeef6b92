"""Every block of the docs says what it is, and what can be known of it without running it holds."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
import typer
import yaml

from askonce.cli import COMMANDS
from askonce.commands.parser import command_parser
from askonce_worker.cli import app
from support.doc_blocks import ELSEWHERE, FOREIGN, PAGES, READ, ROOT, RUN, SHOWN, blocks_of, indented, is_run

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
COMMAND = re.compile(r"^(?:\$ |(?:askonce(?:-worker)?|curl|docker|make|pip|python) |(?:from|import) \w)", re.MULTILINE)
OPTIONS_OF_OTHERS = {"--include-body"}
"""Of Helicone's export."""


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_fenced(page):
    assert indented(page) == []


def test_every_page_is_named_where_models_and_people_look():
    pages = {Path(page).name for page in PAGES if page.startswith("docs/")} - {"index.md"}
    told, navigation = (ROOT / "docs" / "llms.txt").read_text("utf-8"), (ROOT / "mkdocs.yml").read_text("utf-8")
    assert [page for page in pages if f"({page})" not in told or f": {page}\n" not in navigation] == []


def test_every_block_is_run_or_read_or_only_shown():
    assert {block.language for block in BLOCKS} <= RUN | READ | SHOWN
    assert [str(block) for block in BLOCKS if block.language in SHOWN and COMMAND.search(block.text)] == []


def test_a_console_shows_commands_and_what_they_print():
    consoles = [block for block in BLOCKS if block.language == "console"]
    assert consoles
    assert [str(block) for block in consoles if not block.text.startswith("$ ")] == []


def test_python_that_is_not_run_is_python():
    for block in BLOCKS:
        if block.language == "python" and not is_run(block):
            compile(block.text, str(block), "exec")


def test_what_is_read_can_be():
    for block in BLOCKS:
        if block.language in READ:
            {"csv": table, "http": request, "json": records, "yaml": yaml.safe_load}[block.language](block.text)


def records(text):
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def table(text):
    assert len({len(row) for row in csv.reader(io.StringIO(text))}) == 1


def request(text):
    line, _, body = text.partition("\n")
    assert re.fullmatch(r"(?:PUT|PATCH|POST) /\S+", line)
    json.loads(body)


def test_what_is_run_elsewhere_is():
    tests = Path(__file__).parents[1] / "e2e"
    assert [name for name, file in ELSEWHERE.items() if f'part("{name}")' not in (tests / file).read_text()] == []
    assert {block.name for block in BLOCKS} >= ELSEWHERE.keys()


def test_packages_that_are_not_here_are_shown_somewhere():
    text = "\n".join(block.text for block in BLOCKS if block.language == "python")
    assert [name for name in FOREIGN if not re.search(rf"^(?:from|import) {name}\b", text, re.MULTILINE)] == []
    assert (ROOT / "README.md").is_file()


def options():
    """Of each command of both programs."""
    [found] = [action for action in command_parser(COMMANDS)._actions if hasattr(action, "choices") and action.choices]
    known = {f"askonce {name}": set(parser._option_string_actions) for name, parser in found.choices.items()}
    for name, command in typer.main.get_command(app).commands.items():
        known[f"askonce-worker {name}"] = {option for each in command.params for option in each.opts} | {"--help"}
    return known


def test_every_command_and_option_that_prose_names_is_one():
    known = options()
    every = set().union(*known.values()) | OPTIONS_OF_OTHERS
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for code in re.findall(r"`([^`\n]+)`", prose):
            named = re.match(r"askonce(?:-worker)? [a-z-]+", code)
            allowed = known[named[0]] if named else every
            if named or code.startswith("--"):
                assert set(re.findall(r"(?<!\S)--[a-z-]+", code)) <= allowed, f"{page}: {code}"
