"""OpenAI's Batch format: requests in one file and answers in another, joined by custom id.

Neither has times, so a batch is played in the order of its lines.
"""

from typing import Any

from askonce.json_values import dumps
from askonce.question import Question
from askonce.readable import completion_of
from askonce_worker.replay.calls import BadCall, Call, NoCall, Reply
from askonce_worker.replay.sources.fields import Fields

URL = "/chat/completions"


def is_request(fields: Fields) -> bool:
    return "custom_id" in fields and isinstance(fields.get("body"), dict)


def is_reply(fields: Fields) -> bool:
    return "custom_id" in fields and ("response" in fields or "error" in fields)


def call_of(fields: Fields) -> Call:
    """Raises BadCall, NoCall."""
    if not str(fields.get("url") or URL).endswith(URL):
        raise NoCall(f"requests of {fields.get('url')}")
    return Call(Question.from_body(fields["body"]), key=_key(fields["custom_id"]))


def reply_of(fields: Fields) -> Reply:
    """Raises BadCall, NoCall."""
    response = fields.get("response")
    if not isinstance(response, dict) or response.get("status_code") != 200:
        raise NoCall("failed calls")
    try:
        return Reply(_key(fields["custom_id"]), completion_of(response.get("body")))
    except ValueError as error:
        raise BadCall("its answer is not a chat completion") from error


def _key(custom_id: Any) -> str:
    return custom_id if isinstance(custom_id, str) else dumps(custom_id).decode()
