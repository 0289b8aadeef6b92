"""Reads fields as logs have them: JSON inside strings, times in any unit, answers in any shape."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from askonce.contract.completion import text_body
from askonce.json_values import dumps, loads
from askonce.prices.money import to_nano
from askonce.readable import completion_of, message_text
from askonce_worker.replay.calls import BadCall

Fields = Mapping[str, Any]
UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From the first number on, a time is in such fractions of a second: nano-, micro- or milliseconds."""


def first(fields: Fields, names: Iterable[str]) -> Any:
    """The first of these fields that exists and is not empty."""
    return next((value for name in names if (value := fields.get(name)) not in (None, "")), None)


def opened(value: Any) -> Any:
    """The value of a JSON string; anything else unchanged."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return loads(value)
        except ValueError:
            return value
    return value


def as_object(value: Any) -> Fields | None:
    """An object, or one in a JSON string; None for anything else and for an empty one."""
    found = opened(value)
    return found if isinstance(found, Mapping) and found else None


def unix(value: Any) -> float | None:
    """Unix seconds; None if there is no time. Raises BadCall."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    found = number(value)
    if found is None:
        try:
            return unix(datetime.fromisoformat(str(value).removesuffix(" UTC")))
        except (ValueError, OverflowError) as error:
            raise BadCall("its time cannot be read") from error
    return found / next((parts for least, parts in UNITS if abs(found) >= least), 1.0)


def number(value: Any) -> float | None:
    """A finite number, also from a string; None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def between(asked: float | None, answered: float | None) -> float | None:
    """Seconds, at least 0; None if a time is missing."""
    return None if asked is None or answered is None else max(0.0, answered - asked)


def count(value: Any) -> int:
    """A number of tokens; 0 for anything else."""
    found = number(value)
    return 0 if found is None or found < 0 else int(found)


def usage_of(prompt: int, completion: int, cached: int = 0) -> dict[str, Any] | None:
    """Usage in the form of a chat completion; None if no tokens were counted."""
    if not prompt and not completion:
        return None
    details = {"prompt_tokens_details": {"cached_tokens": cached}} if cached else {}
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **details}


def nano(value: Any) -> int | None:
    """An amount in billionths; None if it is not one."""
    found = number(value)
    return None if found is None or not 0 <= found < 1e9 else to_nano(found)


def answer_of(value: Any, model: str, usage: Fields | None) -> Fields | None:
    """The answer as a chat completion, from a completion, a message or a text. None if there is none. Raises
    BadCall."""
    found = opened(value)
    if found in (None, "", {}, []):
        return None if usage is None else {"choices": [], "usage": usage}
    if isinstance(found, Mapping) and "choices" in found:
        try:
            body = completion_of(dict(found))
        except ValueError as error:
            raise BadCall("its answer is not a chat completion") from error
        return body if body.get("usage") or usage is None else {**body, "usage": usage}
    return text_body(_text_of(found), model=model, usage=usage)


def _text_of(found: Any) -> str:
    if isinstance(found, list) and len(found) == 1:
        return _text_of(found[0])
    if isinstance(found, Mapping):
        text = message_text(found)
        if text is not None and not found.get("tool_calls"):
            return text
    return found if isinstance(found, str) else dumps(found, sort_keys=True).decode()
