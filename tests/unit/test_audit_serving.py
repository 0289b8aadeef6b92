"""Which match is served, checked or asked under a policy, and what is looked at."""

from dataclasses import replace

import numpy as np
import pytest

from askonce import Question
from askonce.contract.completion import text_body
from askonce_worker.answering.ports import Entry
from askonce_worker.answering.serving import NOTHING, Hit
from askonce_worker.audit.policy import Policy
from askonce_worker.auditing.policies import OnePolicy
from askonce_worker.auditing.ports import NoJudge
from askonce_worker.auditing.serving import AuditedServing
from askonce_worker.matching.match import Matcher

VECTOR = np.array([1, 0, 0, 0], np.float32)
ASKED = Question("How tall is the red tower?", model="m", namespace="n", job_id="j")
LEARNT = np.zeros(8, np.float32)


class OpenJudge(NoJudge):
    is_open = True


def serving(policy, *, judge=None, misses=True, tier="standard", profile=0.95):
    matcher = Matcher(threshold=0.7, max_chars=1000)
    policies = OnePolicy(policy)
    return AuditedServing(matcher, policies, judge or NoJudge(), profile=profile, misses=misses, bulk_tier=tier)


def hit(similarity=0.9, answer="300 m", question="What height has the red tower?", vector=None):
    entry = Entry("e", question, "s", "0.0.0.0", 0, 9, text_body(answer, model="m"))
    return Hit(entry, similarity, vector)


def chosen(policy, *found, lane="bulk", question=ASKED, **options):
    return serving(policy, **options).choose(question, lane, VECTOR, found or [hit()])


def test_a_score_below_the_threshold_is_asked_and_looked_at():
    choice = chosen(Policy(3, 0.95, 0.5))
    assert choice.hit is None
    assert choice.spare is None
    assert (choice.look.found, choice.look.comparable, choice.look.chance, choice.look.version) == (
        "miss",
        True,
        1.0,
        3,
    )
    assert chosen(Policy(3, 0.95, 0.5), misses=False).look is None
    assert chosen(Policy(3, None, 0.5)).hit is None


def test_a_hit_is_served_and_not_looked_at_where_no_check_is_drawn():
    choice = chosen(Policy(3, 0.8, 1e-9))
    assert choice.hit is not None
    assert choice.look is None


def test_a_check_is_asked_alone_in_the_bulk_lane_and_afterwards_in_the_other():
    bulk = chosen(Policy(3, 0.8, 1.0))
    assert (bulk.hit, bulk.spare is not None, bulk.look.found) == (None, True, "check")
    waits = chosen(Policy(3, 0.8, 1.0), lane="interactive")
    assert waits.hit is not None
    assert (waits.spare, waits.look.found) == (None, "late")
    batch = chosen(Policy(3, 0.8, 1.0), tier="batch")
    assert batch.hit is not None
    assert (batch.spare, batch.look.found) == (None, "late")


def test_what_nobody_can_judge_is_served():
    answer = "The tower is as tall as three hundred people are long."
    choice = chosen(Policy(3, 0.8, 1.0), hit(answer=answer))
    assert choice.hit is not None
    assert (choice.look.found, choice.look.comparable) == ("served", False)


async def test_what_is_decided_between_the_search_and_the_choice_waits_for_the_next_search():
    class Changing(OnePolicy):
        async def refresh(self, groups):
            pass

    policies = Changing(Policy(3, 0.8, 1e-9))
    audited = AuditedServing(
        Matcher(threshold=0.7, max_chars=1000), policies, NoJudge(), profile=0.95, misses=True, bulk_tier="standard"
    )
    prepared = await audited.prepare([ASKED])
    assert not prepared.needs_vectors(ASKED)
    object.__setattr__(policies, "policy", Policy(4, -0.5, 1e-9, LEARNT))
    assert audited.needs_vectors(ASKED)
    assert prepared.choose(ASKED, "bulk", VECTOR, [hit()]).hit is not None


def test_sentences_are_looked_at_where_a_judge_is_open():
    sentence = hit(answer="The tower is as tall as three hundred people are long.")
    assert chosen(Policy(3, 0.8, 1.0), sentence, judge=OpenJudge()).spare
    missed = chosen(Policy(3, 0.95, 1.0), sentence)
    assert (missed.look.comparable, missed.look.chance) == (False, 1.0)
    looks = [
        chosen(Policy(3, 0.95, 1.0), sentence, judge=OpenJudge(), question=replace(ASKED, job_id=f"j{number}")).look
        for number in range(400)
    ]
    drawn = [look for look in looks if look is not None]
    assert {look.chance for look in drawn} == {0.5}
    assert 150 < len(drawn) < 250


def test_the_same_job_meets_the_same_fate_and_others_are_drawn_by_chance():
    policy = Policy(3, 0.8, 0.25)
    fates = [chosen(policy, question=replace(ASKED, job_id=f"j{number}")).spare is not None for number in range(1000)]
    assert fates == [
        chosen(policy, question=replace(ASKED, job_id=f"j{number}")).spare is not None for number in range(1000)
    ]
    assert 190 < sum(fates) < 310


def test_the_nearest_that_no_rule_refuses_is_scored_among_all_candidates():
    refused = hit(0.98, question="How tall is the blue tower, 20 years ago?")
    choice = chosen(Policy(3, 0.8, 1.0), refused, hit(0.9), hit(0.86))
    assert (choice.look.entry, choice.look.similarity) == ("e", 0.9)
    assert (choice.look.margin, choice.look.density) == (pytest.approx(0.04), pytest.approx(0.913333, abs=1e-5))


def test_a_questions_own_threshold_is_kept():
    strict = replace(ASKED, threshold=0.97)
    assert chosen(Policy(3, 0.8, 1e-9), question=strict).hit is None
    assert chosen(Policy(3, 0.8, 1e-9), hit(0.975), question=strict).hit is not None


def test_a_learnt_score_takes_the_vectors_and_without_them_the_question_is_asked():
    policy = Policy(3, -0.5, 1e-9, LEARNT)
    assert chosen(policy, hit(vector=VECTOR)).hit is not None
    for without in (hit(), hit(vector=np.zeros(9, np.float32))):
        assert chosen(policy, without).hit is None
    assert serving(policy).needs_vectors(ASKED)
    assert not serving(Policy(3, 0.8, 0.5)).needs_vectors(ASKED)


@pytest.mark.parametrize(("policy", "profile", "joins"), [
    (Policy(3, 0.8, 0.5), 0.95, 0.95),
    (Policy(3, 0.97, 0.5), 0.95, 0.97),
    (Policy(3, -0.5, 0.5, LEARNT), 0.95, 0.95),
    (Policy(3, None, 0.5), 0.95, 2.0),
    (Policy(3, 0.8, 0.5), None, 2.0),
])  # fmt: skip
def test_what_joins_in_flight_is_never_looser_than_what_is_checked(policy, profile, joins):
    matcher = Matcher(threshold=0.7, max_chars=1000)
    assert serving(policy, profile=profile).joins(ASKED, matcher.reuse(ASKED)) == joins
    strict = replace(ASKED, threshold=0.99)
    assert serving(policy, profile=profile).joins(strict, matcher.reuse(strict)) == max(0.99, joins)


def test_an_entry_that_is_not_as_it_should_be_costs_its_question_a_call_and_nothing_else():
    broken = hit()
    broken = replace(broken, entry=replace(broken.entry, body={"choices": [None]}))
    assert chosen(Policy(3, 0.8, 1.0), broken) == NOTHING
