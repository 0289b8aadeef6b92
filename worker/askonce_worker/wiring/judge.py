"""Builds the judge and its gate from the settings."""

import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.prices.load import Prices
from askonce_worker.answering.ports import LLM
from askonce_worker.auditing.gate import JudgeGate
from askonce_worker.auditing.judge import Judge
from askonce_worker.auditing.judge_calls import JudgeCalls
from askonce_worker.auditing.judge_ledger import JudgeLedger
from askonce_worker.auditing.recorder import Recorder
from askonce_worker.auditing.serving import AuditedServing
from askonce_worker.providers import provider
from askonce_worker.providers.additions import Additions
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.providers.llm import OpenAILLM
from askonce_worker.providers.money_budget import MoneyBudget
from askonce_worker.providers.retry import Backoff
from askonce_worker.settings import Settings
from askonce_worker.wiring import llm_parts, parts

log = structlog.get_logger()

TIMEOUT, GATE_TIMEOUT = 30.0, 15.0
"""Seconds of a call."""
GATE_SHARE = 0.75
"""The gate's share of the day's budget. The rest is for checks, which an error budget needs."""


@dataclass(frozen=True, slots=True)
class JudgeParts:
    """The parts built from JUDGE_MODEL."""

    redis: Redis
    keys: Keys
    model: str
    llm: LLM
    prices: Prices
    budget: float

    def judge(self) -> Judge:
        ledger = self._ledger(1.0, self.keys.audit.verdicts)
        return Judge(self._calls(ledger, TIMEOUT), ledger)

    def gate(self, serving: AuditedServing, recorder: Recorder) -> JudgeGate:
        ledger = self._ledger(GATE_SHARE, self.keys.audit.gate)
        calls = self._calls(ledger, GATE_TIMEOUT)
        return JudgeGate(self.redis, self.keys, calls, ledger, serving, recorder, self.prices)

    def _ledger(self, share: float, remembered: str) -> JudgeLedger:
        return JudgeLedger(self.redis, self.keys, budget=share * self.budget, remembered=remembered)

    def _calls(self, ledger: JudgeLedger, timeout: float) -> JudgeCalls:
        return JudgeCalls(self.llm, ledger, self.prices, model=self.model, timeout=timeout)


def judge_parts(settings: Settings, redis: Redis, keys: Keys, stack: AsyncExitStack) -> JudgeParts | None:
    """None without a JUDGE_MODEL."""
    if not settings.judge_model:
        return None
    prices = llm_parts.prices_of(settings)
    if prices.cost(settings.judge_model, {"prompt_tokens": 1, "completion_tokens": 1}) is None:
        log.warning("judge.unpriced", model=settings.judge_model, assumed="1 for a million tokens in, 4 out")
    client = provider.connect(
        api_key=parts.secret(settings.openai_api_key) or "none",
        base_url=settings.openai_base_url,
        timeout=TIMEOUT,
    )
    stack.push_async_callback(client.close)
    llm = OpenAILLM(
        client,
        timeout=TIMEOUT,
        flex_timeout=TIMEOUT,
        backoff=Backoff(random.random, tries=1),  # a call is reserved once
        additions=Additions(cache_keys=False, clock=time.monotonic),
        money=MoneyBudget(redis, keys, worker="judge", limits={}, prices=prices),  # it has its own limit
        counts=CallCounts(prices),
    )
    return JudgeParts(redis, keys, settings.judge_model, llm, prices, settings.audit_budget)
