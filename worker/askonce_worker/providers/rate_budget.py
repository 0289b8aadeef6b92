"""A provider's limits per minute, shared by all workers: requests (RPM), tokens (TPM), and pauses it requests.

The algorithm is GCRA, the generic cell rate algorithm (ITU-T I.371, annex A, as 'virtual scheduling'; ATM Forum,
Traffic Management 4.0, 4.4.2), one in Redis for the requests and one for the tokens of each model. Its rate is such
that no minute, wherever it begins, holds more than the limit: what may be used in one go, and how late a call may be,
is taken off it. So 94 % of a limit can be used.

A call reserves a moment up to a second ahead and waits for it outside Redis. A call that would wait longer asks again,
at a random time within the last second, so that workers do not all ask at once, and no more than a second is reserved
when an `ask` arrives. The last part of what may be used in one go is kept for the interactive lane. A call that was
refused `REFUSALS_BEFORE_FIRST` times goes first in its lane, so that cheap calls do not starve an expensive one. Bulk
calls let a refused `ask` go first at once.

Tokens are estimated before a call and corrected by the provider's count after it, so the limit holds as far as the
estimates do. An answer's allowance counts for at most a sixth of the limit: more is rarely used, and would block
others.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.json_values import dumps
from askonce.prices.counts import as_count, completion_limit, usage_of
from askonce.question import Question
from askonce.store.away import TROUBLE
from askonce.store.scripts import Script
from askonce_worker.providers.retry import LONGEST_PAUSE

log = structlog.get_logger()

RESERVE = Script("askonce_worker.providers", "reserve")
SETTLE = Script("askonce_worker.providers", "settle_rates")
PAUSE = Script("askonce_worker.providers", "pause")

WINDOW = 60.0
BURST, KEPT, AHEAD, LATE = 1 / 20, 1 / 60, 1 / 60, 1 / 60
"""Fractions of the window: what may be used in one go, how much of that is kept for the interactive lane, how far ahead
a moment is reserved, and how late it may be used."""
LOOK = 0.5
"""Seconds between checks for other workers' pauses, if there are no limits that are read with each call."""
FORGET = 60.0
REFUSALS_BEFORE_FIRST = 3
ANSWER = 1 / 6
"""Part of TPM: the maximum counted beforehand for an answer, all choices together."""
TOKEN_BYTES = 4
FIRST_GUESS = 500.0
"""Assumed tokens of an answer until the model has answered; from then on, their moving mean."""
WEIGHT = 1 / 16
TOGETHER = 1 / 16
"""The share of a request that a text to embed takes, since texts share requests. (A provider that counts more requests
says when to retry.)"""


def provider_name(base_url: str | None) -> str:
    """Host and port: limits are a provider's own."""
    return urlsplit(base_url or "https://api.openai.com/v1").netloc.rpartition("@")[2]


