"""The `askonce-worker` command."""

import asyncio
import dataclasses
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from askonce.env_file import ENV_FILE
from askonce_worker.check.findings import findings
from askonce_worker.check.table import table_of
from askonce_worker.demo.command import demo
from askonce_worker.evaluate.command import evaluate
from askonce_worker.local.command import local
from askonce_worker.local.env_file import settings_with
from askonce_worker.logs import setup
from askonce_worker.logs.redaction import secrets_of
from askonce_worker.process.parent_watch import PROCESS_INDEX
from askonce_worker.process.probe import probe
from askonce_worker.process.supervisor import supervise
from askonce_worker.replay.command import replay
from askonce_worker.setting_names import unknown_settings
from askonce_worker.settings import Settings, SettingsError, load_settings

app = typer.Typer(
    name="askonce-worker",
    help="Answers questions of askonce clients from the cache, or from the LLM, once.",
    epilog="Try it without a key or a server: askonce-worker demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command(epilog="Example: askonce-worker local --data-dir data")(local)
app.command(epilog="Example: askonce-worker demo --log worker.log")(demo)
app.command(epilog="Example: askonce-worker evaluate pairs.jsonl --max-error 0.02 --save profiles/mine.json")(evaluate)
app.command(epilog="Example: askonce-worker replay spend-logs.jsonl.gz --html report.html")(replay)

EnvFile = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        help="Read settings from a file of KEY=VALUE lines. The environment takes precedence.",
        show_default=f"{ENV_FILE}, if there is one",
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"askonce-worker {version('askonce')}")
        raise typer.Exit


@app.callback()
def main(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command(epilog="Example: askonce-worker run --processes 4")
def run(
    processes: Annotated[int, typer.Option(min=1, help="Workers on this machine. One that dies is replaced.")] = 1,
    env_file: EnvFile = None,
    suspects: Annotated[bool, typer.Option("--suspects", hidden=True)] = False,
) -> None:
    """Run a worker until Ctrl-C or SIGTERM."""
    settings = settings_or_exit(env_file)
    configure_logs(settings)
    warn_of_unknown_settings()
    if processes > 1:
        raise typer.Exit(supervise(processes))
    from askonce_worker.process.service import run_worker  # noqa: PLC0415 - it takes a second to load, `--help` does not

    raise typer.Exit(run_worker(settings, suspects_only=suspects))


@app.command(epilog="Example: askonce-worker check --json")
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Only check that this machine's workers are alive.")] = False,
    ready: Annotated[bool, typer.Option("--ready", help="Only check that they claim jobs.")] = False,
    env_file: EnvFile = None,
) -> None:
    """Show what is configured, what answers, and in which version. Exits 1 if something is wrong.

    --live and --ready are for probes: they print one line and ask neither Redis nor a provider.
    """
    if live or ready:
        raise typer.Exit(probe(ready=ready))
    settings = settings_or_exit(env_file)
    configure_logs(settings)
    found = asyncio.run(findings(settings))
    if as_json:
        rows = orjson.dumps([dataclasses.asdict(item) for item in found], option=orjson.OPT_INDENT_2)
        sys.stdout.write(rows.decode() + "\n")
    else:
        Console().print(table_of(found))
    raise typer.Exit(0 if all(item.ok for item in found) else 1)


def settings_or_exit(env_file: Path | None) -> Settings:
    try:
        inherited = PROCESS_INDEX in os.environ  # the parent read the file, and passed on what it means
        return load_settings() if inherited else settings_with(env_file)
    except (SettingsError, ValueError) as error:
        typer.echo(f"askonce-worker: {error}", err=True)
        raise typer.Exit(2) from None


def configure_logs(settings: Settings) -> None:
    setup.configure(settings.log_format, secrets=secrets_of(settings), prompts=settings.log_prompts)


def warn_of_unknown_settings() -> None:
    for name, nearest in unknown_settings():
        hint = f"; did you mean {nearest}?" if nearest else ""
        typer.echo(f"askonce-worker: unknown setting {name}{hint}", err=True)
