"""The page of all commands, from their own `--help`: made at each build, so it cannot be out of date."""

import contextlib
import io
import os
import re
from collections.abc import Callable
from typing import Any
from unittest import mock

from mkdocs.structure.files import File, Files
from typer.testing import CliRunner

from askonce.cli import main
from askonce_worker.cli import app

WIDE = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "TERMINAL_WIDTH": "100"}


def on_files(files: Files, config: Any, **_: object) -> Files:
    with mock.patch.dict(os.environ, WIDE):
        files.append(File.generated(config, "cli.md", content=_page()))
    return files


def _page() -> str:
    parts = ["# Commands", "Exit codes: 0 it worked, 1 it failed, 2 bad usage."]
    for program, help_of in (("askonce", _of_the_client), ("askonce-worker", _of_the_worker)):
        top = help_of()
        parts += [f"## {program}", _block(top)]
        parts += [f"### {program} {name}\n\n{_block(help_of(name))}" for name in _commands(top)]
    return "\n\n".join(parts)


def _of_the_client(*words: str) -> str:
    return _printed(lambda: main([*words, "--help"]))


def _of_the_worker(*words: str) -> str:
    return CliRunner().invoke(app, [*words, "--help"], prog_name="askonce-worker", catch_exceptions=False).output


def _printed(call: Callable[[], object]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        call()
    return out.getvalue()


def _commands(top: str) -> list[str]:
    """argparse indents them by four, typer by two."""
    found = re.findall(r"^ {2,4}([a-z][a-z-]+)(?: {2,}|$)", top, re.MULTILINE)
    if not found:
        raise ValueError(f"no commands in: {top}")
    return found


def _block(text: str) -> str:
    return f"```text\n{text.strip()}\n```"
