"""`askonce-worker evaluate`: labelled pairs in, hit rates and a threshold out."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from askonce_worker.audit.deciding import Terms
from askonce_worker.evaluate import plot as picture
from askonce_worker.evaluate.figures import Scores
from askonce_worker.evaluate.pairs import Pair, held_out, read_pairs, together
from askonce_worker.evaluate.profile_file import write_profile
from askonce_worker.evaluate.report import Measured, Report, report
from askonce_worker.evaluate.rows import BadRows
from askonce_worker.evaluate.stream.command import StreamRun
from askonce_worker.evaluate.stream.plot import draw as draw_stream
from askonce_worker.evaluate.stream.rules import Rules, matcher_of
from askonce_worker.evaluate.stream.tables import show as show_stream
from askonce_worker.evaluate.tables import reasons, show
from askonce_worker.evaluate.vectors import NoVectors, VectorFile, embed, similarities
from askonce_worker.local.env_file import settings_with
from askonce_worker.matching.guard.rules import RULES
from askonce_worker.matching.match import conflicts
from askonce_worker.matching.profiles import Profile, profile_of
from askonce_worker.settings import Settings, SettingsError

Pairs = dict[str, list[Pair]]


PairFiles = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PAIRS", help='JSON lines or CSV with "a", "b" and "same".', show_default=False),
]
StreamFile = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        metavar="FILE",
        help='Instead of pairs: questions with "text" and "label", in the order they were asked.',
    ),
]
Orders = Annotated[
    int | None, typer.Option(min=1, help="Play the stream in this many shuffled orders.", show_default="as it is")
]
MaxError = Annotated[
    float, typer.Option(min=0.000_001, max=1.0, help="Maximum share of wrong hits, of all pairs or requests.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed for the split into two halves, or for the orders.")]
Vectors = Annotated[
    Path | None, typer.Option(dir_okay=False, help="Keep the vectors in this file; a second run reuses them.")
]
Plot = Annotated[
    Path | None, typer.Option(dir_okay=False, help="Write a plot: SVG if the name ends in .svg, else PNG.")
]
Save = Annotated[Path | None, typer.Option(dir_okay=False, help="Write a profile for ASKONCE_PROFILES to this file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def evaluate(
    files: PairFiles = None,
    stream: StreamFile = None,
    orders: Orders = None,
    max_error: MaxError = 0.01,
    seed: Seed = 0,
    vectors: Vectors = None,
    plot: Plot = None,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure the embedding model and the guard on labelled pairs, and recommend a threshold.

    The threshold is chosen on one half of the pairs: the one with the most hits within --max-error on every file.
    It is measured on the other half, and recommended only if its 95 % interval there ends within --max-error.
    Exits 0 with a recommendation, 1 without one, 2 if the pairs or settings cannot be used.

    Pairs cannot show how often a cache is wrong; a stream can (--stream). Each of its questions is matched against all
    earlier ones, and the error ledger decides what is served so that wrong hits stay within --max-error.
    """
    try:
        _check_options(files, stream, orders, save)
        settings = settings_with(None)
        _require(vectors, plot, save)
        profile = profile_of(settings.embedding_model, settings.profiles, settings.embedding_dimensions)
        embedded = Embedded(settings, profile, VectorFile(vectors, settings.embedding))
        if stream is not None:
            _stream(StreamRun(stream, orders=orders, seed=seed), embedded, max_error, plot, as_json=as_json)
            return
        found = _pairs(_read(files or []), embedded, max_error, seed, plot, as_json=as_json)
        _save(found, profile, save)
    except (BadRows, SettingsError, ValueError) as error:
        raise _failed(str(error), 2) from error
    except (NoVectors, picture.NoMatplotlib, OSError) as error:
        raise _failed(str(error), 1) from error
    if found.threshold is None:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Embedded:
    """The embedding model, and the vectors it has already returned."""

    settings: Settings
    profile: Profile
    file: VectorFile

    def embed(self, texts: Iterable[str], progress: Progress) -> None:
        """Embed the texts that have no vector yet. Raises NoVectors."""
        todo = self.file.missing(texts)
        if todo:
            task = progress.add_task("embedding texts", total=len(todo))
            asyncio.run(
                embed(todo, self.settings, self.profile, self.file, lambda count: progress.advance(task, count))
            )


