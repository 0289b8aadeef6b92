"""docs/demo.svg: what `make demo` prints, recorded from a run. `python docs/_build/demo_svg.py` makes it again, in a minute."""

import os
import pty
import re
import sys
from html import unescape
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

import rich._export_format as formats

PICTURE = Path(__file__).parents[1] / "demo.svg"
WIDTH = 96
CELL = 12.2
"""Width of a character in rich's pictures."""
FIRST, BEHIND = "what was matched to what", "next:"
"""The lines between which the picture is: what was matched, what was kept apart, and what it came to."""
WIDE = r"[^\x00-\u2dff]+"
"""Characters of two cells. Rich gives a text the width of as many cells as it has characters."""


def main() -> int:
    os.environ.update(COLUMNS=str(WIDTH), TERM="xterm-256color", FORCE_COLOR="1")
    seen = bytearray()
    status = pty.spawn([str(Path(sys.executable).parent / "askonce-worker"), "demo"], lambda fd: _keep(fd, seen))
    if status == 0:
        PICTURE.write_text(drawn(seen.decode("utf-8", "replace")), "utf-8")
    return os.waitstatus_to_exitcode(status)


def _keep(fd: int, seen: bytearray) -> bytes:
    data = os.read(fd, 65_536)
    seen += data
    return data


def drawn(printed: str) -> str:
    text = Text.from_ansi("\n".join(line.split("\r")[-1] for line in printed.replace("\r\n", "\n").split("\n")))
    text = text[text.plain.index(FIRST) : text.plain.index(BEHIND)]
    text.rstrip()
    text.highlight_regex(WIDE, "not blink")  # a part of its own, so that what follows stands in its column
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), legacy_windows=False)  # noqa: SIM115
    console.print(text, soft_wrap=True)
    own_fonts = re.sub(r"@font-face \{\{.*?\}\}", "", formats.CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    picture = console.export_svg(title="make demo", theme=MONOKAI, code_format=own_fonts)
    return re.sub(rf'textLength="[\d.]+"([^>]*>)({WIDE})<', _widened, picture)


def _widened(found: re.Match[str]) -> str:
    return f'textLength="{CELL * cell_len(unescape(found[2])):g}"{found[1]}{found[2]}<'


if __name__ == "__main__":
    sys.exit(main())
