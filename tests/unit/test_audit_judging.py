"""What a judge is asked, how its reply is read, and what becomes of a judge who fails."""

import asyncio
import itertools
from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce import Question
from askonce.contract.completion import text_body
from askonce.prices.load import NoPrices
from askonce_worker.answering.ports import Completion, LLMError
from askonce_worker.audit.judging import Compared, message, read_verdicts
from askonce_worker.audit.ledger import Slice
from askonce_worker.audit.looks import Look
from askonce_worker.audit.scale import BINS, COSINE
from askonce_worker.audit.threshold import choose
from askonce_worker.auditing.judge import Judge
from askonce_worker.auditing.judge_calls import JudgeCalls
from askonce_worker.auditing.ports import Pair


@given(st.lists(st.text(), min_size=3, max_size=3))
def test_no_text_leaves_its_quotes(texts):
    line = message([Compared(*texts)])
    assert "\n" not in line
    assert orjson.loads(line) == dict(zip(("question", "a", "b"), texts, strict=True))


@pytest.mark.parametrize("reply", ["S", "SDS", "S D maybe", "same, different", "", "1S 2D", "S\nD\nS"])
def test_a_reply_that_is_not_as_it_should_be_says_nothing(reply):
    assert read_verdicts(reply, 2, "SD") is None


@pytest.mark.parametrize("reply", ["SD", "s, d", "S\nD\n", "S D."])
def test_a_letter_a_pair_is_a_verdict(reply):
    assert read_verdicts(reply, 2, "SD") == [True, False]


class Ledger:
    """As the one in Redis, in memory."""

    def __init__(self, left=1000):
        self.left, self.known, self.figures = left, {}, {}

    async def verdicts(self, pairs):
        return [self.known.get(pair) for pair in pairs]

    async def reserve(self, cost):
        self.left -= 1
        return 20_000 if self.left >= 0 else None

    async def settle(self, figures, said, *, day=None):
        assert day in {None, 20_000}
        self.known |= said
        for name, count in figures.items():
            self.figures[name] = self.figures.get(name, 0) + count


class LLM:
    def __init__(self, *replies):
        self.replies, self.asked = list(replies), []

    async def complete(self, question, **_):
        self.asked.append(question)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return Completion(text_body(reply, model="judge"))


def judge_of(llm, ledger, **options):
    return Judge(JudgeCalls(llm, ledger, NoPrices(), model="judge", timeout=30), ledger, **options)


def pair(text, found="check", fresh=None):
    body = text_body("the cached answer", model="m")
    look = Look(None, found, True, f"e{text}", "m", body, "", 0.9, 0.0, 0.9, 0.9, 0, 5, 0.5)
    question = Question(text, model="m", namespace="n", job_id="j")
    return Pair(question, look, text_body(fresh or f"the fresh answer to {text}", model="m"))


async def judged(judge, *pairs):
    """What is said of each."""
    said, done = {}, asyncio.Event()

    def told(at, verdict):
        said[at] = verdict
        if len(said) == len(pairs):
            done.set()

    run = asyncio.create_task(judge.run())
    for at, each in enumerate(pairs):
        judge.put(each, lambda verdict, at=at: told(at, verdict))
    await asyncio.wait_for(done.wait(), 30)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    return [said[at] for at in range(len(pairs))]


async def test_several_pairs_go_in_one_call_and_are_remembered():
    llm, ledger = LLM("SS"), Ledger()
    assert await judged(judge_of(llm, ledger), pair("a"), pair("b")) == [True, True]
    assert await judged(judge_of(llm, ledger), pair("a")) == [True]
    assert len(llm.asked) == 1
    assert ledger.figures["pairs"] == 2


async def test_texts_of_two_namespaces_never_share_a_call():
    llm, ledger = LLM("SS", "S"), Ledger()
    other = pair("b")
    other = Pair(replace(other.question, namespace="another"), other.look, other.fresh)
    assert await judged(judge_of(llm, ledger), pair("a"), other, pair("c")) == [True] * 3
    assert [len(question.text.splitlines()) for question in llm.asked] == [2, 1]


