"""askonce serve"""

import argparse
import os
import sys
from collections.abc import Mapping

from askonce.commands.output import complain, say
from askonce.settings import PREFIX as SETTINGS

NAME = "serve"
HELP = "Serve OpenAI's API from the cache and the workers: clients only change their base URL."
EXAMPLES = (
    "askonce serve",
    "askonce serve --host 0.0.0.0 --port 80 --processes 4",
    "OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=none python app.py",
)

ENVIRONMENT = (SETTINGS, "OPENAI_")
"""Prefixes taken from the settings file. Includes the provider's, for requests the server makes itself."""

OPTIONS = ("host", "port", "processes", "timeout", "files")
"""Options that take a value."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default: ASKONCE_SERVE_HOST, else 127.0.0.1)")
    parser.add_argument("--port", help="the port (default: ASKONCE_SERVE_PORT, else 8080; 0 for a free one)")
    parser.add_argument("--processes", help="processes sharing the port (default: ASKONCE_SERVE_PROCESSES, else 1)")
    parser.add_argument("--timeout", help="seconds a request waits (default: ASKONCE_SERVE_TIMEOUT, else 600)")
    parser.add_argument(
        "--files", help="where the Batch API keeps files: a directory, or s3://BUCKET/PREFIX (ASKONCE_SERVE_FILES)"
    )
    parser.add_argument("--open", action="store_true", help="without keys, also accept clients on other machines")


def main(args: argparse.Namespace) -> int:
    """Serve until stopped by a signal. Raises ValueError."""
    try:
        from askonce.serve.serve_settings import VARIABLES  # noqa: PLC0415 - an extra of the package
        from askonce.serve.server import serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        complain(f"{error.name} is not installed: pip install 'askonce[serve]'")
        return 2
    for name in OPTIONS:
        if (given := getattr(args, name)) is not None:
            VARIABLES[name][1](f"--{name}", given)
    os.environ.update(_environment(args))
    return serve(_say_at_once, complain)


def _say_at_once(text: str) -> None:
    """Flushes, because whoever started the server waits for this line."""
    say(text)
    sys.stdout.flush()


def _environment(args: argparse.Namespace) -> Mapping[str, str]:
    """The options as settings, for all processes."""
    given = {
        "SERVE_HOST": args.host,
        "SERVE_PORT": args.port,
        "SERVE_PROCESSES": args.processes,
        "SERVE_TIMEOUT": args.timeout,
        "SERVE_FILES": args.files,
        "SERVE_OPEN": "1" if args.open else None,
        "SERVE_NAMESPACE": args.namespace,
        "REDIS_URL": args.url,
    }
    return {SETTINGS + name: value for name, value in given.items() if value is not None}
