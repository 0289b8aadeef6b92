"""Requested embeddings, behind the `LLM` port: questions that arrive together share a request.

They go through the pipeline like any other question. So a text is paid for once however many want it, its vector is
cached under its namespace, budgets and limits apply, and a killed worker's texts are embedded by another. (The worker's
own embedder does none of this: its vectors are of its own model, have unit length, and never leave it.)

A refused request is sent again in halves, so that a text the server rejects does not affect the others.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from askonce.canonical_endpoints import has_floats
from askonce.contract.counters import tokens
from askonce.contract.records import Body
from askonce.embedding_request import inputs_of
from askonce.json_values import dumps
from askonce.payer import Payer
from askonce.question import Question, Tier
from askonce.tasks import stop
from askonce_worker.answering.ports import Again, Completion, LLMError
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.providers.calls import Call, OnCall, kind_of, unobserved
from askonce_worker.providers.embedding_bodies import Reply, read_reply, shares
from askonce_worker.providers.key_budget import KeyBudget
from askonce_worker.providers.money_budget import MoneyBudget
from askonce_worker.providers.provider import ProviderClient, ProviderError, post, retried
from askonce_worker.providers.retry import Backoff

PATH = "/embeddings"
LINGER = 0.01
"""Seconds that a text waits for others: the questions of a chunk get their turns one after the other. A tenth of a
provider's latency."""
MOST_INPUTS = 2048
MOST_BYTES = 300_000
"""Limits of one request, both OpenAI's. Its limit is in tokens, and no tokenizer makes more tokens than bytes."""
BAD_INPUT = frozenset({400, 413, 422})

Group = tuple[str, str, bytes, Payer | None]
"""Namespace, model and parameters: who pays, and what a request has once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """question: with its inputs. until: the loop's clock. again: awaited before each try but the first."""

    question: Question
    inputs: Sequence[Any]
    size: int
    until: float
    again: Again | None
    found: "asyncio.Future[Completion]"


class EmbeddingAnswers:
    """timeout: seconds of one try. on_retry, on_rate_limit, on_call: as of `OpenAILLM`."""

    def __init__(
        self,
        client: ProviderClient,
        *,
        timeout: float,
        backoff: Backoff,
        money: MoneyBudget | KeyBudget,
        counts: CallCounts,
        on_retry: Callable[[str, float, str], None],
        on_rate_limit: Callable[[str, float], None],
        on_call: OnCall = unobserved,
    ) -> None:
        self._client = client
        self._timeout = timeout
        self._backoff = backoff
        self._money = money
        self._counts = counts
        self._on_retry = on_retry
        self._on_rate_limit = on_rate_limit
        self._on_call = on_call
        self._waiting: dict[Group, list[Wanted]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def complete(
        self,
        question: Question,
        *,
        timeout: float,
        tier: Tier = "standard",  # noqa: ARG002 - there is one
        again: Again | None = None,
    ) -> Completion:
        """Like `LLM.complete`."""
        loop = asyncio.get_running_loop()
        inputs, until = inputs_of(question.text, question.params), loop.time() + timeout
        found: asyncio.Future[Completion] = loop.create_future()
        shared = dumps(_shared(question), sort_keys=True)
        group = (question.namespace or "", question.model or "", shared, question.payer)
        waiting = self._waiting.setdefault(group, [])
        waiting.append(Wanted(question, inputs, len(question.text.encode()), until, again, found))
        if len(waiting) == 1:
            self._start(self._gather(group))
        return await found

    async def aclose(self) -> None:
        await stop(*self._tasks)

    async def _gather(self, group: Group) -> None:
        await asyncio.sleep(LINGER)
        for batch in _batches(self._waiting.pop(group)):
            self._start(self._send(batch))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, batch: list[Wanted]) -> None:
        """Settles each of them."""
        try:
            completions = await self._retried(batch)
        except LLMError as error:
            if len(batch) > 1 and (error.status in BAD_INPUT or error.kind == "invalid_response"):
                half = len(batch) // 2
                await asyncio.gather(self._send(batch[:half]), self._send(batch[half:]))
                return
            for wanted in batch:
                if not wanted.found.done():
                    wanted.found.set_exception(error)
            return
        for wanted, completion in zip(batch, completions, strict=True):
            if not wanted.found.done():
                wanted.found.set_result(completion)

    async def _retried(self, batch: list[Wanted]) -> list[Completion]:
        model = batch[0].question.model or ""
        until = max(wanted.until for wanted in batch)

        async def ask() -> list[Completion]:
            return await self._try(batch, until)

        def on_retry(kind: str, pause: float) -> None:
            self._on_retry(kind, pause, model)

        async def again() -> None:
            """Without those whose caller is gone."""
            batch[:] = [wanted for wanted in batch if not wanted.found.done()] or batch[:1]
            for wanted in reversed(batch):
                if wanted.again is not None:
                    await wanted.again(joined=wanted is not batch[0])

        timeout = until - asyncio.get_running_loop().time()
        return await retried(ask, self._backoff, timeout=timeout, on_retry=on_retry, again=again)

    async def _try(self, batch: list[Wanted], until: float) -> list[Completion]:
        question = batch[0].question
        inputs = [each for wanted in batch for each in wanted.inputs]
        content = dumps({**_shared(question), "input": inputs})
        seconds = min(self._timeout, until - asyncio.get_running_loop().time())
        async with self._money.call(question, len(content), seconds, until) as aside:
            try:
                reply = await self._post(question, content, seconds, len(inputs))
            except ProviderError as error:
                aside.cost = 0 if error.status not in (None, 200) or error.kind == "connection" else None
                raise
            aside.cost = self._counts.paid(question, reply.body)
        return _completions(batch, reply, aside.cost)

    async def _post(self, question: Question, content: bytes, seconds: float, inputs: int) -> Reply:
        model, began, error = question.model or "", perf_counter(), ""
        counted = 0, 0, 0
        self._counts.called(question)
        try:
            raw = await post(self._client, PATH, content, timeout=seconds, model=model)
            reply = read_reply(raw, inputs, floats=has_floats(question.params))
            counted = tokens(reply.body)
            return reply
        except BaseException as failure:
            error = kind_of(failure)
            self._counts.failed(question)
            if isinstance(failure, ProviderError) and failure.put_off:
                self._on_rate_limit(model, failure.retry_after or 0.0)
            raise
        finally:
            self._on_call(Call("embeddings", model, perf_counter() - began, error, *counted, texts=inputs))


def _shared(question: Question) -> dict[str, Any]:
    """Its request without the input."""
    request = question.request()
    del request["input"]
    return request


def _batches(waiting: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """Batches of the maximum request size, without items whose caller has gone."""
    batch: list[Wanted] = []
    inputs = size = 0
    for wanted in waiting:
        if wanted.found.done():
            continue
        inputs, size = inputs + len(wanted.inputs), size + wanted.size
        if batch and (inputs > MOST_INPUTS or size > MOST_BYTES):
            yield batch
            batch, inputs, size = [], len(wanted.inputs), wanted.size
        batch.append(wanted)
    if batch:
        yield batch


def _completions(batch: Sequence[Wanted], reply: Reply, cost: int | None) -> list[Completion]:
    counts, sizes = [len(wanted.inputs) for wanted in batch], [wanted.size for wanted in batch]
    costs = [None] * len(batch) if cost is None else shares(cost, sizes)
    bodies = reply.parts(counts, sizes)
    return [Completion(Body(body), each) for body, each in zip(bodies, costs, strict=True)]
