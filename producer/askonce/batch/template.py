"""Templates: the beginning and the end that the messages of a file share.

Filled with different texts, a prompt template makes all of them look alike to an embedding. Taken out, it becomes part
of the scope, and only what differs is compared.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from askonce.question import Question
from askonce.question_checks import PLACEHOLDER

LEAST_CHARS = 40
"""Shorter ones do no harm: 'How do I' is no template."""
LEAST_MESSAGES = 5
LEAST_OF_SEVERAL = 20
"""Messages, where a file mixes templates: so many do not begin alike by chance."""
MOST = 8
"""Templates of one model and system prompt."""
SHARE = 0.9
"""Of the messages that a template is to be made of: a few odd ones do not hide it."""
LATIN = re.compile(r"[0-9A-Za-z]")

Group = tuple[str | None, str | None]
"""Model and system prompt."""


@dataclass(frozen=True, slots=True)
class Template:
    head: str
    tail: str

    @property
    def text(self) -> str:
        return f"{self.head}{PLACEHOLDER}{self.tail}"

    def inside(self, message: str) -> str | None:
        """What the message has in the place of `{text}`; None where it is not made of this template."""
        if not message.startswith(self.head) or not message.endswith(self.tail):
            return None
        inside = message[len(self.head) : len(message) - len(self.tail)]
        fits = len(message) > len(self.head) + len(self.tail) and not inside.isspace()
        return inside if fits else None


def named(text: str) -> Template:
    """A template that somebody wrote. Raises ValueError."""
    head, _, tail = text.partition(PLACEHOLDER)
    if text.count(PLACEHOLDER) != 1:
        raise ValueError("a template contains {text} once")
    return Template(head, tail)


@dataclass(frozen=True, slots=True)
class Templates:
    """everywhere: holds for every model and system prompt."""

    groups: Mapping[Group, Sequence[Template]] = field(default_factory=dict)
    everywhere: Template | None = None

    def fit(self, question: Question) -> Question:
        """The question with its template taken out; one that fits none, where others do, is matched exactly only."""
        if question.template is not None or question.exact_only:
            return question
        found = self.groups.get((question.model, question.system), ())
        if self.everywhere is not None:
            found = (self.everywhere,)
        for template in found:
            inside = template.inside(question.text)
            if inside is not None:
                return question.with_fields(text=inside, template=template.text)
        return question.with_fields(semantic=False) if found else question


def dumped(templates: Templates) -> list[list[str | None]]:
    return [
        [model, system, template.head, template.tail]
        for (model, system), found in templates.groups.items()
        for template in found
    ]


def loaded(rows: Iterable[Sequence[str | None]]) -> Templates:
    groups: dict[Group, list[Template]] = {}
    for model, system, head, tail in rows:
        groups.setdefault((model, system), []).append(Template(head or "", tail or ""))
    return Templates(groups)


def find_templates(questions: Iterable[Question]) -> Templates:
    """In a sample of a file's questions."""
    messages: dict[Group, set[str]] = {}
    for question in questions:
        if question.template is None and not question.exact_only:
            messages.setdefault((question.model, question.system), set()).add(question.text)
    found = {group: _templates(sorted(texts)) for group, texts in messages.items()}
    return Templates({group: templates for group, templates in found.items() if templates})


def _templates(messages: list[str]) -> list[Template]:
    """messages: distinct, sorted."""
    found: list[Template] = []
    while len(messages) >= LEAST_MESSAGES and len(found) < MOST:
        template = _most_shared(messages)
        if template is None:
            break
        found.append(template)
        messages = [message for message in messages if template.inside(message) is None]
    return sorted(found, key=lambda template: -len(template.text))


def _most_shared(messages: list[str]) -> Template | None:
    """The template of nearly all; else of half, of a third, of a quarter."""
    for parts in (1, 2, 3, 4):
        least = max(LEAST_MESSAGES if parts == 1 else LEAST_OF_SEVERAL, math.ceil(SHARE * len(messages) / parts))
        if least > len(messages):
            break
        template = _shared_by(messages, least)
        if template is not None:
            return template
    return None


def _shared_by(messages: list[str], least: int) -> Template | None:
    members = _alike(messages, least)
    if len(members) < len(messages):
        least = math.ceil(SHARE * len(members))
    backwards = _alike(sorted(message[::-1] for message in members), least)
    members = [message[::-1] for message in backwards]
    head = members[0][: min(_common(members[0], other) for other in members)]
    rests = [message[len(head) :] for message in members]
    tail = rests[0][::-1][: min(_common(rests[0][::-1], other[::-1]) for other in rests)][::-1]
    head, tail = _whole_words(head, tail, rests)
    if len(head) + len(tail) < LEAST_CHARS or PLACEHOLDER in head + tail:
        return None
    template = Template(head, tail)
    return template if sum(template.inside(message) is not None for message in members) >= LEAST_MESSAGES else None


def _alike(messages: list[str], least: int) -> list[str]:
    """Those that begin as at least so many of them do: of sorted messages, these stand next to each other.

    What begins nearly so belongs to them as well, lest the template take in what most texts happen to begin with.
    """
    length, at = max((_common(messages[i], messages[i + least - 1]), -i) for i in range(len(messages) - least + 1))
    beginning = messages[-at][: length * 4 // 5]
    return [message for message in messages if message.startswith(beginning)]


def _whole_words(head: str, tail: str, rests: list[str]) -> tuple[str, str]:
    """Cuts back to where no word is cut in two."""
    if any(LATIN.match(rest[len(rest) - len(tail) - 1 :]) for rest in rests if len(rest) > len(tail)):
        tail = re.sub(r"^[0-9A-Za-z]+", "", tail)
    if any(LATIN.match(rest) for rest in rests):
        head = re.sub(r"[0-9A-Za-z]+$", "", head)
    return head, tail


def _common(a: str, b: str) -> int:
    """The length of the common beginning, by halving: slices compare far quicker than characters."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