async def test_what_it_said_is_not_lost_where_the_bill_cannot_be_written():
    class Away(Ledger):
        async def settle(self, figures, said, *, day=None):
            raise ConnectionError("away")

    assert await judged(judge_of(LLM("SS"), Away()), pair("a"), pair("b")) == [True, True]


async def test_different_about_a_hit_counts_once_it_was_said_twice():
    llm = LLM("DDD", "DS")
    judge = judge_of(llm, Ledger())
    assert await judged(judge, pair("a"), pair("b", "late"), pair("c", "miss")) == [False, True, False]
    first, again = (orjson.loads(question.text.split("\n")[0]) for question in llm.asked)
    assert (first["a"], first["b"]) == (again["b"], again["a"])


async def test_a_judge_who_fails_or_has_spent_its_budget_is_left_alone():
    now = [0.0]
    for llm, ledger in ((LLM(LLMError("timeout", "t", final=False), "S"), Ledger()), (LLM("S"), Ledger(left=0))):
        judge = judge_of(llm, ledger, clock=lambda: now[0])
        assert await judged(judge, pair("a")) == [None]
        assert not judge.is_open
        ledger.left = 5
        assert await judged(judge, pair("a")) == [None]
        now[0] += 60
        assert judge.is_open
        assert await judged(judge, pair("a")) == [True]


async def fates(replies, hits=160):
    """What is told of hits of which each fourth is wrong, one after the other; the judge always knows."""
    now, said, llm = [0.0], [], LLM()
    judge = judge_of(llm, Ledger(left=10_000), clock=lambda: now[0])
    for number in range(hits):
        now[0] += 31
        is_wrong = number % 4 == 3
        put = pair(f"q{number}", fresh=None if is_wrong else "The cached answer.")
        llm.replies = [*next(replies)]
        judge.put(put, lambda verdict, is_wrong=is_wrong: said.append((verdict, is_wrong)))
        if judge._waiting:
            await judge._judge([judge._waiting.popleft()])
    return said


async def test_where_the_judge_gives_no_verdict_nothing_is_taken_for_right_and_nothing_is_served():
    said = await fates(itertools.repeat(["I cannot say."]))
    assert {verdict for verdict, _ in said} == {None}
    unknown = np.zeros(BINS)
    unknown[5] = len(said) * 10
    served = choose([Slice(0, 8000, np.zeros((BINS, 2, 3)), unknown)], COSINE, 0.01)
    assert served.threshold > COSINE[5]
    assert served.promised == 0


async def test_a_judge_who_fails_now_and_then_leaves_out_right_and_wrong_hits_alike():
    random = np.random.default_rng(3)
    down, good = LLMError("timeout", "t", final=False), "D"
    replies = ([down if random.random() < 0.5 else good for _ in range(2)] for _ in itertools.count())
    said = await fates(replies, 1200)
    told = [is_wrong for verdict, is_wrong in said if verdict is not None]
    assert 300 < len(told) < 900
    assert np.mean(told) == pytest.approx(0.25, abs=0.04)
    assert all(verdict is (not is_wrong) for verdict, is_wrong in said if verdict is not None)


async def test_a_verdict_is_remembered_of_these_answers_alone():
    llm, ledger = LLM("S", "D", "D"), Ledger()
    assert await judged(judge_of(llm, ledger), pair("a")) == [True]
    other = pair("a", fresh="quite another answer")
    assert await judged(judge_of(llm, ledger), other) == [False]


async def test_who_waits_gets_word_when_the_judge_is_stopped():
    said = []
    judge = judge_of(LLM(), Ledger())
    run = asyncio.create_task(judge.run())
    judge.put(pair("a"), said.append)
    await asyncio.sleep(0)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert said == [None]


async def test_a_text_that_is_too_long_is_not_put_to_it():
    said = []
    judge_of(LLM(), Ledger()).put(pair("x" * 5000), said.append)
    assert said == [None]
