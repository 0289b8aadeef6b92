"""The most memory that a command needed, by its own account."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from support.worker_process import environment

RUN = """
import sys
from askonce.cli import main
code = main(sys.argv[1:])
sys.stderr.write(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""


async def peak_of(settings: Mapping[str, str], directory: Path, *arguments: str) -> int:
    """KiB of `askonce …`, which must succeed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, *arguments, cwd=directory, env=environment(settings),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return int(errors.split()[-2])
