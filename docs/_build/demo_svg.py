"""docs/demo.svg: what `make demo` prints, recorded from a run. `python docs/_build/demo_svg.py` makes it again, in a minute."""

import os
import pty
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

import rich._export_format as formats

PICTURE = Path(__file__).parents[1] / "demo.svg"
WIDTH = 96
LINES = 46
"""Of the end: what was matched, what was kept apart, and what it came to."""


def main() -> int:
    os.environ.update(COLUMNS=str(WIDTH), TERM="xterm-256color", FORCE_COLOR="1")
    seen = bytearray()
    status = pty.spawn([str(Path(sys.executable).parent / "askonce-worker"), "demo"], lambda fd: _keep(fd, seen))
    if status == 0:
        PICTURE.write_text(_drawn(seen.decode("utf-8", "replace")), "utf-8")
    return os.waitstatus_to_exitcode(status)


def _keep(fd: int, seen: bytearray) -> bytes:
    data = os.read(fd, 65_536)
    seen += data
    return data


def _drawn(printed: str) -> str:
    lines = [line.split("\r")[-1] for line in printed.replace("\r\n", "\n").split("\n")]
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), legacy_windows=False)  # noqa: SIM115
    console.print(Text.from_ansi("\n".join(lines[-LINES:])), soft_wrap=True)
    own_fonts = re.sub(r"@font-face \{\{.*?\}\}", "", formats.CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="make demo", theme=MONOKAI, code_format=own_fonts)


if __name__ == "__main__":
    sys.exit(main())
