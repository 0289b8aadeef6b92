"""What the fields of a question may be. All raise InvalidQuestion.

Plain questions come by the million, so they pass quickly.
"""

import math
import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

import orjson

from askonce.errors import InvalidQuestion
from askonce.json_values import dumps

MAX_BYTES = 1_048_576
"""Maximum bytes of a question with everything that belongs to it."""
MAX_METADATA_BYTES = 16_384
MAX_TTL = 10 * 365 * 86_400

MAX_NAMESPACE = 64
NAMESPACE = re.compile(rf"[A-Za-z0-9._@-]{{1,{MAX_NAMESPACE}}}")
JOB_ID = re.compile(r"[!-~]{1,200}")
PLACEHOLDER = "{text}"
TIERS = ("standard", "flex", "batch")
ENDPOINTS = ("chat", "responses", "embeddings")
FIELDS = {"chat": ("model", "messages"), "responses": ("model", "input", "instructions"), "embeddings": ("model",)}
"""By endpoint, the parts of a request that are fields of the question rather than parameters."""


def require(ok: bool, message: str) -> None:
    if not ok:
        raise InvalidQuestion(message)


def check_endpoint(endpoint: Any, system: Any, template: Any) -> None:
    if endpoint == "chat":
        return
    require(endpoint in ENDPOINTS, f"endpoint must be one of {', '.join(ENDPOINTS)}")
    alone = endpoint != "embeddings" or (system is None and template is None)
    require(alone, "embeddings have neither a system prompt nor a template")


def check_text(text: Any, *, verbatim: bool = False) -> None:
    """verbatim: blanks are a text."""
    if not _is_text(text):
        raise InvalidQuestion("the text must be a string")
    if not text or (text.isspace() and not verbatim):
        raise InvalidQuestion("the text is empty")


def check_model(model: Any) -> None:
    if model is None:
        raise InvalidQuestion("no model: set it in the question, in Client(model=...), or in ASKONCE_MODEL")
    if not _is_text(model) or not 0 < len(model) <= 200 or not model.isprintable():
        raise InvalidQuestion("the model's name is malformed")


def check_namespace(namespace: Any) -> None:
    if not _is_text(namespace) or len(namespace) > MAX_NAMESPACE or not _is_namespace(namespace):
        raise InvalidQuestion("a namespace must be 1 to 64 of A-Z a-z 0-9 . _ @ -")


def check_job_id(job_id: Any) -> None:
    if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
        raise InvalidQuestion("a job id must be 1 to 200 visible ASCII characters")


def check_options(cache: Any, semantic: Any, ttl: Any, threshold: Any, tier: Any) -> None:
    if cache not in ("use", "refresh", "bypass"):
        raise InvalidQuestion("cache must be one of use, refresh, bypass")
    if semantic is not True:
        require(semantic is False, "semantic must be true or false")
    if ttl is not None:
        require(_is_number(ttl) and 0 < ttl <= MAX_TTL, "ttl must be a number of seconds above 0")
    if threshold is not None:
        require(_is_number(threshold) and 0 < threshold <= 1, "threshold must be in (0, 1]")
    if tier is not None:
        require(tier in TIERS, f"tier must be one of {', '.join(TIERS)}")


def check_fixed_texts(system: Any, template: Any) -> None:
    if template is not None:
        require(isinstance(template, str) and PLACEHOLDER in template, "a template must contain {text}")
    if system is not None:
        require(isinstance(system, str), "system must be a string")


def check_params(params: Any, endpoint: str = "chat") -> None:
    require(isinstance(params, Mapping) and all(isinstance(key, str) for key in params), "params must be an object")
    require(not params.get("stream"), "stream is not supported: answers are returned whole")
    own = FIELDS[endpoint]
    require(not any(name in params for name in own), f"{' and '.join(own)} are not parameters")


def check_items(history: Any, messages: Any, endpoint: str) -> None:
    """Earlier messages, and the whole conversation, of chat; items of the input of responses."""
    if endpoint == "embeddings":
        require(not history and messages is None, "embeddings have no messages")
    if history != ():
        _check_messages(history, endpoint)
    if messages is None:
        return
    _check_messages(messages, endpoint)
    require(len(messages) > 0 or endpoint == "responses", "messages must have at least one")


def _check_messages(messages: Any, endpoint: str) -> None:
    require(isinstance(messages, list | tuple), "messages must be a list")
    for message in messages:
        has_role = isinstance(message, dict) and (endpoint != "chat" or isinstance(message.get("role"), str))
        require(has_role, "each message must have a role")


def check_size(words: str, history: Any, params: Any, messages: Any, metadata: Any) -> None:
    """words: all fixed and variable texts, one after the other."""
    plain = not params and not history and messages is None and metadata is None
    if plain and len(words) < 1000 and words.isascii():
        return
    if metadata is not None:
        require(len(_json(metadata)) <= MAX_METADATA_BYTES, f"metadata is over {MAX_METADATA_BYTES} bytes")
    size = len(_json((words, history, messages))) + len(_json(params, large=True))
    require(size <= MAX_BYTES, f"the question is over {MAX_BYTES} bytes")


@lru_cache(maxsize=1024)
def _is_namespace(namespace: str) -> bool:
    return NAMESPACE.fullmatch(namespace) is not None


def _is_text(value: Any) -> bool:
    """A member of an enumeration is no text: a key would hold its name, and JSON its value."""
    return type(value) is str or (isinstance(value, str) and not isinstance(value, Enum))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _json(value: Any, *, large: bool = False) -> bytes:
    """The JSON of a value. NaN, bytes, lone surrogates and cycles have none.

    large: whole numbers may be of any size.
    """
    _require_json(value, depth=0)
    try:
        return dumps(value) if large else orjson.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidQuestion(f"not JSON: {error}") from error


def _require_json(value: Any, depth: int) -> None:
    """orjson would write null for NaN, and two different requests would share a scope; and it would write dates and the
    like as texts, so that they came back as something else."""
    require(depth < 100, "nested too deeply")
    if isinstance(value, float):
        require(math.isfinite(value), "NaN and infinity are not JSON")
    elif isinstance(value, Mapping):
        for item in value.values():
            _require_json(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _require_json(item, depth + 1)
    else:
        require(value is None or isinstance(value, int) or _is_text(value), f"not JSON: {type(value).__name__}")
