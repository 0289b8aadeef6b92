"""An LLM whose answers fit the schemas that their questions want: one that does not is told so, and tries once more."""

import asyncio
from collections.abc import Callable

import structlog

from askonce.question import Question, Tier
from askonce_worker.answering.fitting import Fits, Flaw
from askonce_worker.answering.ports import LLM, MORE, Again, Completion, LLMError
from askonce_worker.schemas.repair import both, repair_of

log = structlog.get_logger()

INVALID = "invalid_answer"
AHEAD = 0.5
"""Seconds before the question's deadline at which a repair is given up: past it nobody is told what the first try has
cost."""


class RepairingLLM:
    """refuse: why a question's schema cannot be looked at; it is not asked then. on_repair: called with the kind of the
    error and the model."""

    def __init__(
        self,
        llm: LLM,
        *,
        fits: Fits,
        refuse: Callable[[Question], str | None],
        on_repair: Callable[[str, str], None],
    ) -> None:
        self._llm = llm
        self._fits = fits
        self._refuse = refuse
        self._on_repair = on_repair

    async def complete(
        self, question: Question, *, timeout: float, tier: Tier = "standard", again: Again | None = None
    ) -> Completion:
        """As `LLM.complete`. Raises LLMError, kind `invalid_answer`, where neither answer fits."""
        if question.schema is None:
            return await self._llm.complete(question, timeout=timeout, tier=tier, again=again)
        refused = self._refuse(question)
        if refused is not None:
            raise LLMError("invalid_question", refused, final=True)
        deadline = asyncio.get_running_loop().time() + timeout - MORE - AHEAD
        said = await self._llm.complete(question, timeout=timeout, tier=tier, again=again)
        flaw = self._fits(question, said.body)
        if flaw is not None and flaw.mends:
            self._on_repair(INVALID, question.model or "")
            try:
                async with asyncio.timeout_at(deadline) as limit:
                    said = both(said, await self._mended(repair_of(question, flaw), deadline, tier, again))
            except LLMError as error:
                raise _invalid(flaw, said, f" (its repair failed: {error.kind})") from error
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise _invalid(flaw, said, " (there was no time for its repair)") from error
            flaw = self._fits(question, said.body)
        if flaw is not None:
            raise _invalid(flaw, said)
        return said

    async def _mended(self, repair: Question, deadline: float, tier: Tier, again: Again | None) -> Completion:
        if again is not None:
            await again()
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        return await self._llm.complete(repair, timeout=left, tier=tier, again=again)


def _invalid(flaw: Flaw, said: Completion, why: str = "") -> LLMError:
    """With the reply: what it has cost is its asker's to know."""
    words = f"the answer does not fit its schema: {flaw.words}{why}"
    error = LLMError(INVALID, words, final=True, body=said.body)
    error.cost = said.cost
    return error
