"""Learns from the answers that a worker publishes: each is reported here once, after Redis has accepted it."""

from askonce.contract.audit import By, Label
from askonce.contract.completion import CompletionVerdict, verdict
from askonce.question import Question
from askonce_worker.answering.ports import Completion, Finished
from askonce_worker.audit.comparing import are_numbers, compare, is_plain
from askonce_worker.audit.looks import Look
from askonce_worker.auditing.late_checks import LateChecks
from askonce_worker.auditing.policies import Policies
from askonce_worker.auditing.ports import Judging, Pair
from askonce_worker.auditing.recorder import Recorder
from askonce_worker.auditing.serving import group_of

MOST_SHOWN = 1000
"""Characters of a text in a label, for people."""


class Auditor:
    def __init__(self, recorder: Recorder, policies: Policies, judging: Judging, late: LateChecks) -> None:
        self._recorder = recorder
        self._policies = policies
        self._judging = judging
        self._late = late

    def published(self, finished: list[Finished]) -> None:
        for item in finished:
            if item.answer.status == "answered":
                self._answered(item)

    def _answered(self, item: Finished) -> None:
        question, look = item.question, item.look
        version = self._policies.of(group_of(question)).version if look is None else look.version
        # Answers of provider batches were not examined, so they are not in the ledger.
        self._recorder.answered(question, None if item.answer.tier == "batch" else version)
        if item.answer.source == "semantic":
            self._recorder.seen(question, unchecked=1)
        if look is None:
            return
        if look.found == "late":
            self._late.check(question, look, lambda completion: self._compare(item, look, completion))
        elif look.found == "served":
            self._recorder.label(question, _label(item, look, None, ""), waits=True)
        else:
            body = item.answer.body
            own = item.answer.source == "llm" or item.answer.matched_question == question.text  # asked for by its equal
            self._compare(item, look, Completion(dict(body)) if own and body is not None else None)

    def _compare(self, item: Finished, look: Look, completion: Completion | None) -> None:
        """completion: the question's own; None if there is none."""
        if completion is None or not look.comparable or verdict(completion.body) is not CompletionVerdict.GOOD:
            self._recorder.unknown(item.question, look.version, look.bin, _weight(item, look))
            return
        pair = Pair(item.question, look, completion.body)
        if not is_plain(look.body):  # those that are equal, too: see `auditing/judge.py`
            by: By = "answers" if compare(pair.fresh, look.body) else "judge"
            self._judging.put(pair, lambda said: self._note(item, look, said, by))
        elif compare(pair.fresh, look.body):
            self._note(item, look, True, "answers")
        elif look.found == "miss" or are_numbers(pair.fresh, look.body):
            self._note(item, look, False, "answers")
        else:  # 'Yes.' and 'Yes, it is.': with a judge, that does not make a hit wrong
            self._judging.put(
                pair, lambda said: self._note(item, look, bool(said), "answers" if said is None else "judge")
            )

    def _note(self, item: Finished, look: Look, right: bool | None, by: By) -> None:
        question = item.question
        self._recorder.label(question, _label(item, look, right, by), waits=right is None)
        if right is not None and look.found in {"check", "late"}:
            self._recorder.seen(question, **_sums(item, look, right=right, by=by))


def _weight(item: Finished, look: Look) -> float:
    return item.count / look.chance


def _sums(item: Finished, look: Look, *, right: bool, by: By) -> dict[str, float]:
    """The sums of `audit/rate.py`, in which a check stands for unchecked hits."""
    stands_for = item.count * (1 - look.chance) / look.chance
    sums = {"checks": 1.0, "stood_for": stands_for, "squares": stands_for**2}
    if not right:
        sums |= {"wrong": stands_for, "wrong_squares": stands_for**2}
    served = item.count if look.found == "late" else 0
    if served:
        sums |= {"unchecked": -served, "served_wrong": 0.0 if right else served}
    if by == "judge":
        sums["same" if right else "different"] = stands_for + served
    return sums


def _label(item: Finished, look: Look, right: bool | None, by: By) -> Label:
    question: Question = item.question
    return Label(
        group=group_of(question),
        asked=question.fingerprint,
        entry=look.entry,
        question=question.text[:MOST_SHOWN],
        matched=look.matched[:MOST_SHOWN],
        similarity=look.similarity,
        margin=look.margin,
        density=look.density,
        score=look.score,
        version=look.version,
        bin=look.bin,
        found=look.found,
        right=right,
        by="" if right is None else by,
        weight=_weight(item, look),
        judged=right if by == "judge" else None,
        gate=look.gate,
    )
