"""Labelled pairs of questions: JSON lines or CSV, with `a`, `b` and `same` (one answer serves both)."""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

_TRUE = frozenset({"1", "true", "yes", "same"})
_FALSE = frozenset({"0", "false", "no", "different"})


class BadPairs(Exception):
    """A file that holds no pairs; the message names the line, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Pair:
    a: str
    b: str
    same: bool


def read_pairs(path: Path) -> list[Pair]:
    """Raises BadPairs."""
    pairs = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in _csv_rows(file) if path.suffix.lower() == ".csv" else _json_rows(file):
                pair = _pair(row)
                if pair is None:
                    raise BadPairs(f'{path.name}, line {number}: a row has texts "a" and "b", and "same" true or false')
                pairs.append(pair)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}"
        raise BadPairs(f"{path}: {reason}") from error
    return pairs


def together(files: Mapping[str, list[Pair]]) -> dict[str, list[Pair]]:
    """As they are; but files with pairs of one kind alone are one, since both are counted. Raises BadPairs."""
    one_kind = [name for name, pairs in files.items() if len({pair.same for pair in pairs}) < 2]
    joined = {name: pairs for name, pairs in files.items() if name not in one_kind}
    if one_kind:
        joined[" + ".join(one_kind)] = [pair for name in one_kind for pair in files[name]]
    for name, pairs in joined.items():
        if len({pair.same for pair in pairs}) < 2:
            raise BadPairs(f"{name}: pairs of both kinds are needed, some with one answer and some with two")
    return joined


def _json_rows(file: Iterable[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield number, orjson.loads(line)
            except orjson.JSONDecodeError:
                yield number, None


def _csv_rows(file: Iterable[str]) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(file)
    for row in reader:
        yield reader.line_num, row


def _pair(row: Any) -> Pair | None:
    if not isinstance(row, dict):
        return None
    a, b, same = row.get("a"), row.get("b"), str(row.get("same")).strip().lower()
    if not isinstance(a, str) or not isinstance(b, str) or not a.strip() or not b.strip():
        return None
    return Pair(a, b, same in _TRUE) if same in _TRUE | _FALSE else None


def held_out(pairs: Sequence[Pair], seed: int) -> NDArray[np.bool_]:
    """About half of them: by a hash, so that a pair stays where it is, whatever else is in the file."""

    def place(pair: Pair) -> bool:
        first, second = sorted((pair.a, pair.b))
        return bool(hashlib.sha256(f"{seed}\n{first}\n{second}".encode()).digest()[0] & 1)

    return np.array([place(pair) for pair in pairs], dtype=np.bool_)
