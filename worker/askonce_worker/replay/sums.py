"""The sums of a replay: in total, by group and over time."""

from collections.abc import Callable, Iterable, Mapping

from askonce.question import Question
from askonce_worker.replay.tally import Played, Tally

GROUPS = 500
"""Models, templates or namespaces with their own tally; later ones share one."""
OTHERS = "(others)"
NONE = "(none)"
SHOWN = 200
"""Characters of a template."""
BUCKETS = 48
AGES = (
    (3600.0, "in the first hour"),
    (86_400.0, "in the rest of the first day"),
    (604_800.0, "of the first week"),
    (2_592_000.0, "of the first month"),
)
LATER = "after the first month"
KEYS: Mapping[str, Callable[[Question], str]] = {
    "model": lambda question: question.model or "",
    "template": lambda question: (question.template or NONE)[:SHOWN],
    "namespace": lambda question: question.namespace or "",
}


class Sums:
    """worlds: their number; main: index of the configured one. calls: total number of calls.

    span: first and last time of the log; None if it has no times, and then the growth is by the order of calls.
    """

    def __init__(self, worlds: int, main: int, span: tuple[float, float] | None, calls: int) -> None:
        self.total = Tally(worlds)
        self.groups: dict[str, dict[str, Tally]] = {name: {} for name in KEYS}
        self.ages: dict[str, Tally] = {}
        self.buckets: dict[int, Tally] = {}
        self.span = span
        self._worlds = worlds
        self._main = main
        self._calls = max(1, calls)

    def add(self, question: Question, asked: float, played: Played) -> None:
        tallies = [self.total, self._bucket(asked), *self._groups(question)]
        if self.span is not None:
            tallies.append(self._of(self.ages, _age(asked - self.span[0])))
        for tally in tallies:
            tally.add(played, self._main)

    def bucket_start(self, at: int) -> float:
        """Unix seconds, or the number of calls before it if the log has no times."""
        if self.span is None:
            return at * self._calls / BUCKETS
        return self.span[0] + at * (self.span[1] - self.span[0]) / BUCKETS

    def _groups(self, question: Question) -> Iterable[Tally]:
        for name, key_of in KEYS.items():
            known, key = self.groups[name], key_of(question)
            yield self._of(known, key if key in known or len(known) < GROUPS else OTHERS)

    def _bucket(self, asked: float) -> Tally:
        if self.span is None:
            at = self.total.calls * BUCKETS // self._calls
        else:
            first, last = self.span
            at = int((asked - first) / (last - first) * BUCKETS) if last > first else 0
        at = min(at, BUCKETS - 1)
        if at not in self.buckets:
            self.buckets[at] = Tally(self._worlds)
        return self.buckets[at]

    def _of(self, known: dict[str, Tally], key: str) -> Tally:
        if key not in known:
            known[key] = Tally(self._worlds)
        return known[key]


def _age(seconds: float) -> str:
    return next((name for end, name in AGES if seconds < end), LATER)
