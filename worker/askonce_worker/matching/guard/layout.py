"""The lines of a text with their indentation, which decides what a program does and where a list begins."""

import re

Lines = tuple[str, ...]


_COURTESY = re.compile(
    r"(?:hi|hey|hello|dear|good (?:morning|afternoon|evening)|thanks?|thank you|cheers|best|kind|many thanks|regards"
    r"|你好|您好|谢谢)"
    r"(?: (?:there|all|team|everyone|support|sir|madam|you|so much|very much|in advance|wishes|regards))*"
    r"[ ,.!，。！]*",
    re.IGNORECASE,
)
"""A line of a letter, such as a greeting, that asks nothing."""


def lines(text: str) -> Lines:
    """The lines of a text with more than one: with their indentation, without trailing blanks, empty lines and
    courtesies."""
    if "\n" not in text and "\r" not in text and len(text.splitlines()) < 2:
        return ()
    found = list(filter(None, map(str.rstrip, text.strip().splitlines())))
    while found and _COURTESY.fullmatch(found[-1]) is not None:
        found.pop()
    while found and _COURTESY.fullmatch(found[0]) is not None:
        found.pop(0)
    return tuple(found) if len(found) > 1 else ()


def only_difference(a: Lines, b: Lines) -> tuple[str, str] | None:
    """The only line in which two texts with the same number of lines differ; None if there are more, or it is indented
    differently."""
    if len(a) != len(b):
        return None
    differing = [pair for pair in zip(a, b, strict=True) if pair[0] != pair[1]]
    if len(differing) != 1:
        return None
    one, other = differing[0]
    return differing[0] if indentation(one) == indentation(other) else None


def indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
