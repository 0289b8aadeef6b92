"""Do two answers say the same? What can be told without a judge.

Answers that are labels, numbers or JSON are *plain*: where two such differ, they say different things. Of sentences
that differ nothing can be told. Whether a match can be judged is decided by the cached answer alone, before the fresh
one is known: else those that are equal would be counted, those that differ would not, and the rate would be too low.
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
"""Characters of a label, after normalising; at most `WORDS` words."""
WORDS = 4
MOST_LABEL = 200
"""Characters: a longer text is no label. Its look is not brought to one form: some texts would take seconds."""
MOST_JSON = 100_000
"""Bytes."""
MARKS = " .!`\"'“”„‘’‚«»‹›「」『』。"
"""What may stand around a label without a meaning of its own."""

_FENCE = re.compile(r"\A```[a-z]*\n(.*)\n```\Z", re.DOTALL)
_NUMBER = re.compile(r"\A[-+]?\d{1,3}(,\d{3})+(\.\d+)?\Z|\A[-+]?\d+(\.\d+)?\Z")
_WIDE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")


def is_plain(body: Mapping[str, Any]) -> bool:
    """Whether this answer is a label, a number or JSON of such, so that one that differs says something else."""
    return all(_is_plain(value) for value in _said(body))


def compare(fresh: Mapping[str, Any], cached: Mapping[str, Any]) -> bool | None:
    """Whether both say the same; None if that takes a judge."""
    if _said(fresh) == _said(cached):
        return True
    return False if is_plain(cached) else None


def are_numbers(fresh: Mapping[str, Any], cached: Mapping[str, Any]) -> bool:
    """Whether both are, so that no judge could tell more of them."""
    return all(isinstance(value, Decimal) for value in (*_said(fresh), *_said(cached)))


def text_of_answer(body: Mapping[str, Any]) -> str:
    """What a judge is shown: the first choice, tool calls as JSON."""
    message = messages_of(body)[0]
    text = message_text(message) or ""
    calls = message.get("tool_calls")
    return text if not calls else f"{text}\n{dumps(calls).decode()}".strip()


def _said(body: Mapping[str, Any]) -> list[Any]:
    """By choice: normalised text, number or JSON, and the calls of tools."""
    said: list[Any] = []
    for message in messages_of(body):
        said.append(_value(message_text(message) or ""))
        calls = message.get("tool_calls")
        if calls:
            said.append(_calls(calls))
    return said


def _calls(calls: Any) -> list[Any]:
    """Without the calls' ids, which are never the same."""
    functions = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    known = [each for each in functions if isinstance(each, dict)]
    return [[each.get("name"), _value(str(each.get("arguments", "")))] for each in known]


def _value(text: str) -> Any:
    """JSON by its value, a number by its value, else the words."""
    text = text.strip()
    fenced = _FENCE.match(text)
    found = _json(fenced[1] if fenced else text)
    return _label(text) if found is None else found


def _json(text: str) -> Any:
    """An object or an array, its texts and numbers as `_label` has them; None if it is none."""
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
    return ("bool", str(value)) if isinstance(value, bool) else value  # Python takes True for 1


def _label(text: str) -> Any:
    """A number, or the words without case, and without the marks around them."""
    words = " ".join(text.casefold().split())
    if len(words) > MOST_LABEL:
        return words.strip(MARKS)
    words = " ".join(unicodedata.normalize("NFKC", words).casefold().split())
    number = words.rstrip(".")
    if _NUMBER.match(number):
        return Decimal(number.replace(",", ""))
    return _bare(words)


def _bare(words: str) -> str:
    """Emphasis stands on both sides: a star on one may be all that tells two grades apart."""
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
    """A Chinese, Japanese or Korean sign counts as half a word."""
    return len(text) <= SHORT and len(text.split()) + len(_WIDE.findall(text)) / 2 <= WORDS
