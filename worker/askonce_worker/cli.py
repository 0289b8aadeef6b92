"""The `askonce-worker` command."""

import asyncio
import dataclasses
import sys
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from askonce_worker.check.finding import Finding
from askonce_worker.check.findings import findings
from askonce_worker.demo.command import demo
from askonce_worker.evaluate.command import evaluate
from askonce_worker.local.command import local
from askonce_worker.logs import setup
from askonce_worker.logs.redaction import secrets_of
from askonce_worker.process.probe import probe
from askonce_worker.process.supervisor import end_with_supervisor, supervise
from askonce_worker.settings import Settings, SettingsError, load_settings, unknown_settings

app = typer.Typer(
    name="askonce-worker",
    help="Answers what askonce clients ask: from the cache, or from the LLM, once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(local)
app.command()(demo)
app.command()(evaluate)


@app.command()
def run(
    processes: Annotated[int, typer.Option(min=1, help="Workers on this machine; one that dies is replaced.")] = 1,
) -> None:
    """Run a worker until it is told to stop (Ctrl-C, SIGTERM)."""
    settings = settings_or_exit()
    configure_logs(settings)
    warn_of_strangers()
    if processes > 1:
        raise typer.Exit(supervise(processes))
    end_with_supervisor()
    from askonce_worker.process.service import run_worker  # noqa: PLC0415 - what it loads takes a second, `--help` does not

    raise typer.Exit(run_worker(settings))


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Only: do this machine's workers live? For probes.")] = False,
    ready: Annotated[bool, typer.Option("--ready", help="Only: do they claim jobs? For probes.")] = False,
) -> None:
    """Tell what is configured, what answers, and in which version. Exits 1 if something is wrong."""
    if live or ready:
        raise typer.Exit(probe(ready=ready))
    settings = settings_or_exit()
    configure_logs(settings)
    found = asyncio.run(findings(settings))
    if as_json:
        sys.stdout.write(
            orjson.dumps([dataclasses.asdict(item) for item in found], option=orjson.OPT_INDENT_2).decode()
        )
        sys.stdout.write("\n")
    else:
        Console().print(table_of(found))
    raise typer.Exit(0 if all(item.ok for item in found) else 1)


def table_of(found: list[Finding]) -> Table:
    table = Table()
    for column in ("part", "configured", "state", "what to do"):
        table.add_column(column, overflow="fold")
    for item in found:
        table.add_row(item.part, item.configured, item.state, item.advice, style=None if item.ok else "red")
    return table


def settings_or_exit() -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        typer.echo(f"askonce-worker: {error}", err=True)
        raise typer.Exit(2) from None


def configure_logs(settings: Settings) -> None:
    setup.configure(settings.log_format, secrets=secrets_of(settings), prompts=settings.log_prompts)


def warn_of_strangers() -> None:
    for name, nearest in unknown_settings():
        hint = f"; did you mean {nearest}?" if nearest else ""
        typer.echo(f"askonce-worker: unknown setting {name}{hint}", err=True)
