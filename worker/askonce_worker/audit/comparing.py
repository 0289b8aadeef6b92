"""Compares two answers, as far as that is possible without a judge.

Answers that are labels, numbers or JSON are *plain*: if two of them differ, they say different things. Sentences that
differ may still say the same. Only the cached answer decides whether a match can be judged, before the fresh answer is
known. Otherwise equal answers would be counted and different ones would not, and the estimated rate would be too low.
"""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from askonce.json_values import dumps
from askonce.readable import message_text, read_json
from askonce.replies.shapes import messages_of

SHORT = 40
"""Maximum characters of a label after normalisation; it also has at most `WORDS` words."""
WORDS = 4
MOST_LABEL = 200
"""Characters above which a text is not a label. It is not normalised either, because some texts would take seconds."""
MOST_JSON = 100_000
"""Bytes."""
MARKS = " .!`\"'“”„‘’‚«»‹›「」『』。"
"""Characters around a label that do not change its meaning."""

_FENCE = re.compile(r"\A```[a-z]*\n(.*)\n```\Z", re.DOTALL)
_NUMBER = re.compile(r"\A[-+]?\d{1,3}(,\d{3})+(\.\d+)?\Z|\A[-+]?\d+(\.\d+)?\Z")
_WIDE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")


def is_plain(body: Mapping[str, Any]) -> bool:
    """Whether this answer is a label, a number or JSON of these, so that a different one says something else."""
    return all(_is_plain(value) for value in _said(body))


def compare(fresh: Mapping[str, Any], cached: Mapping[str, Any]) -> bool | None:
    """Whether both say the same; None if only a judge could tell."""
    if _said(fresh) == _said(cached):
        return True
    return False if is_plain(cached) else None


def are_numbers(fresh: Mapping[str, Any], cached: Mapping[str, Any]) -> bool:
    """Whether both consist of numbers, so that a judge could add nothing."""
    return all(isinstance(value, Decimal) for value in (*_said(fresh), *_said(cached)))


def text_of_answer(body: Mapping[str, Any]) -> str:
    """The text for a judge: the first choice, with tool calls as JSON."""
    message = messages_of(body)[0]
    text = message_text(message) or ""
    calls = message.get("tool_calls")
    return text if not calls else f"{text}\n{dumps(calls).decode()}".strip()


def _said(body: Mapping[str, Any]) -> list[Any]:
    """For each choice: the normalised text, number or JSON, and any tool calls."""
    said: list[Any] = []
    for message in messages_of(body):
        said.append(_value(message_text(message) or ""))
        calls = message.get("tool_calls")
        if calls:
            said.append(_calls(calls))
    return said


def _calls(calls: Any) -> list[Any]:
    """The tool calls without their ids, which always differ."""
    functions = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    known = [each for each in functions if isinstance(each, dict)]
    return [[each.get("name"), _value(str(each.get("arguments", "")))] for each in known]


def _value(text: str) -> Any:
    """The value of JSON or of a number, else the normalised text."""
    text = text.strip()
    fenced = _FENCE.match(text)
    found = _json(fenced[1] if fenced else text)
    return _label(text) if found is None else found


def _json(text: str) -> Any:
    """An object or array with its texts and numbers normalised by `_label`; None for anything else."""
    if not text.startswith(("{", "[")) or len(text) > MOST_JSON:
        return None
    try:
        return _normalised(read_json(text.encode("utf-8", "replace"), MOST_JSON))
    except ValueError:
        return None


def _normalised(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _normalised(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_normalised(each) for each in value]
    if isinstance(value, str):
        return _label(value)
    return ("bool", str(value)) if isinstance(value, bool) else value  # in Python, True == 1


def _label(text: str) -> Any:
    """A number, or the text in lower case without surrounding marks."""
    words = " ".join(text.casefold().split())
    if len(words) > MOST_LABEL:
        return words.strip(MARKS)
    words = " ".join(unicodedata.normalize("NFKC", words).casefold().split())
    number = words.rstrip(".")
    if _NUMBER.match(number):
        return Decimal(number.replace(",", ""))
    return _bare(words)


def _bare(words: str) -> str:
    """Strips emphasis only if it is on both sides: a star on one side may be all that distinguishes two grades."""
    if not words.strip(MARKS + "*_"):
        return words
    words = words.strip(MARKS)
    while len(words) > 2 and words[0] == words[-1] and words[0] in "*_":
        words = words[1:-1].strip(MARKS)
    return words


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(each) for each in value.values())
    if isinstance(value, list):
        return all(_is_plain(each) for each in value)
    return not isinstance(value, str) or _is_short(value)


def _is_short(text: str) -> bool:
    """A Chinese, Japanese or Korean character counts as half a word."""
    return len(text) <= SHORT and len(text.split()) + len(_WIDE.findall(text)) / 2 <= WORDS
