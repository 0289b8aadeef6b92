"""Templates: the fixed text around what varies in the messages of a file.

A prompt template filled with different texts makes all of them look alike to an embedding. Taken out, it becomes part
of the scope, and only the text in it is compared. Where a prompt has several variable parts, one of them is compared;
the others become part of the template, so they must be equal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from askonce.question import Question
from askonce.question_checks import PLACEHOLDER

Group = tuple[str | None, str | None]
"""Model and system prompt."""
Side = Literal["before", "after"]
DENSE = 4
FIRST_DENSE = "\u2e80"
"""Where the scripts of Chinese, Japanese and Korean begin in Unicode."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Fixed text between two variable parts.

    keeps: the part that is compared by similarity; the other part must be equal.
    """

    mark: str
    keeps: Side

    def split(self, text: str) -> tuple[str, str] | None:
        """What stands before and after the mark; None for a text without it."""
        before, mark, after = text.partition(self.mark) if self.keeps == "after" else text.rpartition(self.mark)
        return (before, after) if mark else None


@dataclass(frozen=True, slots=True)
class Filled:
    """A message taken apart: the text that varies, and the template that makes it the message again."""

    text: str
    template: str


@dataclass(frozen=True, slots=True)
class Template:
    """The beginning and the end that messages share, and the cuts between several variable parts.

    exact: Several parts vary freely, and none is known to be the one to compare: its texts are matched exactly only.
    """

    head: str
    tail: str
    cuts: tuple[Cut, ...] = ()
    exact: bool = False

    @property
    def text(self) -> str:
        """As a person would write it."""
        text = PLACEHOLDER
        for cut in reversed(self.cuts):
            text = f"…{cut.mark}{text}" if cut.keeps == "after" else f"{text}{cut.mark}…"
        return f"{self.head}{text}{self.tail}"

    @property
    def chars(self) -> int:
        """Of fixed text. A Chinese, Japanese or Korean one says as much as several others."""
        fixed = "".join((self.head, self.tail, *(cut.mark for cut in self.cuts)))
        return len(fixed) + (DENSE - 1) * sum(character >= FIRST_DENSE for character in fixed)

    def inside(self, message: str) -> str | None:
        """What stands between head and tail; None for a message that is not made of this template."""
        if len(message) <= len(self.head) + len(self.tail):
            return None
        if not message.startswith(self.head) or not message.endswith(self.tail):
            return None
        inside = message[len(self.head) : len(message) - len(self.tail)]
        return None if inside.isspace() else inside

    def take_apart(self, message: str) -> Filled | None:
        """None for a message that is not made of this template."""
        text, head, tail = self.inside(message), self.head, self.tail
        for cut in self.cuts:
            parts = None if text is None else cut.split(text)
            if parts is None:
                return None
            before, after = parts
            if cut.keeps == "after":
                text, head = after, head + before + cut.mark
            else:
                text, tail = before, cut.mark + after + tail
        if text is None or not text.strip() or PLACEHOLDER in head or PLACEHOLDER in tail:
            return None
        return Filled(text, f"{head}{PLACEHOLDER}{tail}")


@dataclass(frozen=True, slots=True)
class Templates:
    """everywhere: for every model and system prompt, instead of the groups."""

    groups: Mapping[Group, Sequence[Template]] = field(default_factory=dict)
    everywhere: Sequence[Template] = ()

    def fit(self, question: Question) -> Question:
        """The question with its template taken out; one that fits none, where others do, is matched exactly only."""
        candidates = self._candidates(question)
        if not candidates:
            return question
        for template in candidates:
            filled = template.take_apart(question.text)
            if filled is not None:
                semantic = question.semantic and not template.exact
                return question.with_fields(text=filled.text, template=filled.template, semantic=semantic)
        return question.with_fields(semantic=False)

    def count(self, questions: Iterable[Question]) -> tuple[int, int]:
        """How many of the questions fit, and how many there are to fit."""
        found = [self.fit(question).template is not None for question in questions if self._candidates(question)]
        return sum(found), len(found)

    def _candidates(self, question: Question) -> Sequence[Template]:
        """A question with a template of its own, or without a text to compare, needs none."""
        if question.template is not None or question.exact_only:
            return ()
        return self.everywhere or self.groups.get((question.model, question.system), ())


Row = Sequence[Any]


def dumped(templates: Templates) -> list[Row]:
    """The groups, for JSON."""
    return [
        [model, system, template.head, template.tail, [[cut.mark, cut.keeps] for cut in template.cuts], template.exact]
        for (model, system), found in templates.groups.items()
        for template in found
    ]


def loaded(rows: Iterable[Row]) -> Templates:
    """What `dumped` made; rows of the first releases have no cuts, later ones have no `exact`."""
    groups: dict[Group, list[Template]] = {}
    for group, template in _read(rows):
        groups.setdefault(group, []).append(template)
    return Templates(groups)


def _read(rows: Iterable[Row]) -> Iterator[tuple[Group, Template]]:
    for model, system, head, tail, *more in rows:
        marks = [Cut(mark, keeps) for mark, keeps in more[0]] if more else []
        yield (model, system), Template(head, tail, tuple(marks), exact=more[1] if len(more) > 1 else False)
