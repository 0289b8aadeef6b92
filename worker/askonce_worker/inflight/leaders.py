"""One worker's view of a shard's leaders, and which of them a question may follow. No I/O, no clock.

A question follows under the rules of a cache hit: the same scope and epochs and either the same fingerprint, or a
vector of the same embedding model that meets the question's threshold and a text that the guard accepts. Settled
leaders are kept for a while, so that a question that read the caches before the answer was stored still finds it here.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from askonce_worker.answering.coalescing import Follow
from askonce_worker.inflight.dropped import Dropped
from askonce_worker.inflight.leader import Change, Claimant, Conflict, Ended, Leader, Led, Reported, Share
from askonce_worker.inflight.vectors import Rows
from askonce_worker.matching.sameness import is_indistinct

MOST_GUARDED = 16
"""Maximum candidates that the guard checks for one question, most similar first."""


SETTLED_FOR = 120.0
"""Seconds for which settled leaders are kept. Until Qdrant, which may be slow, has its vector, an answer can only be
found here. A lookup that takes longer must be repeated."""


@dataclass(slots=True)
class TrackedLeader:
    leader: Leader
    led: int
    """Tick at which it entered the view."""
    ended: int | None = None
    share: Share = "none"
    reusable_until: float = 0.0
    reusable_until_ms: float = 0.0  # by Redis's clock, because a worker that was suspended reads of the end late


class View:
    """tick: counts the changes. floor: a lookup begun before this tick may have missed leaders no longer kept here."""

    def __init__(
        self,
        embedding: str,
        conflict: Conflict,
        *,
        reported: Reported = lambda _, __: False,
        dropped: Dropped | None = None,
        settled_most: int = 2048,
        settled_for: float = SETTLED_FOR,
    ) -> None:
        self.tick = 0
        self.floor = 0
        self._embedding = embedding
        self._conflict = conflict
        self._reported = reported
        self._settled_most = settled_most
        self._settled_for = settled_for
        self._known: dict[str, TrackedLeader] = {}
        self._same: dict[tuple[str, str], list[str]] = {}
        self._similar: dict[tuple[str, str, int], Rows] = {}
        self._dropped = dropped or Dropped()
        self._settled: deque[tuple[float, str]] = deque()

    def is_live(self, leader: str) -> bool:
        known = self._known.get(leader)
        return known is not None and known.ended is None

    def live(self) -> list[Leader]:
        return [known.leader for known in self._known.values() if known.ended is None]

    def apply(self, change: Change, now: float) -> None:
        """now: seconds of any clock that never goes back."""
        self.tick += 1
        if isinstance(change, Led):
            self._add(TrackedLeader(change.leader, self.tick))
        else:
            self._end(change, now)
        self._forget(now)

    def replace(self, leaders: Iterable[Leader], now: float) -> None:
        """Replaces the view by a snapshot. Leaders settled meanwhile are unknown, so older lookups must be repeated."""
        self.tick += 1
        self.floor = self.tick
        live = {leader.id: leader for leader in leaders}
        for known in list(self._known.values()):
            if known.ended is None and known.leader.id not in live:
                self._drop(known.leader.id)
        for leader in live.values():
            self._add(TrackedLeader(leader, self.tick))
        self._forget(now)

    def since(self, tick: int) -> "View":
        """Only those added after this tick."""
        later = View(self._embedding, self._conflict, reported=self._reported)
        newest_first = takewhile(lambda known: known.led > tick, reversed(self._known.values()))
        for known in reversed(list(newest_first)):
            later._add(known)
        return later

    def drop_answer(self, fingerprint: str) -> None:
        """Later questions must not get a settled answer to it."""
        for known in self._known.values():
            if known.leader.fingerprint == fingerprint:
                known.reusable_until = 0.0

    def match(self, claims: Sequence[Claimant], now: float) -> list[Follow | None]:
        """The leader to follow for each question: one with the same fingerprint, else the most similar."""
        found = [self._same_fingerprint(claim, now) for claim in claims]
        groups: dict[tuple[str, str, int], list[int]] = {}
        for at, claim in enumerate(claims):
            key = self._group(claim.leader)
            if found[at] is None and claim.ask.may_follow and key is not None and key in self._similar:
                groups.setdefault(key, []).append(at)
        for key, indexes in groups.items():
            vectors = [vector for at in indexes if (vector := claims[at].leader.vector) is not None]
            near = self._similar[key].near(vectors, [claims[at].ask.threshold for at in indexes])
            for at, candidates in zip(indexes, near, strict=True):
                found[at] = self._best(claims[at], candidates, now)
        return found

    def _same_fingerprint(self, claim: Claimant, now: float) -> Follow | None:
        if not claim.ask.may_follow:
            return None
        for name in self._same.get((claim.leader.fingerprint, claim.leader.epochs), ()):
            if self._is_open(self._known[name], claim, now, same=True):
                return _follow(claim, self._known[name].leader, 1.0, same=True)
        return None

    def _best(self, claim: Claimant, candidates: list[tuple[float, str]], now: float) -> Follow | None:
        guarded = 0
        for similarity, name in candidates:
            known = self._known[name]
            if not self._is_open(known, claim, now, same=False):
                continue
            if self._may_follow(claim.leader, known.leader, similarity):
                return _follow(claim, known.leader, similarity)
            guarded += 1
            if guarded == MOST_GUARDED:
                break
        return None

    def _may_follow(self, claimant: Leader, leader: Leader, similarity: float) -> bool:
        if self._conflict(claimant.text, leader.text) is not None:
            return False
        if is_indistinct(claimant.text, leader.text, similarity):
            return False
        return not self._reported(claimant.fingerprint, leader.fingerprint)

    def _is_open(self, known: TrackedLeader, claim: Claimant, now: float, *, same: bool) -> bool:
        if known.leader.id in claim.ask.avoids:
            return False
        if known.ended is None:
            return claim.ask.patient or not known.leader.slow
        if known.share == "same" and not same:
            return False
        if known.ended > claim.position:
            return True
        return now < known.reusable_until and claim.ask.asked_ms < known.reusable_until_ms

    def _add(self, known: TrackedLeader) -> None:
        leader = known.leader
        if leader.id in self._known:
            return
        self._known[leader.id] = known
        self._same.setdefault((leader.fingerprint, leader.epochs), []).append(leader.id)
        key = self._group(leader)
        if key is not None and leader.vector is not None:
            rows = self._similar.get(key)
            if rows is None:
                rows = self._similar[key] = Rows(key[2])
            rows.add(leader.id, leader.vector)

    def _group(self, leader: Leader) -> tuple[str, str, int] | None:
        """Leaders whose vectors may be compared. Across embedding models, only equal fingerprints match."""
        if leader.vector is None or leader.embedding != self._embedding:
            return None
        return leader.scope, leader.epochs, len(leader.vector)

    def _end(self, change: Ended, now: float) -> None:
        known = self._known.get(change.leader)
        if known is None or known.ended is not None:
            return
        if change.share == "none" or self._dropped.includes(known.leader.fingerprint, change.at):
            self._drop(change.leader)
            return
        known.ended = self.tick
        known.share = change.share
        known.reusable_until = now + min(abs(change.reusable), self._settled_for)
        known.reusable_until_ms = change.at + 1000 * min(max(0.0, change.reusable), self._settled_for)
        self._settled.append((now + self._settled_for, change.leader))

    def _forget(self, now: float) -> None:
        """Drops settled leaders that were kept long enough, or are too many."""
        while self._settled and (self._settled[0][0] <= now or len(self._settled) > self._settled_most):
            _, name = self._settled.popleft()
            self.floor = max(self.floor, self._known[name].ended or 0)
            self._drop(name)

    def _drop(self, name: str) -> None:
        leader = self._known.pop(name).leader
        same = self._same[leader.fingerprint, leader.epochs]
        same.remove(name)
        if not same:
            del self._same[leader.fingerprint, leader.epochs]
        key = self._group(leader)
        if key is not None:
            self._similar[key].remove(name)
            if not self._similar[key].names:
                del self._similar[key]


def _follow(claim: Claimant, leader: Leader, similarity: float, *, same: bool = False) -> Follow:
    """Records whose answer it is, because the view may have dropped the leader before the answer arrives."""
    ask = claim.ask
    text = ask.text if same else leader.text
    return Follow(leader.id, text, similarity, same, ask.scope, ask.asked_ms, leader.fingerprint)