def _check_options(files: list[Path] | None, stream: Path | None, orders: int | None, save: Path | None) -> None:
    """Raises BadRows."""
    if bool(files) == (stream is not None):
        raise BadRows("give either files of pairs or a stream with --stream")
    if stream is None and orders is not None:
        raise BadRows("--orders needs --stream")
    if stream is not None and save is not None:
        raise BadRows("--save needs pairs: a stream recommends no threshold")


def _stream(run: StreamRun, embedded: Embedded, max_error: float, plot: Path | None, *, as_json: bool) -> None:
    with _progress() as progress:
        embedded.embed(run.stream.texts, progress)
        terms = Terms(max_error, embedded.profile.threshold)
        rules = Rules(matcher_of(embedded.settings.never_cache, embedded.settings.semantic_max_chars))
        found, orders = run.play(embedded.file, rules, terms, embedded.settings.embedding, progress)
    if as_json:
        _print_json(found.as_json())
    else:
        show_stream(found, Console())
    if plot is not None:
        draw_stream(found, orders[0], plot)


def _pairs(
    pairs: Pairs, embedded: Embedded, max_error: float, seed: int, plot: Path | None, *, as_json: bool
) -> Report:
    measured = _measure(pairs, embedded, seed)
    found = report(measured, model=embedded.settings.embedding, max_error=max_error, seed=seed)
    _print(found, as_json=as_json)
    if plot is not None:
        picture.draw(measured, found, plot)
    return found


def _save(found: Report, profile: Profile, path: Path | None) -> None:
    if path is not None and found.threshold is not None:
        write_profile(found, profile, path)
        typer.echo(f"{path}: to use it, set ASKONCE_PROFILES={path.parent}", err=True)


def _require(vectors: Path | None, plot: Path | None, save: Path | None) -> None:
    """Fail before the work rather than after it. Raises NoMatplotlib, OSError."""
    if plot is not None:
        picture.require()
    for path in (vectors, plot, save):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)


def _print(found: Report, *, as_json: bool) -> None:
    if not as_json:
        show(found, Console())
        return
    _print_json(found.as_json())
    for line in reasons(found):
        typer.echo(f"askonce-worker evaluate: no recommendation: {line}", err=True)


def _print_json(record: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(record, option=orjson.OPT_INDENT_2).decode() + "\n")


def _failed(reason: str, code: int) -> typer.Exit:
    typer.echo(f"askonce-worker evaluate: {reason}", err=True)
    return typer.Exit(code)


def _read(files: list[Path]) -> Pairs:
    read = {path.name: read_pairs(path) for path in files}
    if len(read) < len(files):
        raise BadRows("two files have the same name; rename one, as the report tells files apart by name")
    return together(read)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _measure(pairs: Pairs, embedded: Embedded, seed: int) -> list[Measured]:
    with _progress() as progress:
        texts = (text for each in pairs.values() for pair in each for text in (pair.a, pair.b))
        embedded.embed(texts, progress)
        guarding = progress.add_task("guarding pairs", total=sum(map(len, pairs.values())))
        halves = held_out(pairs, seed)
        return [
            _scored(name, each, halves[name], embedded.file, lambda: progress.advance(guarding))
            for name, each in pairs.items()
        ]


def _scored(
    name: str, pairs: list[Pair], half: NDArray[np.bool_], file: VectorFile, on: Callable[[], None]
) -> Measured:
    cosine = similarities([pair.a for pair in pairs], [pair.b for pair in pairs], file)
    refused = {rule: np.zeros(len(pairs), np.bool_) for rule in RULES}
    for at, pair in enumerate(pairs):
        for rule in conflicts(pair.a, pair.b):
            refused[rule][at] = True
        on()
    passes = ~np.logical_or.reduce(list(refused.values()))
    known = ~np.isnan(cosine)
    if not known.any():
        raise NoVectors(f"{name}: the embedding model returned no vector for any of its texts")
    scores = Scores(cosine, np.array([pair.same for pair in pairs]), passes)
    of_rules = {rule: pairs_of[known] for rule, pairs_of in refused.items()}
    return Measured(name, scores.part(known), half[known], int((~known).sum()), of_rules)
