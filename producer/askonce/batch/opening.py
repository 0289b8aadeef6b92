"""Starts a run at the beginning, or where an earlier run with the same input and settings stopped."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from askonce.batch.journal import Journal, remove_journal
from askonce.batch.ledger import Ledger
from askonce.batch.output import STDOUT, OutputFile
from askonce.prices.load import Prices

RESTART_HINT = "--restart starts over"
STDIN = 0
Settings = Mapping[str, str | None]
"""What must stay the same when a run is resumed, by the option that sets it."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The files of a run.

    Attributes:
        out: None is stdout.
        errors: None writes failed lines to the output.
        journal: None if the output is not a file.
    """

    out: Path | None
    errors: Path | None
    journal: Path | None


def choose_paths(source: str, out: str, errors: str | None) -> Paths:
    """Chooses the files next to the output. Raises ValueError if two of them are the same.

    `answers.jsonl` gets `answers.errors.jsonl` and `answers.journal` next to it; stdout or a device gets neither.
    """
    path = None if out == "-" else Path(out)
    if path is None or _is_device(path):
        paths = Paths(path, Path(errors) if errors else None, None)
    else:
        beside = path.with_suffix("") if path.suffix == ".jsonl" else path
        failed = Path(errors) if errors else beside.with_name(f"{beside.name}.errors.jsonl")
        paths = Paths(path, failed, beside.with_name(f"{beside.name}.journal"))
    _check(source, paths)
    return paths


def _check(source: str, paths: Paths) -> None:
    used = {_identity(STDIN if source == "-" else Path(source)): "the input"}
    out = STDOUT if paths.out is None else paths.out
    for name, path in (("the output", out), ("the error file", paths.errors), ("the journal", paths.journal)):
        if path is None:
            continue
        if isinstance(path, Path) and not path.parent.is_dir():
            raise ValueError(f"{path}: there is no directory {path.parent}")
        same = _identity(path)
        if same is not None and same in used:
            raise ValueError(f"{path} is {used[same]} already, and cannot be {name} too")
        used[same] = name


def _identity(place: Path | int) -> object:
    """Equal for every name of a file, including links and redirections. None for a device."""
    try:
        facts = place.stat() if isinstance(place, Path) else os.fstat(place)
    except OSError:
        return place.resolve() if isinstance(place, Path) else None
    return (facts.st_dev, facts.st_ino) if stat.S_ISREG(facts.st_mode) else None


def _is_device(path: Path) -> bool:
    return path.exists() and not stat.S_ISREG(path.stat().st_mode)


def open_ledger(paths: Paths, settings: Settings, prices: Prices, *, restart: bool) -> Ledger:
    """Raises ValueError if an earlier run had other input or settings, OSError if a file cannot be written."""
    if restart:
        _clear(paths)
    else:
        _refuse_strangers(paths)
    journal = Journal(paths.journal)
    try:
        _compare(journal, settings, paths)
        out = OutputFile(paths.out)
        errors = out if paths.errors is None else OutputFile(paths.errors)
        return Ledger(journal, out, errors, prices)
    except BaseException:
        journal.close()
        raise


def _clear(paths: Paths) -> None:
    if paths.journal is not None:
        remove_journal(paths.journal)
    for path in (paths.out, paths.errors):
        if path is not None and path.is_file():
            path.write_bytes(b"")


def _refuse_strangers(paths: Paths) -> None:
    if paths.journal is not None and paths.journal.exists():
        return
    for path in (paths.out, paths.errors):
        if path is not None and path.is_file() and path.stat().st_size:
            raise ValueError(f"{path} already exists without a batch journal next to it; {RESTART_HINT}")


def _compare(journal: Journal, settings: Settings, paths: Paths) -> None:
    before = journal.get("settings")
    if before is None:
        journal.put("settings", dict(settings))
        return
    changes = [
        f"{name} was {_shown(before.get(name))} and is {_shown(settings.get(name))}"
        for name in {**before, **settings}
        if before.get(name) != settings.get(name)
    ]
    if changes:
        raise ValueError(f"{paths.out} was started with other settings: {'; '.join(changes)}. {RESTART_HINT}")


def _shown(value: str | None) -> str:
    return "not set" if value is None else value if len(value) <= 80 else f"{value[:77]}..."
