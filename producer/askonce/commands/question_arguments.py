"""The arguments that make up a question."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import orjson

from askonce.errors import InvalidQuestion
from askonce.question import Question


def add_question_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help="the question; - reads it from stdin")
    parser.add_argument("--model", help="the model (ASKONCE_MODEL)")
    parser.add_argument("--system", help="the system prompt")
    parser.add_argument("--template", help="the fixed text around the question, with {text} in its place")
    parser.add_argument(
        "--param", action="append", default=[], metavar="KEY=JSON", help="a parameter, such as temperature=0"
    )
    parser.add_argument("--cache", choices=("use", "refresh", "bypass"), default="use")
    parser.add_argument("--job-id", help="the job id; one of its own otherwise")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="from now to the question's deadline")


def question_from(args: argparse.Namespace) -> Question:
    """Raises InvalidQuestion."""
    return Question(
        sys.stdin.read() if args.text == "-" else args.text,
        model=args.model,
        system=args.system,
        template=args.template,
        params=params_from(args.param),
        cache=args.cache,
        job_id=args.job_id,
    )


def params_from(given: Sequence[str]) -> dict[str, Any]:
    """Out of `KEY=JSON`. Raises InvalidQuestion."""
    return dict(map(_param, given))


def _param(given: str) -> tuple[str, Any]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise InvalidQuestion(f"--param {given}: not KEY=JSON")
    try:
        return name, orjson.loads(value)
    except ValueError:
        return name, value  # a bare word is a string
