"""The `askonce` command. Exit codes: 0; 1 the question failed, timed out or Redis is away; 2 bad usage or input."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from askonce.client import Client
from askonce.commands import ask, batch, cancel, dead_letters, invalidate, result, stats, status, submit, warm, wrong
from askonce.commands.output import complain
from askonce.env_file import ENV_FILE, load_env_file
from askonce.errors import AskOnceError
from askonce.settings import PREFIX

COMMANDS = (ask, submit, result, status, cancel, batch, warm, invalidate, stats, wrong, dead_letters)


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        load_env_file(args.env_file, (PREFIX,))
        return asyncio.run(_run(args))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, AskOnceError) as error:
        complain(str(error))
        return 2 if isinstance(error, ValueError) else 1


async def _run(args: argparse.Namespace) -> int:
    async with Client(args.url, namespace=args.namespace or "default") as client:
        code: int = await args.run(client, args)
        return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="askonce", description="Ask once, answer many: questions in, answers out.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.add_arguments(sub)
        _add_common(sub)
        sub.set_defaults(run=command.run, **getattr(command, "DEFAULTS", {}))
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--url", help="Redis (ASKONCE_REDIS_URL)")
    parser.add_argument("--namespace", default="default", help="the tenant")
    parser.add_argument("--env-file", help=f"KEY=VALUE lines to read settings from (default: {ENV_FILE}, where it is)")


if __name__ == "__main__":
    sys.exit(main())
