"""Which questions lead and which follow in one batch of claims. The claimant alone decides. No I/O, no clock.

A batch is compared with everything the worker knows, and within itself. Questions that match nothing are proposed as
leaders. If others came first, the rest is compared with only the newcomers, and proposed again.
"""

from collections.abc import Iterator, Sequence

from askonce_worker.answering.coalescing import Follow, Lead, Stale
from askonce_worker.inflight.leader import Claimant, Ended, Led
from askonce_worker.inflight.leaders import View

Decision = Lead | Follow | Stale


class Round:
    """proposals: the claims that would lead, in order. The rest follow them, once they do."""

    def __init__(self, view: View, claims: Sequence[Claimant]) -> None:
        self.proposals: list[Claimant] = []
        self._view = view
        self._new = list(claims)
        self._proposed = view.since(view.tick)
        self._followers: list[tuple[Claimant, Follow]] = []
        self._compared: int | None = None

    def decide(self, now: float) -> list[tuple[Claimant, Decision]]:
        """Decides what is certain. `proposals` are for the script, if the feed still ends where the view does."""
        undecided = [*self._new, *self.proposals, *(claim for claim, _ in self._followers)]
        certain = list(self._of_itself(undecided))
        done = {claim.leader.id for claim, _ in certain}
        undecided = [claim for claim in undecided if claim.leader.id not in done]
        news = self._view if self._compared is None else self._view.since(self._compared)
        self._compared = self._view.tick
        for claim, follow in zip(undecided, news.match(undecided, now), strict=True):
            if follow is not None:
                certain.append((claim, follow))
        self._leave_out({claim.leader.id for claim, _ in certain})
        self._compare_among_themselves(now)
        return certain

    def appended(self) -> list[tuple[Claimant, Decision]]:
        """Makes the proposals leaders."""
        leads: list[tuple[Claimant, Decision]] = [(claim, _lead(claim)) for claim in self.proposals]
        return leads + list(self._followers)

    def _of_itself(self, claims: Sequence[Claimant]) -> Iterator[tuple[Claimant, Decision]]:
        """Finds the worker's own leaders among the news: the script ran, but its reply was lost."""
        for claim in claims:
            if self._view.is_live(claim.leader.id):
                yield claim, _lead(claim)
            elif claim.position < self._view.floor and claim.ask.may_follow:
                yield claim, Stale()

    def _leave_out(self, done: set[str]) -> None:
        """Followers of these are compared again."""
        self._new = [claim for claim in self._new if claim.leader.id not in done]
        self._new += [
            claim for claim, follow in self._followers if follow.leader in done and claim.leader.id not in done
        ]
        self._followers = [
            (claim, follow) for claim, follow in self._followers if not {claim.leader.id, follow.leader} & done
        ]
        for claim in self.proposals:
            if claim.leader.id in done:
                self._proposed.apply(Ended(claim.leader.id, "none"), 0.0)
        self.proposals = [claim for claim in self.proposals if claim.leader.id not in done]

    def _compare_among_themselves(self, now: float) -> None:
        several = len(self._new) + len(self.proposals) > 1
        for claim in self._new:
            follow = self._proposed.match([claim], now)[0] if several else None
            if follow is not None:
                self._followers.append((claim, follow))
                continue
            self.proposals.append(claim)
            if several:
                self._proposed.apply(Led(claim.leader), now)
        self._new = []


def _lead(claim: Claimant) -> Lead:
    return Lead(claim.leader.id, claim.ask.scope)
