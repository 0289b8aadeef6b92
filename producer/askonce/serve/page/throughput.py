"""Questions answered per minute, from the counters. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from askonce.contract.counters import SOURCES
from askonce.operator.history import History


@dataclass(frozen=True, slots=True)
class Pace:
    """Answers per minute: in this hour, in the previous one, and in the busiest hour of the last day."""

    now: float
    before: float
    most: float


def throughput(history: History, namespace: str | None) -> Pace:
    """namespace: only this one's; None for all."""
    *closed, (begins, present) = sorted(history.hours.items())
    paces = [_answers(counts, namespace) / 60 for _, counts in closed]
    minutes = max(1.0, (history.at_ms / 1000 - begins) / 60)
    now = _answers(present, namespace) / minutes
    return Pace(now, paces[-1] if paces else 0.0, max([now, *paces]))


def _answers(counts: Mapping[bytes, int], namespace: str | None) -> int:
    found = ((name.decode().split("|", 2), count) for name, count in counts.items())
    return sum(count for (name, space, _), count in found if name in SOURCES and namespace in (None, space))
