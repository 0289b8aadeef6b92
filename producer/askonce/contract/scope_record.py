"""A summary of a scope, so that two scopes can be compared. Elsewhere only their ids are stored.

    {"v": 1, "model": "gpt-4o-mini", "system": [1204, "9f86d081", "You are a helpful …"], "template": null,
     "history": [2, "60303ae2", "[{\"content\":\"…"], "messages": null, "params": {"temperature": [1, "4e074085", "0"]}}

A part is its length, a digest and its beginning: prompts are not stored in full.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from askonce.canonical_endpoints import scope_messages, scope_params
from askonce.explanation import Difference
from askonce.question import Question
from askonce.readable import read_object

VERSION = 1
PARTS = ("endpoint", "model", "system", "template", "history", "messages")
EXCERPT = 60
"""Characters of a part."""
MOST_PARAMS = 32
"""Further parts are compared as one."""
REST = "…"

Part = list[Any]
Parts = dict[str, Part]
"""Parts by `Difference.field`."""


def scope_record(question: Question) -> bytes:
    """The record of a question's scope."""
    return orjson.dumps({"v": VERSION, "parts": parts_of(question)})


def read_scope(raw: bytes) -> Parts:
    """The parts in a record. Raises ValueError."""
    record = read_object(raw)
    if record.get("v") != VERSION:
        raise ValueError("a scope of another version")
    parts = record.get("parts")
    if not isinstance(parts, dict) or not all(map(_is_part, parts.values())):
        raise ValueError("a malformed scope")
    return parts


def parts_of(question: Question) -> Parts:
    """The parts that the question has."""
    endpoint = None if question.endpoint == "chat" else question.endpoint
    texts = {"endpoint": endpoint, "model": question.model, "system": question.system, "template": question.template}
    found = {name: _part(text, len(text)) for name, text in texts.items() if text is not None}
    for name, messages in (("history", question.history), ("messages", question.messages)):
        if messages:
            found[name] = _part(_json(scope_messages(question.endpoint, messages)), len(messages))
    params = dict(sorted(scope_params(question.endpoint, question.params).items()))
    for name in [*params][:MOST_PARAMS]:
        found[f"params.{name}"] = _value(params.pop(name))
    return {**found, f"params.{REST}": _value(params)} if params else found


def differences(asked: Mapping[str, Part], cached: Mapping[str, Part]) -> tuple[Difference, ...]:
    """The parts in which two scopes differ."""
    names = sorted(asked.keys() | cached.keys(), key=lambda name: (not name.startswith(PARTS), name))
    return tuple(
        Difference(name, *_told(name, asked.get(name), cached.get(name)))
        for name in names
        if asked.get(name) != cached.get(name)
    )


def _told(name: str, *parts: Part | None) -> list[str | None]:
    """If both begin alike, their lengths are shown; if these are equal too, their digests."""
    texts = [None if part is None else part[2] for part in parts]
    if texts[0] != texts[1]:
        return texts
    at = 0 if parts[0] is not None and parts[1] is not None and parts[0][0] != parts[1][0] else 1
    unit = "messages" if name in ("history", "messages") else "characters"
    told = [f"{part[0]:,} {unit}" if at == 0 else f"digest {part[1]}" for part in parts if part is not None]
    return [f"{text} ({more})" for text, more in zip(texts, told, strict=True)]


def _value(value: Any) -> Part:
    text = _json(value)
    return _part(text, len(text))


def _part(text: str, length: int) -> Part:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return [length, digest, text if len(text) <= EXCERPT else f"{text[: EXCERPT - 1]}…"]


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _is_part(part: Any) -> bool:
    return isinstance(part, list) and [type(each) for each in part] == [int, str, str]
