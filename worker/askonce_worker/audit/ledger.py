"""The ledger of a group: what was served rightly and wrongly, or would have been, by score and by time.

It is kept as fields of a hash, so that any number of workers add to it at once, each with increments of its own:

    {version}:requests                    how many questions the group had while this version of its policy was in force
    {version}:{right|wrong}:{bin}:{power} of the matches that were looked at, the sum of their weights to this power
                                          (a weight is the inverse of the chance that it would be looked at)
    {version}:unknown:{bin}               the weights of those of which nobody could tell whether they were right
    {version}:judged:{bin}                the weights of those that the judge, who may be wrong, called right
    {version}:gate:{name}                 of the judge as a gate, as in `GATE`

A version is a slice of time. `compact` makes eight of many.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from askonce_worker.audit.scale import BINS

SLICES = 8
WINDOW = 8000
"""Requests that a ledger looks back on, at most."""
POWERS = 3
OUTCOMES = ("right", "wrong")
RIGHT, WRONG = 0, 1
GATE = ("asked", "cost", "served", "saved", "wrong", "squares")
"""Matches that it was asked about, and what that cost; those that it let serve, and what their calls would have cost;
of the wrong ones among the checks of these, the sums of the weights and of their squares."""

Fields = dict[str, float]
Sums = NDArray[np.float64]
"""Of one slice: bins x outcomes x powers of the weight."""
Unknown = NDArray[np.float64]
"""Of one slice, by bin."""


@dataclass(frozen=True, slots=True)
class Slice:
    """first: the version of the policy that it begins with. unknown: the weights of the matches without a label.
    judged: of those that are right by the judge's word alone. gate: as in `GATE`."""

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
        """What so large a part of it holds, if it is alike all through."""
        sums, unknown, judged = share * self.sums, share * self.unknown, share * self.judged
        return Slice(self.first, share * self.requests, sums, unknown, judged, share * self.gate)


def sums_of(bins: NDArray[np.intp], right: NDArray[np.bool_], weight: NDArray[np.float64]) -> Sums:
    """The sums of some labels, one row each: the bin of the score, whether the match was right, and the weight."""
    sums = np.zeros((BINS, len(OUTCOMES), POWERS))
    for power in range(POWERS):
        np.add.at(sums[:, :, power], (bins, np.where(right, RIGHT, WRONG)), weight**power)
    return sums


def fields_of(part: Slice) -> Fields:
    """What a worker adds to the hash; also a whole slice."""
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
    """The hash after all these increments, in whatever order they come."""
    total: Fields = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total


def slices_of(fields: Mapping[str, float]) -> list[Slice]:
    """The slices that the hash holds, the oldest first. Other fields, as of a later release, are left alone."""
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
    """At most eight slices of about the same number of requests, over the last `WINDOW` of them."""
    kept = list(slices)
    while len(kept) > SLICES:
        pairs = [kept[at].requests + kept[at + 1].requests for at in range(len(kept) - 1)]
        at = int(np.argmin(pairs))
        kept[at : at + 2] = [kept[at].joined(kept[at + 1])]
    while len(kept) > 1 and sum(part.requests for part in kept) > WINDOW:
        del kept[0]
    return kept
