"""The page of all commands, from their own `--help`: made at each build, so it cannot be out of date."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PROGRAMS = ("askonce", "askonce-worker")
BIN = Path(sys.executable).parent
WIDE = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "TERMINAL_WIDTH": "100"}


def on_files(files: Files, config: Any, **_: object) -> Files:
    files.append(File.generated(config, "cli.md", content=_page()))
    return files


def _page() -> str:
    parts = ["# Commands", "Exit codes: 0 it worked, 1 it failed, 2 bad usage."]
    with ThreadPoolExecutor(4) as threads:
        for program in PROGRAMS:
            top = _help(program)
            names = _commands(top)
            parts += [f"## {program}", _block(top)]
            helps = threads.map(lambda name: _help(program, name), names)
            parts += [f"### {program} {name}\n\n{_block(text)}" for name, text in zip(names, helps, strict=True)]
    return "\n\n".join(parts)


def _help(*words: str) -> str:
    command = [str(BIN / words[0]), *words[1:], "--help"]
    done = subprocess.run(command, env={**os.environ, **WIDE}, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip("\n")


def _commands(top: str) -> list[str]:
    """argparse indents them by four, typer by two."""
    found = re.findall(r"^ {2,4}([a-z][a-z-]+)(?: {2,}|$)", top, re.MULTILINE)
    if not found:
        raise ValueError(f"no commands in: {top}")
    return found


def _block(text: str) -> str:
    return f"```text\n{text}\n```"