class RateBudget:
    """rpm, tpm: requests and tokens in a window, of each model and over all workers; 0: no limit. window: seconds."""

    def __init__(self, redis: Redis, keys: Keys, *, provider: str, rpm: int, tpm: int, window: float = WINDOW) -> None:
        self._redis = redis
        self._keys = keys
        self._provider = provider
        self._window_ms = window * 1000
        period = self._window_ms * (1 + BURST + LATE)
        self.request_ms = period / rpm if rpm else 0.0
        self.token_ms = period / tpm if tpm else 0.0
        self._tpm = tpm
        self._answers: dict[str, float] = {}
        self._asked: dict[str, float] = {}
        self._paused: dict[str, float] = {}
        self._corrections: dict[str, tuple[float, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._correcting = False

    @property
    def limited(self) -> bool:
        return bool(self.request_ms or self.token_ms)

    def __call__(self, question: Question, lane: str) -> "RateReservation":
        model = question.model or ""
        if not self.limited:
            self._asked[model] = asyncio.get_running_loop().time()
        requests = TOGETHER if question.endpoint == "embeddings" else 1.0
        return RateReservation(self, model, lane, requests, self._estimate(question) if self.token_ms else 0.0)

    def _estimate(self, question: Question) -> float:
        if question.endpoint == "embeddings":
            return min(self._tpm, len(question.text) / TOKEN_BYTES + 1)
        params = question.params
        most, choices = as_count(completion_limit(params)), as_count(params.get("n"))
        answer = most or self._answers.get(question.model or "", FIRST_GUESS)
        prompt = len(dumps(question.request())) / TOKEN_BYTES
        return min(self._tpm, prompt + min(answer * max(1, choices), self._tpm * ANSWER))

    def in_force(self, model: str) -> bool:
        """Whether Redis must be asked, to this worker's knowledge."""
        return self.limited or self._paused.get(model, 0.0) > asyncio.get_running_loop().time()

    async def reserve(
        self, model: str, lane: str, needs: tuple[float, float], moment: str, first: str
    ) -> tuple[float, str]:
        """Seconds to wait, and the moment reserved then, or '' if none is.

        needs: requests and tokens. first: as in reserve.lua.
        """
        burst = BURST if lane == "interactive" else BURST - KEPT
        places = [self._keys.rates(self._provider, model), self._keys.pause(self._provider, model)]
        spans = [self._window_ms * part for part in (burst, AHEAD, LATE)]
        wait, given, pause = await RESERVE(
            self._redis,
            places,
            [needs[0] * self.request_ms, needs[1] * self.token_ms, *spans, moment, lane, first],
        )
        self._note_pause(model, pause)
        if given:
            return wait / 1000, given.decode()
        return (wait - spans[1] * random.random()) / 1000, ""

    def pause(self, model: str, seconds: float) -> None:
        """Pauses all workers: the provider refused a call, and said when to retry."""
        ms = int(min(seconds, LONGEST_PAUSE) * 1000)
        if ms > 0:
            self._note_pause(model, ms)
            self._start(self._pause(model, ms))

    async def _pause(self, model: str, ms: int) -> None:
        try:
            self._note_pause(model, await PAUSE(self._redis, [self._keys.pause(self._provider, model)], [ms]))
        except TROUBLE as error:
            log.warning("budget.not_paused", cause=type(error).__name__)

    def _note_pause(self, model: str, ms: int) -> None:
        now = asyncio.get_running_loop().time()
        until = self._paused.get(model, 0.0)
        if ms > 0 and now + ms / 1000 > until:
            if until <= now:
                log.warning("budget.paused", model=model, seconds=ms / 1000)
            self._paused[model] = now + ms / 1000

    async def watch(self) -> None:
        """Looks for pauses of other workers until it is cancelled. For a worker without limits."""
        while True:
            await asyncio.sleep(LOOK)
            oldest = asyncio.get_running_loop().time() - FORGET
            self._asked = {model: at for model, at in self._asked.items() if at > oldest}
            self._paused = {model: at for model, at in self._paused.items() if at > oldest}
            try:
                await self._look()
            except TROUBLE as error:
                log.debug("budget.not_seen", cause=type(error).__name__)

    async def _look(self) -> None:
        models = list(self._asked)
        if not models:
            return
        pipe = self._redis.pipeline(transaction=False)
        for model in models:
            pipe.pttl(self._keys.pause(self._provider, model))
        for model, left in zip(models, await pipe.execute(), strict=True):
            self._note_pause(model, left)

    def correct(self, model: str, requests: float, tokens: float) -> None:
        """Adds to what is reserved, in the background: corrections made during one round trip are sent in the next."""
        if self.limited:
            before = self._corrections.get(model, (0.0, 0.0))
            by = (before[0] + requests * self.request_ms, before[1] + tokens * self.token_ms)
            self._corrections[model] = by
            if not self._correcting:
                self._correcting = True
                self._start(self._correct())

    async def _correct(self) -> None:
        try:
            while self._corrections:
                batch, self._corrections = self._corrections, {}
                args = [ms for by in batch.values() for ms in by]
                await SETTLE(self._redis, [self._keys.rates(self._provider, model) for model in batch], args)
        except TROUBLE as error:  # a lost correction leaves too much reserved, for at most a minute
            log.debug("budget.not_corrected", cause=type(error).__name__)
        finally:
            self._correcting = False

    def learn(self, model: str, usage: Any) -> int | None:
        """Records the tokens a call took, if the provider reports them."""
        usage = usage_of({"usage": usage})
        if usage is None:
            return None
        answer, total = as_count(usage.get("completion_tokens")), as_count(usage.get("total_tokens"))
        if answer:
            mean = self._answers.get(model, float(answer))
            self._answers[model] = mean + WEIGHT * (answer - mean)
        return total or None

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class RateReservation:
    """One call's share. requests: how many it is. tokens: estimated."""

    def __init__(self, budget: RateBudget, model: str, lane: str, requests: float, tokens: float) -> None:
        self._budget = budget
        self._model = model
        self._lane = lane
        self._requests = requests
        self._tokens = tokens
        self._moment = ""
        self._spent = False
        self._refused = 0
        self._name = f"{random.getrandbits(64):x}"

    async def take(self) -> float:
        if not self._budget.in_force(self._model):
            return 0.0
        first = self._name if self._refused >= REFUSALS_BEFORE_FIRST else ""
        needs = self._requests, self._tokens
        wait, self._moment = await self._budget.reserve(self._model, self._lane, needs, self._moment, first)
        self._refused = 0 if self._moment else self._refused + 1
        return wait

    def renew(self) -> None:
        """Earlier tries stay spent, because providers count failed ones too."""
        self._moment = ""

    def spent(self, usage: Mapping[str, Any] | None = None) -> None:
        self._spent = True
        tokens = self._budget.learn(self._model, usage) if usage is not None else None
        if tokens is not None:
            self._budget.correct(self._model, 0, tokens - self._tokens)

    def give_back(self) -> None:
        if self._moment and not self._spent:
            self._moment = ""
            self._budget.correct(self._model, -self._requests, -self._tokens)
