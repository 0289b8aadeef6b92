"""What the commands print."""

import sys
from dataclasses import asdict
from typing import Any

import orjson

from askonce.answer import Answer


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def say_json(value: Any) -> None:
    say(orjson.dumps(value).decode())


def complain(text: str) -> None:
    line = " ".join(text.split()) or "failed"
    sys.stderr.write(f"askonce: {line}\n")


def say_answer(answer: Answer, *, as_json: bool) -> int:
    """Exit code. Without --json the text alone goes to stdout, and how it came about to stderr where a person looks."""
    if as_json:
        say_json({**asdict(answer), "text": answer.text, "usage": answer.usage, "finish_reason": answer.finish_reason})
    elif answer.status == "failed":
        error = answer.error
        complain(f"{error.kind}: {error.message}" if error else "failed")
    else:
        say(answer.text if answer.text is not None else orjson.dumps(answer.body).decode())
        if sys.stderr.isatty():
            sys.stderr.write(f"[{answer.source}]\n")
    return 1 if answer.status == "failed" else 0
