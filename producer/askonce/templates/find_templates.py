"""Finds the templates in a sample of a file's messages."""

import math
from collections.abc import Collection, Iterable
from dataclasses import replace

from askonce.affixes import common_prefix, common_suffix
from askonce.question import Question
from askonce.question_checks import PLACEHOLDER
from askonce.templates.cuts import cut_back, find_cuts, has_two_parts, is_plain, is_word
from askonce.templates.template import Group, Side, Template, Templates

LEAST_CHARS = 40
"""Shorter ones do no harm: 'How do I' is no template."""
LEAST_MESSAGES = 5
LEAST_OF_SEVERAL = 20
"""Messages, where a file mixes templates: so many do not begin alike by chance."""
MOST = 8
"""Templates of one model and system prompt."""
SHARE = 0.9
"""Of the messages that a template is to be made of: a few odd ones do not hide it."""
ENDINGS = ".?!…。？！"
BRACKETS = {
    ")": "(",
    "]": "[",
    "}": "{",
    ">": "<",
    "”": "“",
    "’": "‘",
    "»": "«",
    "」": "「",
    '"': '"',
    "'": "'",
    "`": "`",
}
"""Each closing one with its opening one."""
LONGEST_OPENING = 8
"""Characters at the end of a head in which an opening bracket belongs to the text."""


def find_templates(questions: Iterable[Question]) -> Templates:
    """The templates of each model and system prompt, longest first."""
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
        messages = [message for message in messages if template.take_apart(message) is None]
    return sorted(found, key=lambda template: -template.chars)


def _most_shared(messages: list[str]) -> Template | None:
    """The template of nearly all; else of half, of a third, of a quarter."""
    for parts in (1, 2, 3, 4):
        least = max(LEAST_MESSAGES if parts == 1 else LEAST_OF_SEVERAL, math.ceil(SHARE * len(messages) / parts))
        if least > len(messages):
            break
        template = _shared_by(messages, least, of_all=parts == 1)
        if template is not None:
            return template
    return None


def _shared_by(messages: list[str], least: int, *, of_all: bool) -> Template | None:
    """of_all: nearly all messages have the template, so its last words may be those that all texts begin with."""
    members = _alike(messages, least)
    if len(members) < len(messages):
        least = math.ceil(SHARE * len(members))
    backwards = _alike(sorted(message[::-1] for message in members), least)
    members = [message[::-1] for message in backwards]
    head = members[0][: min(common_prefix(members[0], other) for other in members)]
    rests = [message[len(head) :] for message in members]
    tail = rests[0][len(rests[0]) - min(common_suffix(rests[0], other) for other in rests) :]
    head, tail = _whole_words(head, tail, rests)
    own, tail = cut_back(head), _without_endings(tail, head)
    template = _with_cuts(own, tail, members, ["before"] if own != head else _by_words(head, tail))
    return template or (_with_cuts(head, tail, members, _by_words(head, tail)) if of_all else None)


def _by_words(head: str, tail: str) -> Collection[Side]:
    """Where the prompt goes on within its sentence, words alone may stand between two variable parts."""
    within = head.rstrip(" ")[-1:].isalnum() or tail.lstrip(" ")[:1].isalnum()
    return ("before", "after") if within else ()


def _with_cuts(head: str, tail: str, members: list[str], by_words: Collection[Side]) -> Template | None:
    """None for what is too short, or fits too few."""
    if PLACEHOLDER in head + tail:
        return None
    bare = Template(head, tail)
    insides = [inside for message in members if (inside := bare.inside(message)) is not None]
    template = Template(head, tail, find_cuts(insides, by_words=by_words))
    if template.chars < LEAST_CHARS:
        return None
    texts = [filled.text for message in members if (filled := template.take_apart(message)) is not None]
    if len(texts) < max(LEAST_MESSAGES, len(members) // 2):
        return None
    in_words = by_words and all(is_plain(cut.mark) for cut in template.cuts)
    return replace(template, exact=True) if in_words and has_two_parts(texts) else template


def _alike(messages: list[str], least: int) -> list[str]:
    """Those that begin as at least so many of them do: of sorted messages, these stand next to each other.

    What begins nearly so belongs to them as well, so that the template does not take in what most texts begin with.
    """
    starts = range(len(messages) - least + 1)
    length, at = max((common_prefix(messages[i], messages[i + least - 1]), -i) for i in starts)
    beginning = messages[-at][: length * 4 // 5]
    return [message for message in messages if message.startswith(beginning)]


def _whole_words(head: str, tail: str, rests: list[str]) -> tuple[str, str]:
    """Cuts back to where no word is cut in two."""
    ends = [rest[: len(rest) - len(tail)] for rest in rests]
    if any(is_word(end[-1:]) for end in ends):
        while is_word(tail[:1]):
            tail = tail[1:]
    if any(is_word(rest[:1]) for rest in rests):
        while is_word(head[-1:]):
            head = head[:-1]
    return head, tail


def _without_endings(tail: str, head: str) -> str:
    """The tail without what ends the texts themselves: punctuation, and brackets that the head does not open."""
    opened = cut_back(head)[-LONGEST_OPENING:]
    while tail and (tail[0] in ENDINGS or (tail[0] in BRACKETS and BRACKETS[tail[0]] not in opened)):
        tail = tail[1:]
    return tail
