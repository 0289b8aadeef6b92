"""An LLM whose answers fit their questions' schemas. It gets one more try, with the reason why the first failed."""

import asyncio
from collections.abc import Callable

import structlog

from askonce.question import Question, Tier
from askonce_worker.answering.ports import LLM, MORE, Again, Completion, LLMError
from askonce_worker.answering.schema_check import CheckSchema, Mismatch
from askonce_worker.schemas.repair import both, repair_of

log = structlog.get_logger()

INVALID = "invalid_answer"
AHEAD = 0.5
"""Seconds before the question's deadline at which a repair is given up. Past the deadline, the cost of the first try
would go unreported."""


class RepairingLLM:
    """refuse: why a question's schema cannot be used, in which case the question is not asked; else None. on_repair:
    called with the kind of error and the model."""

    def __init__(
        self,
        llm: LLM,
        *,
        check_schema: CheckSchema,
        refuse: Callable[[Question], str | None],
        on_repair: Callable[[str, str], None],
    ) -> None:
        self._llm = llm
        self._check_schema = check_schema
        self._refuse = refuse
        self._on_repair = on_repair

    async def complete(
        self, question: Question, *, timeout: float, tier: Tier = "standard", again: Again | None = None
    ) -> Completion:
        """As `LLM.complete`. Raises LLMError, with kind `invalid_answer` if neither answer fits."""
        if question.schema is None:
            return await self._llm.complete(question, timeout=timeout, tier=tier, again=again)
        refused = self._refuse(question)
        if refused is not None:
            raise LLMError("invalid_question", refused, final=True)
        deadline = asyncio.get_running_loop().time() + timeout - MORE - AHEAD
        completion = await self._llm.complete(question, timeout=timeout, tier=tier, again=again)
        mismatch = self._check_schema(question, completion.body)
        if mismatch is not None and mismatch.repairable:
            self._on_repair(INVALID, question.model or "")
            try:
                async with asyncio.timeout_at(deadline) as limit:
                    repaired = await self._repaired(repair_of(question, mismatch), deadline, tier, again)
            except LLMError as error:
                raise _invalid(mismatch, completion, f" (its repair failed: {error.kind})") from error
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise _invalid(mismatch, completion, " (there was no time for its repair)") from error
            completion = both(completion, repaired)
            mismatch = self._check_schema(question, completion.body)
        if mismatch is not None:
            raise _invalid(mismatch, completion)
        return completion

    async def _repaired(self, repair: Question, deadline: float, tier: Tier, again: Again | None) -> Completion:
        if again is not None:
            await again()
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        return await self._llm.complete(repair, timeout=left, tier=tier, again=again)


def _invalid(mismatch: Mismatch, completion: Completion, why: str = "") -> LLMError:
    """Includes the reply and its cost, which the caller has to pay."""
    message = f"the answer does not fit its schema: {mismatch.message}{why}"
    error = LLMError(INVALID, message, final=True, body=completion.body)
    error.cost = completion.cost
    return error
