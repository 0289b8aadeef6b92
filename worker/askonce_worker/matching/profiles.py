"""Profiles of embedding models: how similar two questions must be, and how long a text may be."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class Profile:
    """threshold: lowest cosine; None if unknown, and then only exact matches. max_tokens: maximum per text. measured:
    on which data, and with which result."""

    model: str
    threshold: float | None
    max_tokens: int
    measured: str


UNKNOWN_MAX_TOKENS = 512


def embedding_id(model: str, dimensions: int | None) -> str:
    """Identifies the vectors of a model: only vectors with the same id may be compared. dimensions: set if they are
    reduced."""
    return model if dimensions is None else f"{model}@{dimensions}"


def profile_of(model: str, directory: Path | None = None, dimensions: int | None = None) -> Profile:
    """The profile of an embedding model: from the user's directory, else a shipped one, else one without a threshold.

    A threshold measured with all dimensions does not hold for fewer, so a reduced model has a profile under its
    `embedding_id`, or no threshold. Raises ValueError for a file in the directory that is not a profile.
    """
    name = embedding_id(model, dimensions)
    known: dict[str, Profile] = {}
    for profile in _profiles(directory):
        known.setdefault(profile.model, profile)
    if name in known:
        return known[name]
    if model in known:
        unmeasured = f"no profile of this model with {dimensions} dimensions: askonce-worker evaluate makes one"
        return Profile(name, None, known[model].max_tokens, unmeasured)
    return Profile(name, None, UNKNOWN_MAX_TOKENS, "no profile of this model")


def _profiles(directory: Path | None) -> Iterator[Profile]:
    """The user's profiles, then the shipped ones."""
    if directory is not None:
        yield from read_profiles(directory)
    yield from read_profiles(files("askonce_worker.matching").joinpath("profiles"))


def read_profiles(directory: Traversable) -> Iterator[Profile]:
    """Raises ValueError, with the file's name."""
    for file in sorted(directory.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".json"):
            try:
                yield _profile(orjson.loads(file.read_bytes()))
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise ValueError(f"{file.name} is not a profile of an embedding model") from error


def _profile(record: dict[str, object]) -> Profile:
    model, threshold, max_tokens = record["model"], record["threshold"], record["max_tokens"]
    if not isinstance(model, str) or not isinstance(max_tokens, int) or max_tokens < 1:
        raise ValueError(model)
    if not isinstance(threshold, int | float) or not 0 < threshold <= 1:
        raise ValueError(threshold)
    return Profile(model, float(threshold), max_tokens, str(record["measured"]))
