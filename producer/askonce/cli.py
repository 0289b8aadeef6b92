"""The `askonce` command.

Exit codes: 0; 1 if a question failed or timed out, or Redis does not answer; 2 for bad usage or input; 130 for Ctrl-C.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence

from askonce.client import Client
from askonce.commands import (
    ask,
    batch,
    cancel,
    completion,
    dead_letters,
    explain,
    invalidate,
    keys,
    labels,
    provider_batches,
    result,
    right,
    serve,
    stats,
    status,
    submit,
    warm,
    wrong,
)
from askonce.commands.output import complain
from askonce.commands.parser import Command, command_parser, parsed
from askonce.env_file import load_env_file
from askonce.errors import AskOnceError, StoreUnreachable
from askonce.interrupt import INTERRUPTED, raise_from_now_on
from askonce.settings import PREFIX

COMMANDS: tuple[Command, ...] = (
    ask,
    submit,
    result,
    status,
    cancel,
    explain,
    batch,
    warm,
    invalidate,
    stats,
    wrong,
    right,
    labels,
    dead_letters,
    serve,
    keys,
    provider_batches,
    completion,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: its words; those of the process where they are not given.

    Returns:
        The exit code.
    """
    raise_from_now_on()
    _say_warnings()
    try:
        return _run(command_parser(COMMANDS), argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    args = parsed(parser, argv)
    origin = ""
    try:
        loaded = load_env_file(args.env_file, args.environment)
        if f"{PREFIX}REDIS_URL" in loaded.taken and args.url is None:
            origin = f" ({PREFIX}REDIS_URL is from {loaded.path})"
        return args.main(args) if args.main else asyncio.run(_with_client(args))
    except BrokenPipeError:
        raise
    except (ValueError, OSError, AskOnceError) as error:
        complain(f"{error}{origin if isinstance(error, StoreUnreachable) else ''}")
        return 2 if isinstance(error, ValueError) else 1


async def _with_client(args: argparse.Namespace) -> int:
    async with Client(args.url, namespace=args.namespace or "default") as client:
        code: int = await args.run(client, args)
        return code


def _say_warnings() -> None:
    """What the client warns of, such as that no worker is alive, as one line like every other remark."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("askonce: %(message)s"))
    logger = logging.getLogger("askonce")
    if not logger.handlers:
        logger.addHandler(handler)
        logger.propagate = False


if __name__ == "__main__":
    sys.exit(main())
