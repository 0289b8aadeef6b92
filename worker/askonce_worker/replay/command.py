"""`askonce-worker replay`: a log in, what the cache would have saved out."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from askonce.prices.load import load_prices
from askonce_worker.evaluate.vectors import NoVectors
from askonce_worker.local.env_file import settings_with
from askonce_worker.replay.page import page
from askonce_worker.replay.reading import BadLog
from askonce_worker.replay.sources.choosing import Format, Reading
from askonce_worker.replay.sources.columns import NAMES
from askonce_worker.replay.stopping import on_interrupt
from askonce_worker.replay.tables import show
from askonce_worker.settings import Settings, SettingsError, matching_threshold

INTERRUPTED = 130
NO_ENGINE = "matching similar questions needs qdrant-edge: pip install 'askonce[local]', or use --exact"

Logs = Annotated[
    list[Path],
    typer.Argument(metavar="LOG...", help="JSON lines, CSV, TSV or Parquet; may be compressed. `-` is stdin."),
]
OfFormat = Annotated[
    Format, typer.Option("--format", help="Format of the rows. auto: detected from each row.", show_default=True)
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column", metavar="FIELD=NAME", help=f"The column of a field: {', '.join(NAMES)}.", show_default=False
    ),
]
Namespace = Annotated[str, typer.Option(help="Namespace of rows that name none.")]
Model = Annotated[str | None, typer.Option(help="Model of rows that name none.", show_default="ASKONCE_MODEL")]
Exact = Annotated[bool, typer.Option("--exact", help="Only exact matches: nothing is embedded.")]
KeptVectors = Annotated[
    Path | None,
    typer.Option(dir_okay=False, help="Keep the vectors in this file; a second run reuses them."),
]
PriceFile = Annotated[
    Path | None, typer.Option("--prices", dir_okay=False, help="Your own price file.", show_default="list prices")
]
Html = Annotated[Path | None, typer.Option(dir_okay=False, help="Write the report as an HTML page with charts.")]
PairFile = Annotated[
    Path | None, typer.Option("--pairs", dir_okay=False, help="Write the riskiest pairs as rows for evaluate.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first malformed row.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def replay(
    logs: Logs,
    form: OfFormat = Format.auto,
    column: Columns = None,
    namespace: Namespace = "default",
    model: Model = None,
    exact: Exact = False,
    vectors: KeptVectors = None,
    prices: PriceFile = None,
    html: Html = None,
    pairs: PairFile = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Replay a log of LLM calls through the cache's rules: what would it have saved, and how often would it be wrong?

    Reads Batch files, chat-completion logs, LiteLLM's spend logs, exports of Langfuse and Helicone, and tables. No LLM
    is called. Texts are embedded once, by the configured model, unless --exact is set.

    Ctrl-C ends it with a report of what was replayed so far (exit code 130).
    """
    try:
        settings = settings_with(None)
        reading = Reading(form, _columns(column or []), namespace, model or settings.model)
        threshold = None if exact else matching_threshold(settings)
        _require(logs, [vectors, html, pairs], needs_engine=threshold is not None)
        found = _played(logs, reading, settings, threshold, vectors, prices, strict=strict)
        _write(found, html, pairs)
    except (BadLog, SettingsError, ValueError) as error:
        raise _failed(str(error), 2) from error
    except (NoVectors, OSError) as error:
        raise _failed(str(error), 1) from error
    del found["riskiest"]  # questions are only written on request, by --pairs
    if as_json:
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        show(found, Console())
    if not found["log"]["complete"]:
        raise typer.Exit(INTERRUPTED)


def _played(
    logs: Sequence[Path],
    reading: Reading,
    settings: Settings,
    threshold: float | None,
    vectors: Path | None,
    prices: Path | None,
    *,
    strict: bool,
) -> dict[str, Any]:
    from askonce_worker.replay.replaying import Progress, Replay  # noqa: PLC0415 - the engine is an optional extra

    own = prices or settings.prices
    priced = load_prices(str(own) if own else None, base_url=settings.openai_base_url)
    with TemporaryDirectory(prefix="askonce-replay-") as directory, on_interrupt() as stop, _bars() as bars:
        size = sum(path.stat().st_size for path in logs if path.is_file())
        read = bars.add_task("reading", total=size or None)
        play = bars.add_task("playing", total=None, visible=False)
        progress = Progress(
            on_bytes=lambda count: bars.advance(read, count),
            on_calls=lambda calls: _begin(bars, read, play, calls),
            on_call=lambda: bars.advance(play),
        )
        work = Replay(Path(directory), settings, priced, threshold=threshold, vectors=vectors)
        return work.run(logs, reading, stop, progress, strict=strict)


def _begin(bars: Bars, read: Any, play: Any, calls: int) -> None:
    bars.update(read, visible=False)
    bars.update(play, total=calls, visible=True)


@contextmanager
def _bars() -> Iterator[Bars]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield bars


def _columns(given: Sequence[str]) -> dict[str, str]:
    """Raises ValueError."""
    found = {}
    for each in given:
        name, separator, column = each.partition("=")
        if not separator or not column or name not in NAMES:
            raise ValueError(f"--column {each}: FIELD=NAME, where FIELD is one of {', '.join(NAMES)}")
        found[name] = column
    return found


def _require(logs: Sequence[Path], written: Sequence[Path | None], *, needs_engine: bool) -> None:
    """Fail before the work rather than after it. Raises ValueError, NoVectors, OSError."""
    for path in logs:
        if str(path) != "-" and not path.exists():
            raise ValueError(f"{path}: No such file or directory")
    if needs_engine and find_spec("qdrant_edge") is None:
        raise NoVectors(NO_ENGINE)
    for target in written:
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)


def _write(found: dict[str, Any], html: Path | None, pairs: Path | None) -> None:
    if html is not None:
        html.write_text(page(found), encoding="utf-8")
    if pairs is not None:
        rows = [orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in found["riskiest"]]
        pairs.write_bytes(b"".join(rows))


def _failed(reason: str, code: int) -> typer.Exit:
    typer.echo(f"askonce-worker replay: {reason}", err=True)
    return typer.Exit(code)
