"""Plays calls in chronological order: each in every world, given what came before it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from askonce.contract.completion import CompletionVerdict, verdict
from askonce.json_values import loads
from askonce_worker.replay.candidates import Candidates
from askonce_worker.replay.labels import Labels
from askonce_worker.replay.money import Costs
from askonce_worker.replay.nearest import Near
from askonce_worker.replay.risky import Pair, Risky
from askonce_worker.replay.sums import Sums
from askonce_worker.replay.tally import Played
from askonce_worker.replay.texts import Texts
from askonce_worker.replay.windows import Item
from askonce_worker.replay.world import Kind, Outcome, World

FOR_EVER = float("inf")
Body = Mapping[str, Any] | None
"""The call's answer; without choices if the log has only its usage; None if it has neither."""


@dataclass(frozen=True, slots=True)
class Player:
    """main: index of the configured world. ttl: seconds for which an answer serves; infinite if the log has no times.
    candidates: None if nothing is matched by similarity."""

    worlds: Sequence[World]
    main: int
    ttl: float
    candidates: Candidates | None
    texts: Texts
    labels: Labels
    costs: Costs
    sums: Sums
    risky: Risky

    def play(self, window: Sequence[Item], on: Callable[[], None]) -> None:
        near = self._near(window)
        led = []
        for at, item in enumerate(window):
            passing = self.candidates.passing(item, near[at]) if self.candidates is not None and at in near else []
            body = None if item.call.body is None else loads(item.call.body)
            now, number = item.call.asked, item.number
            outcomes = [world.look_up(number, now, item.reuse, passing) for world in self.worlds]
            if self._lead(item, body, outcomes):
                led.append(item)
            played = self._played(item, body, outcomes)
            self.sums.add(item.question, now, played)
            self._note_risk(item, played)
            on()
        if self.candidates is not None and window:
            self.candidates.store(led, self._until, window[-1].call.asked)

    def _near(self, window: Sequence[Item]) -> dict[int, list[Near]]:
        """By index in the window. Questions that every world has in its cache are not searched for."""
        if self.candidates is None:
            return {}
        places = [at for at, item in enumerate(window) if item.vector is not None and not self._is_everywhere(item)]
        return dict(zip(places, self.candidates.near([window[at] for at in places]), strict=True))

    def _is_everywhere(self, item: Item) -> bool:
        return item.reuse.from_cache and all(world.is_cached(item.number, item.call.asked) for world in self.worlds)

    def _until(self, number: int) -> float:
        return max(world.until(number) for world in self.worlds)

    def _lead(self, item: Item, body: Body, outcomes: Sequence[Outcome]) -> bool:
        """In worlds where nothing served it, make the call and keep its answer if it is good. Returns whether any
        did."""
        ready = item.call.asked + (item.call.seconds or 0.0)
        known = body is not None and body["choices"]
        kept = item.reuse.kept and (not known or verdict(body or {}) is CompletionVerdict.GOOD)
        until = ready + self.ttl if kept else ready
        missed = [world for world, each in zip(self.worlds, outcomes, strict=True) if each.kind is Kind.miss]
        for world in missed:
            world.lead(item.number, item.call.number, ready, until)
        return bool(missed)

    def _played(self, item: Item, body: Body, outcomes: list[Outcome]) -> Played:
        call, main = item.call, outcomes[self.main]
        judged: dict[int, bool | None] = {}
        for each in outcomes:
            if each.kind is not Kind.miss and each.source not in judged and (each.other or each is main):
                judged[each.source] = self.labels.judge(call.number, each.source)
        rights = [judged[each.source] if each.other else None for each in outcomes]
        repeat = judged.get(main.source) if main.kind is not Kind.miss and not main.other else None
        cost = self.costs.of(item.question.model or "", body, call.cost)
        return Played(outcomes, rights, repeat, cost, call.seconds)

    def _note_risk(self, item: Item, played: Played) -> None:
        outcome, right = played.outcomes[self.main], played.rights[self.main]
        if not outcome.other:
            return
        question = item.question
        texts = question.text, self.texts.text_of(outcome.number)
        if self.risky.takes(right, outcome.similarity, texts):
            self.risky.add(
                Pair(
                    *texts,
                    same=right,
                    similarity=round(outcome.similarity, 5),
                    namespace=question.namespace or "",
                    model=question.model or "",
                    template=question.template,
                    answer_a=self.labels.text_of(item.call.number),
                    answer_b=self.labels.text_of(outcome.source),
                )
            )
