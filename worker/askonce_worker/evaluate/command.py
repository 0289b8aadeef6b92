"""`askonce-worker evaluate`: labelled pairs in, hit rates and a threshold out."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from askonce_worker.evaluate import plot as picture
from askonce_worker.evaluate.figures import Scores
from askonce_worker.evaluate.pairs import BadPairs, Pair, held_out, read_pairs, together
from askonce_worker.evaluate.profile_file import NothingRecommended, write_profile
from askonce_worker.evaluate.report import Measured, report
from askonce_worker.evaluate.tables import show
from askonce_worker.evaluate.vectors import NoVectors, VectorFile, embed, similarities
from askonce_worker.matching.match import conflict
from askonce_worker.matching.profiles import Profile, profile_of
from askonce_worker.settings import Settings, SettingsError, load_settings

Pairs = dict[str, list[Pair]]


def evaluate(
    files: Annotated[list[Path], typer.Argument(metavar="PAIRS...", help='JSON lines or CSV: "a", "b", "same".')],
    max_error: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Most wrong hits, as a share of all pairs.")
    ] = 0.01,
    seed: Annotated[int, typer.Option(help="Of the split into two halves.")] = 0,
    vectors: Annotated[Path | None, typer.Option(help="Keep the vectors here: a second run is quick.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the curve as a PNG.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write a profile for ASKONCE_PROFILES.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the embedding model and the guard on labelled pairs, and recommend a threshold.

    It is chosen on one half of the pairs, as the one with the most hits that keeps --max-error on each file, and
    measured on the other half.
    """
    try:
        settings = load_settings()
        if plot is not None:
            picture.require()  # said before the work, not after
        profile = profile_of(settings.embedding_model, settings.profiles)
        measured = _measure(_read(files), settings, profile, vectors, seed)
        found = report(measured, model=settings.embedding_model, max_error=max_error, seed=seed)
        if as_json:
            sys.stdout.write(orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
        else:
            show(found, Console())
        if plot is not None:
            picture.draw(measured, found, plot)
        if save is not None:
            write_profile(found, profile, save)
            typer.echo(f"{save}: to use it, name its directory in ASKONCE_PROFILES", err=True)
    except (BadPairs, SettingsError) as error:
        raise _failed(str(error), 2) from error
    except (NoVectors, NothingRecommended, picture.NoMatplotlib, OSError) as error:
        raise _failed(str(error), 1) from error


def _failed(reason: str, code: int) -> typer.Exit:
    typer.echo(f"askonce-worker evaluate: {reason}", err=True)
    return typer.Exit(code)


def _read(files: list[Path]) -> Pairs:
    read = {path.name: read_pairs(path) for path in files}
    if len(read) < len(files):
        raise BadPairs("two files of one name: the figures stand under their names")
    return together(read)


def _measure(pairs: Pairs, settings: Settings, profile: Profile, vectors: Path | None, seed: int) -> list[Measured]:
    file = VectorFile(vectors, settings.embedding_model)
    todo = file.missing(text for each in pairs.values() for pair in each for text in (pair.a, pair.b))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        if todo:
            embedding = progress.add_task("embedding texts", total=len(todo))
            asyncio.run(embed(todo, settings, profile, file, lambda count: progress.advance(embedding, count)))
        guarding = progress.add_task("guarding pairs", total=sum(map(len, pairs.values())))
        return [_scored(name, each, file, seed, lambda: progress.advance(guarding)) for name, each in pairs.items()]


def _scored(name: str, pairs: list[Pair], file: VectorFile, seed: int, on: Callable[[], None]) -> Measured:
    cosine = similarities([pair.a for pair in pairs], [pair.b for pair in pairs], file)
    passes = np.ones(len(pairs), np.bool_)
    for at, pair in enumerate(pairs):
        passes[at] = conflict(pair.a, pair.b) is None
        on()
    known = ~np.isnan(cosine)
    if not known.any():
        raise NoVectors(f"{name}: the embedding model takes none of its texts")
    scores = Scores(cosine, np.array([pair.same for pair in pairs]), passes)
    return Measured(name, scores.part(known), held_out(pairs, seed)[known], int((~known).sum()))
