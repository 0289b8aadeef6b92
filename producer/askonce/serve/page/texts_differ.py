"""Finds the words in which two texts differ. Pure."""

import re
from difflib import SequenceMatcher

WORDS = re.compile(r"[A-Za-z0-9_]+|\s+|.", re.DOTALL)
MOST = 400
"""Maximum number of words: longer texts are shown without marks."""

Marked = list[tuple[str, bool]]
"""Parts of a text, and whether the other one lacks them."""


def marked(text: str, other: str) -> tuple[Marked, Marked]:
    mine, yours = WORDS.findall(text), WORDS.findall(other)
    if max(len(mine), len(yours)) > MOST:
        return [(text, False)], [(other, False)]
    left: Marked = []
    right: Marked = []
    for tag, a, b, c, d in SequenceMatcher(None, mine, yours, autojunk=False).get_opcodes():
        left.append(("".join(mine[a:b]), tag != "equal"))
        right.append(("".join(yours[c:d]), tag != "equal"))
    return [part for part in left if part[0]], [part for part in right if part[0]]
