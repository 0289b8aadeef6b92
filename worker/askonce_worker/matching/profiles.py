"""What is known of an embedding model: how similar two questions must be, and how long a text may be."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class Profile:
    """threshold: least cosine similarity; None: unknown, so exact matches only. max_tokens: of one text.
    measured: on what, and with which result."""

    model: str
    threshold: float | None
    max_tokens: int
    measured: str


UNKNOWN_MAX_TOKENS = 512


def profile_of(model: str, directory: Path | None = None) -> Profile:
    """The profile of an embedding model: of one's own directory, else a shipped one, else one without a threshold.

    Raises ValueError for a file in the directory that is no profile.
    """
    shipped = files("askonce_worker.matching").joinpath("profiles")
    for place in (directory, shipped):
        if place is not None:
            for profile in read_profiles(place):
                if profile.model == model:
                    return profile
    return Profile(model, None, UNKNOWN_MAX_TOKENS, "no profile of this model")


def read_profiles(directory: Traversable) -> Iterator[Profile]:
    """Raises ValueError, which names the file."""
    for file in sorted(directory.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".json"):
            try:
                yield _profile(orjson.loads(file.read_bytes()))
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise ValueError(f"{file.name} is no profile of an embedding model") from error


def _profile(record: dict[str, object]) -> Profile:
    model, threshold, max_tokens = record["model"], record["threshold"], record["max_tokens"]
    if not isinstance(model, str) or not isinstance(max_tokens, int) or max_tokens < 1:
        raise ValueError(model)
    if not isinstance(threshold, int | float) or not 0 < threshold <= 1:
        raise ValueError(threshold)
    return Profile(model, float(threshold), max_tokens, str(record["measured"]))
