"""The ledger of a group: right and wrong matches, served or not, by score and time.

It is stored as fields of a hash, so that any number of workers can add their increments concurrently:

    {version}:requests                    questions of the group while this version of its policy was in force
    {version}:{right|wrong}:{bin}:{power} sum of the checked matches' weights, raised to this power
                                          (a weight is the inverse of the probability that the match is checked)
    {version}:unknown:{bin}               weights of matches that could not be judged
    {version}:judged:{bin}                weights of matches that only the judge, which may be wrong, called right
    {version}:gate:{name}                 sums of the judge as a gate, as in `GATE`

Each version is a slice of time. `compact` merges them into eight.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from askonce_worker.audit.scale import BINS

SLICES = 8
WINDOW = 8000
"""Maximum number of requests that a ledger covers."""
POWERS = 3
OUTCOMES = ("right", "wrong")
RIGHT, WRONG = 0, 1
GATE = ("asked", "cost", "served", "saved", "wrong", "squares")
"""Matches put to the gate, and what that cost; matches that it let serve, and what their calls would have cost; for the
wrong ones among the checks of these, the sums of their weights and of the squares."""

Fields = dict[str, float]
Sums = NDArray[np.float64]
"""Of one slice. Shape: bins x outcomes x powers of the weight."""
Unknown = NDArray[np.float64]
"""Of one slice, by bin."""


@dataclass(frozen=True, slots=True)
class Slice:
    """first: the first policy version that it covers. unknown: the weights of matches without a label. judged: of those
    that only the judge called right. gate: as in `GATE`."""

    first: int
    requests: float
    sums: Sums
    unknown: Unknown = field(default_factory=lambda: np.zeros(BINS))
    judged: Unknown = field(default_factory=lambda: np.zeros(BINS))
    gate: Unknown = field(default_factory=lambda: np.zeros(len(GATE)))

    def joined(self, later: "Slice") -> "Slice":
        unknown, judged = self.unknown + later.unknown, self.judged + later.judged
        requests, sums, gate = self.requests + later.requests, self.sums + later.sums, self.gate + later.gate
        return Slice(self.first, requests, sums, unknown, judged, gate)

    def share(self, share: float) -> "Slice":
        """A part of the slice of this size, assuming that it is uniform."""
        sums, unknown, judged = share * self.sums, share * self.unknown, share * self.judged
        return Slice(self.first, share * self.requests, sums, unknown, judged, share * self.gate)


def sums_of(bins: NDArray[np.intp], right: NDArray[np.bool_], weight: NDArray[np.float64]) -> Sums:
    """The sums of labels, given one row per label: the bin of the score, whether the match was right, and the
    weight."""
    sums = np.zeros((BINS, len(OUTCOMES), POWERS))
    for power in range(POWERS):
        np.add.at(sums[:, :, power], (bins, np.where(right, RIGHT, WRONG)), weight**power)
    return sums


def fields_of(part: Slice) -> Fields:
    """The hash fields of a worker's increment, or of a whole slice."""
    fields = {f"{part.first}:requests": float(part.requests)}
    for kind, weights in (("unknown", part.unknown), ("judged", part.judged)):
        for at in np.flatnonzero(weights):
            fields[f"{part.first}:{kind}:{at}"] = float(weights[at])
    for at in np.flatnonzero(part.gate):
        fields[f"{part.first}:gate:{GATE[at]}"] = float(part.gate[at])
    for at, outcome, power in zip(*np.nonzero(part.sums), strict=True):
        fields[f"{part.first}:{OUTCOMES[outcome]}:{at}:{power}"] = float(part.sums[at, outcome, power])
    return fields


def add_up(parts: Iterable[Mapping[str, float]]) -> Fields:
    """The hash after all these increments, in any order."""
    total: Fields = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total


def slices_of(fields: Mapping[str, float]) -> list[Slice]:
    """The slices in the hash, oldest first. Unknown fields, such as a later release's, are ignored."""
    found: dict[int, Slice] = {}
    for name, value in fields.items():
        field_of = _FIELD.fullmatch(name)
        if field_of is None or int(field_of["bin"] or 0) >= BINS:
            continue
        version, at = int(field_of["version"]), int(field_of["bin"] or 0)
        part = found.get(version) or Slice(version, 0.0, np.zeros((BINS, len(OUTCOMES), POWERS)))
        if field_of["outcome"]:
            part.sums[at, OUTCOMES.index(field_of["outcome"]), int(field_of["power"])] = value
        elif field_of["gate"]:
            part.gate[GATE.index(field_of["gate"])] = value
        elif field_of["kind"]:
            (part.unknown if field_of["kind"] == "unknown" else part.judged)[at] = value
        else:
            part = replace(part, requests=value)
        found[version] = part
    return [found[version] for version in sorted(found)]


_FIELD = re.compile(
    rf"(?P<version>\d{{1,18}}):(?:requests|gate:(?P<gate>{'|'.join(GATE)})|"
    r"(?:(?P<kind>unknown|judged)|(?P<outcome>right|wrong)):(?P<bin>\d{1,4})"
    r"(?(outcome):(?P<power>[012])))"
)


def compact(slices: Sequence[Slice]) -> list[Slice]:
    """At most eight slices with about the same number of requests, covering the last `WINDOW` requests."""
    kept = list(slices)
    while len(kept) > SLICES:
        pairs = [kept[at].requests + kept[at + 1].requests for at in range(len(kept) - 1)]
        at = int(np.argmin(pairs))
        kept[at : at + 2] = [kept[at].joined(kept[at + 1])]
    while len(kept) > 1 and sum(part.requests for part in kept) > WINDOW:
        del kept[0]
    return kept
