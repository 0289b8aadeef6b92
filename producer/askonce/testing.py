"""A client for your own tests: no Redis, no worker, no LLM.

from askonce.testing import FakeClient

async with FakeClient({"What is 2 + 2?": "4"}) as client:
    assert (await client.ask("What is 2 + 2?")).text == "4"
    assert [question.text for question in client.asked] == ["What is 2 + 2?"]
"""

from collections.abc import Mapping
from typing import Any

from askonce.answer import Answer, AnswerError
from askonce.client import Client
from askonce.question import Question
from askonce.session.backend import Backend
from askonce.session.memory import Answering, Memory, Said


class FakeClient(Client):
    """Does what `Client` does, in memory: it passes the same contract suite. Of near-duplicates it knows nothing.

    answers: question text -> answer, or a function of the question, plain or async. An answer is a text, a
    chat-completion body or an `Answer`; what the function raises fails the question, and so does a text that is not
    listed. Without it every question is answered by an echo.
    """

    def __init__(
        self, answers: Mapping[str, Said] | Answering | None = None, *, model: str | None = "fake", **options: Any
    ) -> None:
        super().__init__("redis://in-memory", model=model, **options)
        settings = self._settings
        self._memory = Memory(_answering(answers), max_queued=settings.max_queued, cache_ttl=settings.cache_ttl)

    def _make_backend(self) -> Backend:
        return self._memory

    @property
    def asked(self) -> list[Question]:
        """The questions that no cache answered, in order."""
        return self._memory.asked

    def pause(self) -> None:
        """From now on questions wait in the queue, as if no worker ran."""
        self._memory.pause()

    def resume(self) -> None:
        self._memory.resume()

    def sibling(self, **options: Any) -> "FakeClient":
        """Another client of the same queue and cache, as another process has it."""
        other = FakeClient(**{"namespace": self._namespace, "model": self._settings.model, **options})
        other._memory = self._memory
        return other


def _answering(answers: Mapping[str, Said] | Answering | None) -> Answering:
    if answers is None:
        return lambda question: f"answer to: {question.text}"
    if not isinstance(answers, Mapping):
        return answers

    def listed(question: Question) -> Said:
        if question.text not in answers:
            return Answer(
                None, "failed", error=AnswerError("bad_request", f"no answer is listed for {question.text!r}")
            )
        return answers[question.text]

    return listed
