"""Output of the commands: results to stdout, remarks to stderr."""

import sys
from dataclasses import asdict
from typing import Any

import orjson

from askonce.answer import Answer
from askonce.commands.text_table import visible
from askonce.contract.completion import CompletionVerdict, verdict


def say(text: str) -> None:
    """Prints for people. Control characters, which foreign texts may contain, are escaped."""
    say_raw(visible(text))


def say_raw(text: str) -> None:
    sys.stdout.write(text + "\n")


def say_json(value: Any) -> None:
    say_raw(orjson.dumps(value).decode())


def complain(text: str) -> None:
    line = visible(" ".join(text.split())) or "failed"
    sys.stderr.write(f"askonce: {line}\n")


def say_answer(answer: Answer, *, as_json: bool) -> int:
    """Prints an answer and returns the exit code.

    Without --json, only the text goes to stdout. Flaws go to stderr and, on a terminal, so does the source.
    """
    if as_json:
        say_json({**asdict(answer), "text": answer.text, "usage": answer.usage, "finish_reason": answer.finish_reason})
    elif answer.status == "failed":
        error = answer.error
        complain(f"{error.kind}: {error.message}" if error else "failed")
    else:
        say_raw(answer.text if answer.text is not None else orjson.dumps(answer.body).decode())
        _remark(answer)
        if sys.stderr.isatty():
            sys.stderr.write(f"[{answer.source}]\n")
    return 1 if answer.status == "failed" else 0


def _remark(answer: Answer) -> None:
    """Points out an answer that is not what it seems."""
    found = verdict(answer.body) if answer.body is not None else CompletionVerdict.GOOD
    if found in REMARKS:
        complain(f"{REMARKS[found]} (finish_reason {answer.finish_reason}); it is not cached")
    if answer.unmatched is not None:
        complain(f"asked without matching: {answer.unmatched.replace('_', ' ')}")


REMARKS = {
    CompletionVerdict.TRUNCATED: "the answer is truncated",
    CompletionVerdict.REFUSED: "the provider refused to answer",
    CompletionVerdict.EMPTY: "the answer is empty",
}
