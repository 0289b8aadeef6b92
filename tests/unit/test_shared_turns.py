"""Texts to be embedded share a request, and where it is tried again they share one turn."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from askonce import Question
from askonce.contract.records import Body
from askonce_worker.answering.llm_slots import LLMSlots
from askonce_worker.answering.llm_turns import LLMTurns
from askonce_worker.answering.ports import Completion
from askonce_worker.providers.embedding_answers import EmbeddingAnswers
from askonce_worker.providers.provider import ProviderError
from askonce_worker.providers.retry import Backoff, RetryDecision

SLOTS = 3


class Share:
    """Of a namespace whose money is spent from the first failure until it is `back`."""

    def __init__(self):
        self.spent_all, self.waiting, self.back = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def take(self):
        if not self.spent_all.is_set() or self.back.is_set():
            return 0.0
        self.waiting.set()
        return 0.01

    def waits_alone(self):
        return True

    def renew(self):
        pass

    def spent(self, usage=None):
        pass

    def give_back(self):
        pass


class FailsOnce(EmbeddingAnswers):
    """In the place of a server: the first request is refused for now."""

    def __init__(self, share, on_failure):
        backoff = Backoff(lambda: 0.0, least=0.001)
        told = lambda *_: None  # noqa: E731 - nothing is looked at
        super().__init__(None, timeout=5, backoff=backoff, money=None, counts=None, on_retry=told, on_rate_limit=told)
        self.share, self.on_failure = share, on_failure
        self.sent = []

    async def _try(self, batch, until):
        self.sent.append([wanted.question.text for wanted in batch])
        if len(self.sent) == 1:
            self.share.spent_all.set()
            await self.on_failure()
            raise ProviderError(RetryDecision("server_error", final=False), "later", status=503)
        return [Completion(Body({}), None, "standard") for _ in batch]


@pytest.mark.parametrize("gone", [0, 1])
async def test_texts_that_wait_for_money_hold_no_slot(gone):
    """gone: of the texts, the first so many are not wanted any more when their request fails."""
    share = Share()
    free = Share()
    turn = LLMTurns(LLMSlots(SLOTS, 0), lambda question, lane: share if question.model == "e" else free)

    async def cancel():
        for task in tasks[:gone]:
            task.cancel()
        await asyncio.sleep(0)

    answers = FailsOnce(share, cancel)

    async def embed(text):
        question = Question(text, model="e", namespace="poor", endpoint="embeddings")
        async with turn(question, "interactive") as held:
            return await answers.complete(question, timeout=60, again=held.again)

    tasks = [asyncio.create_task(embed(f"text {n}")) for n in range(SLOTS)]
    async with asyncio.timeout(20):
        await share.waiting.wait()
        async with AsyncExitStack() as stack:
            for n in range(SLOTS):
                question = Question(f"q{n}", model=f"other {n}", namespace="rich")
                await stack.enter_async_context(turn(question, "interactive"))
        share.back.set()
        found = await asyncio.gather(*tasks[gone:])
    assert len(found) == SLOTS - gone
    assert [len(texts) for texts in answers.sent] == [SLOTS, SLOTS - gone]
    await answers.aclose()
