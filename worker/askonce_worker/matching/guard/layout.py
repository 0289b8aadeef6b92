"""The lines of a text, and how far each is set in: it decides what a program does and where a list begins."""

Lines = tuple[str, ...]


def lines(text: str) -> Lines:
    """Of a text with more than one: each with the blanks before it, none after it. Several empty ones are one."""
    if "\n" not in text and "\r" not in text and len(text.splitlines()) < 2:
        return ()
    found: list[str] = []
    for line in map(str.rstrip, text.strip().splitlines()):
        if line or found[-1]:
            found.append(line)
    return tuple(found) if len(found) > 1 else ()


def only_difference(a: Lines, b: Lines) -> tuple[str, str] | None:
    """The one line in which two texts of as many lines differ; None where there are more, or it is set in otherwise."""
    if len(a) != len(b):
        return None
    differing = [pair for pair in zip(a, b, strict=True) if pair[0] != pair[1]]
    if len(differing) != 1:
        return None
    one, other = differing[0]
    return differing[0] if indentation(one) == indentation(other) else None


def indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
