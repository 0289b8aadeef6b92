"""`askonce-worker evaluate`: labelled pairs in, hit rates and a threshold out."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import orjson
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from askonce_worker.evaluate import plot as picture
from askonce_worker.evaluate.figures import Scores
from askonce_worker.evaluate.pairs import BadPairs, Pair, held_out, read_pairs, together
from askonce_worker.evaluate.profile_file import write_profile
from askonce_worker.evaluate.report import Measured, Report, report
from askonce_worker.evaluate.tables import reasons, show
from askonce_worker.evaluate.vectors import NoVectors, VectorFile, embed, similarities
from askonce_worker.local.env_file import settings_with
from askonce_worker.matching.match import conflict
from askonce_worker.matching.profiles import Profile, profile_of
from askonce_worker.settings import Settings, SettingsError

Pairs = dict[str, list[Pair]]


_PAIRS = typer.Argument(metavar="PAIRS", help='JSON lines or CSV with "a", "b" and "same".')


def evaluate(
    files: Annotated[list[Path], _PAIRS],
    max_error: Annotated[
        float, typer.Option(min=0.000_001, max=1.0, help="The most wrong hits, as a share of all pairs.")
    ] = 0.01,
    seed: Annotated[int, typer.Option(help="Seed of the split into two halves.")] = 0,
    vectors: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Keep the vectors in this file; a second run reuses them.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the curve as a PNG.")] = None,
    save: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write a profile for ASKONCE_PROFILES to this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the embedding model and the guard on labelled pairs, and recommend a threshold.

    The threshold is chosen on one half of the pairs: the one with the most hits that keeps --max-error on each file.
    It is measured on the other half, and recommended only if the 95 % interval there ends within --max-error.
    Exits 0 with a recommendation, 1 without one, 2 if the pairs or settings cannot be used.
    """
    try:
        settings = settings_with(None)
        _require(vectors, plot, save)
        profile = profile_of(settings.embedding_model, settings.profiles, settings.embedding_dimensions)
        measured = _measure(_read(files), settings, profile, vectors, seed)
        found = report(measured, model=settings.embedding, max_error=max_error, seed=seed)
        _print(found, as_json=as_json)
        if plot is not None:
            picture.draw(measured, found, plot)
        _save(found, profile, save)
    except (BadPairs, SettingsError, ValueError) as error:
        raise _failed(str(error), 2) from error
    except (NoVectors, picture.NoMatplotlib, OSError) as error:
        raise _failed(str(error), 1) from error
    if found.threshold is None:
        raise typer.Exit(1)


def _save(found: Report, profile: Profile, path: Path | None) -> None:
    if path is not None and found.threshold is not None:
        write_profile(found, profile, path)
        typer.echo(f"{path}: to use it, set ASKONCE_PROFILES={path.parent}", err=True)


def _require(vectors: Path | None, plot: Path | None, save: Path | None) -> None:
    """Fail before the work, not after it. Raises NoMatplotlib, OSError."""
    if plot is not None:
        picture.require()
    for path in (vectors, plot, save):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)


def _print(found: Report, *, as_json: bool) -> None:
    if not as_json:
        show(found, Console())
        return
    sys.stdout.write(orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
    for line in reasons(found):
        typer.echo(f"askonce-worker evaluate: no recommendation: {line}", err=True)


def _failed(reason: str, code: int) -> typer.Exit:
    typer.echo(f"askonce-worker evaluate: {reason}", err=True)
    return typer.Exit(code)


def _read(files: list[Path]) -> Pairs:
    read = {path.name: read_pairs(path) for path in files}
    if len(read) < len(files):
        raise BadPairs("two files have the same name; the report needs different ones")
    return together(read)


def _measure(pairs: Pairs, settings: Settings, profile: Profile, vectors: Path | None, seed: int) -> list[Measured]:
    file = VectorFile(vectors, settings.embedding)
    todo = file.missing(text for each in pairs.values() for pair in each for text in (pair.a, pair.b))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        if todo:
            embedding = progress.add_task("embedding texts", total=len(todo))
            asyncio.run(embed(todo, settings, profile, file, lambda count: progress.advance(embedding, count)))
        guarding = progress.add_task("guarding pairs", total=sum(map(len, pairs.values())))
        halves = held_out(pairs, seed)
        return [
            _scored(name, each, halves[name], file, lambda: progress.advance(guarding)) for name, each in pairs.items()
        ]


def _scored(
    name: str, pairs: list[Pair], half: NDArray[np.bool_], file: VectorFile, on: Callable[[], None]
) -> Measured:
    cosine = similarities([pair.a for pair in pairs], [pair.b for pair in pairs], file)
    passes = np.ones(len(pairs), np.bool_)
    for at, pair in enumerate(pairs):
        passes[at] = conflict(pair.a, pair.b) is None
        on()
    known = ~np.isnan(cosine)
    if not known.any():
        raise NoVectors(f"{name}: the embedding model gives no vector for any of its texts")
    scores = Scores(cosine, np.array([pair.same for pair in pairs]), passes)
    return Measured(name, scores.part(known), half[known], int((~known).sum()))
