"""The blocks of the docs: what stands in each fence, in which language, and as which file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "deploy/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
RUN = {"console", "python", "sh"}
READ = {"csv", "http", "json", "yaml"}
SHOWN = {"mermaid", "text"}
ELSEWHERE = {"wire": "test_producers_guide.py"}
"""Blocks that another test of tests/e2e runs, by their names: with a redis-cli, and looks into what they print."""
FOREIGN = {
    "gptcache": "wants a release of OpenAI's client from 2023",
    "langchain_core": "stands in an environment of its own, where test_front_door_sdks.py runs what uses it",
    "langchain_openai": "the same",
    "langchain_redis": "the same",
    "redisvl": "needs Redis's search, which Valkey has not",
}
"""Packages that are not here, and why: Python that imports one is compiled alone."""
FOREIGN_IMPORT = re.compile(rf"^(?:from|import) (?:{'|'.join(FOREIGN)})\b", re.MULTILINE)
FENCE = re.compile(r"```(\w*)(?: title=\"([^\"]+)\")?")
NAME = re.compile(r"<!-- guide: (\w+) -->")


@dataclass(frozen=True, slots=True)
class Block:
    """file: the name under which a reader saves it. name: of a block that a test looks for by itself."""

    page: str
    line: int
    language: str
    file: str | None
    name: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> Iterator[tuple[str, str]]:
        """Of a console: each command, and what it prints, as far as the page shows that."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            yield command, shown


def is_run(block: Block) -> bool:
    """By tests/e2e/test_docs.py."""
    if block.language == "python" and FOREIGN_IMPORT.search(block.text):
        return False
    return block.language in RUN and block.file is None and block.name not in ELSEWHERE


def blocks_of(page: str) -> list[Block]:
    """Raises ValueError where a fence says no language, or is not closed."""
    lines = (ROOT / page).read_text("utf-8").splitlines()
    found, at = [], 0
    while at < len(lines):
        if lines[at].startswith("```"):
            end = next((each for each in range(at + 1, len(lines)) if lines[each] == "```"), None)
            fence = FENCE.fullmatch(lines[at])
            if end is None or fence is None or not fence[1]:
                raise ValueError(f"{page}:{at + 1}: {lines[at]}")
            name = NAME.fullmatch(lines[at - 1])
            text = "\n".join([*lines[at + 1 : end], ""])
            found.append(Block(page, at + 1, fence[1], fence[2], name and name[1], text))
            at = end
        at += 1
    return found


def indented(page: str) -> list[int]:
    """Lines at which a block begins that is set in instead of fenced: its language is not said."""
    inside, found, before = False, [], ""
    for number, line in enumerate((ROOT / page).read_text("utf-8").splitlines(), 1):
        inside ^= line.startswith("```")
        if not inside and line.startswith("    ") and not before:
            found.append(number)
        before = line.strip()
    return found
