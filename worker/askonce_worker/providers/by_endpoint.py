"""Routes a question by its endpoint: to an LLM, or to an embedding model."""

from askonce.question import Question, Tier
from askonce_worker.answering.ports import LLM, Again, Completion


class ByEndpoint:
    def __init__(self, llm: LLM, embeddings: LLM) -> None:
        self._llm = llm
        self._embeddings = embeddings

    async def complete(
        self, question: Question, *, timeout: float, tier: Tier = "standard", again: Again | None = None
    ) -> Completion:
        """Like `LLM.complete`."""
        asked = self._embeddings if question.endpoint == "embeddings" else self._llm
        return await asked.complete(question, timeout=timeout, tier=tier, again=again)
