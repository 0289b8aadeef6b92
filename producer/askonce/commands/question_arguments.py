"""The arguments that make up a question, and those that several commands share."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from askonce.batch.line_format import decoded
from askonce.batch.template_option import template_text
from askonce.errors import InvalidQuestion
from askonce.json_values import loads
from askonce.question import Question
from askonce.readable import BOM
from askonce.schemas.wanted import schema_of


def add_question_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help="the question; - reads it from stdin")
    parser.add_argument("--model", help="the model (default: ASKONCE_MODEL)")
    parser.add_argument("--system", help="the system prompt")
    parser.add_argument(
        "--template",
        metavar="TEXT|FILE",
        help="the fixed text around the question, with {text} in it; or a file with it",
    )
    add_param_argument(parser, "a parameter, such as temperature=0")
    add_schema_argument(parser)
    add_cache_argument(parser)


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--job-id", help="the job id (default: a new one)")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="deadline of the question, from now")


def add_param_argument(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--param", action="append", default=[], metavar="KEY=JSON", help=f"{what}; repeatable")


def add_schema_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--schema", metavar="FILE", help="JSON schema that answers must fit; sent as response_format")


def add_cache_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        choices=("use", "refresh", "bypass"),
        default="use",
        help="refresh asks again, repeats in a file included, and replaces the cached answer; bypass neither reads nor "
        "writes (default: use)",
    )


def add_file_template_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--template",
        default="auto",
        metavar="auto|none|TEXT|FILE",
        help="the text all questions share, with {text} in it, or a file with it; auto finds it (default: auto)",
    )


def question_from(args: argparse.Namespace) -> Question:
    """The question of these arguments. Raises InvalidQuestion, and ValueError for a malformed template."""
    return Question(
        _from_stdin() if args.text == "-" else decoded(os.fsencode(args.text)),
        model=args.model,
        system=args.system,
        template=None if args.template is None else template_text(args.template),
        params=params_from(args.param),
        cache=args.cache,
        schema=schema_from(args.schema),
        job_id=vars(args).get("job_id"),
    )


def _from_stdin() -> str:
    """Reads stdin, with line ends as in a text file."""
    return decoded(sys.stdin.buffer.read()).replace("\r\n", "\n").replace("\r", "\n")


def params_from(given: Sequence[str]) -> dict[str, Any]:
    """Parameters from `KEY=JSON`. Raises InvalidQuestion."""
    return dict(map(_param, given))


def _param(given: str) -> tuple[str, Any]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise InvalidQuestion(f"--param {given}: not KEY=JSON")
    try:
        return name, loads(value)
    except ValueError:
        return name, value  # a bare word is a string


def schema_from(given: str | None) -> dict[str, Any] | None:
    """The JSON schema in a file. Raises ValueError."""
    if given is None:
        return None
    try:
        schema = loads(Path(given).read_bytes().removeprefix(BOM))
    except OSError as error:
        raise ValueError(f"--schema {given}: {error.strerror or error}") from error
    except ValueError as error:
        raise ValueError(f"--schema {given}: not JSON: {getattr(error, 'msg', error)}") from error
    try:
        schema_of(schema)
    except InvalidQuestion as error:
        raise ValueError(f"--schema {given}: {error}") from error
    known: dict[str, Any] = schema
    return known


def file_template_from(given: str) -> str:
    """`auto`, `none`, or the text of the named template. Raises ValueError."""
    return given if given in ("auto", "none") else template_text(given)
