"""Parses command lines: common options, examples and defaults in `--help`, suggestions for misspelt words."""

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from textwrap import fill
from typing import Any, NoReturn, Protocol

from askonce.env_file import ENV_FILE
from askonce.settings import PREFIX

DESCRIPTION = "Ask once, answer many: questions in, answers out."
MORE = "`askonce COMMAND --help` shows the options of a command, and an example."
COMMON_DEFAULTS = {"json": False, "url": None, "namespace": "default", "env_file": None}
CHOICES = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)")


class Command(Protocol):
    """A module of this package."""

    NAME: str
    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    # And either a coroutine `run(client, args)`, or `main(args)` if the command has its own loop.


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help or ""
        says = action.default not in (None, False, argparse.SUPPRESS, []) and "default" not in text
        return f"{text} (default: %(default)s)" if says else text


class CommandParser(argparse.ArgumentParser):
    """Suggests the word that was probably meant."""

    def error(self, message: str) -> NoReturn:
        found = CHOICES.search(message)
        if found is not None:
            words = [word.strip("' ") for word in found[2].split(",")]
            message = f"{message[: found.start()]}{found[1]!r} is not one of {', '.join(words)}{meant(found[1], words)}"
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")

    def refuse(self, words: Sequence[str], args: argparse.Namespace) -> NoReturn:
        """Rejects leftover words of a command line."""
        options = [word for word in words if word.startswith("-")]
        if options:
            known = list(self._option_string_actions)
            self.error(f"unknown option {options[0]}{meant(options[0].partition('=')[0], known)}")
        quoted = "; put the question in quotes" if hasattr(args, "text") else ""
        self.error(f"unexpected {' '.join(words[:5])!r}{quoted}")


def meant(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def command_parser(commands: Sequence[Command]) -> CommandParser:
    """The parser of `askonce`, with one for each command."""
    parser = CommandParser(prog="askonce", description=DESCRIPTION, epilog=MORE, formatter_class=HelpFormatter)
    parser.add_argument("--version", action="version", version=f"askonce {_version()}")
    _add_common(parser, "default")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    for command in commands:
        examples: Sequence[str] = getattr(command, "EXAMPLES", ())
        sub = subparsers.add_parser(
            command.NAME,
            help=command.HELP,
            description=fill(command.HELP, 79),
            epilog="\n".join(["examples:", *(f"  {line}" for line in examples)]) if examples else None,
            formatter_class=HelpFormatter,
        )
        command.add_arguments(sub)
        defaults = {**COMMON_DEFAULTS, **getattr(command, "DEFAULTS", {})}
        _add_common(sub.add_argument_group("options of all commands"), defaults["namespace"] or "all")
        works = {name: getattr(command, name, None) for name in ("run", "main")}
        environment = getattr(command, "ENVIRONMENT", (PREFIX,))
        sub.set_defaults(**works, environment=environment, root=parser, parser=sub, defaults=defaults)
    return parser


def _add_common(parser: Any, namespace: str) -> None:
    """Options allowed before and after the command. Missing ones set nothing, so neither place overrides the other."""
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    parser.add_argument("--url", default=argparse.SUPPRESS, help="Redis (default: ASKONCE_REDIS_URL)")
    parser.add_argument("--namespace", default=argparse.SUPPRESS, help=f"the tenant (default: {namespace})")
    parser.add_argument(
        "--env-file",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help=f"settings, one KEY=VALUE per line (default: {ENV_FILE}, if it exists)",
    )


def parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of the chosen command. If they are wrong, exits with code 2 and one line."""
    args, left = parser.parse_known_args(argv)
    if left:
        args.parser.refuse(left, args)
    for name, value in args.defaults.items():
        if not hasattr(args, name):
            setattr(args, name, value)
    return args


def _version() -> str:
    try:
        return version("askonce")
    except PackageNotFoundError:
        return "(not installed)"
