"""How tests and benchmarks start workers and front doors: as `python -m MODULE ARGUMENTS` does."""

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path

from support.forked import ForkedProcess, fork

Process = asyncio.subprocess.Process | ForkedProcess


class Starts:
    """forked: see `support.forked`. The tests' conftest sets it; benchmarks measure what users start."""

    forked = False


async def start_module(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    directory: Path,
    output: Path,
    errors: Path | None = None,
) -> Process:
    """Both files are appended to. errors: None are this process's."""
    if Starts.forked:
        return await fork(module, arguments, environment, directory, output, errors)
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(output.open("ab"))
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments,
            env=environment, cwd=directory, stdin=asyncio.subprocess.DEVNULL, stdout=out,
            stderr=stack.enter_context(errors.open("ab")) if errors else None,
        )  # fmt: skip
