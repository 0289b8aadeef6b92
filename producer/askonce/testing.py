"""A client for your own tests: no Redis, no worker, no LLM.

from askonce.testing import FakeClient

async with FakeClient({"What is 2 + 2?": "4"}) as client:
    assert (await client.ask("What is 2 + 2?")).text == "4"
    assert [question.text for question in client.asked] == ["What is 2 + 2?"]
"""

from collections.abc import Mapping
from typing import Unpack

from askonce.answer import Answer, AnswerError
from askonce.calls.base import CommonOptions
from askonce.client import Client
from askonce.question import Question
from askonce.session.backend import Backend
from askonce.session.memory import Memory
from askonce.session.memory_worker import Answering, Said


class FakeClient(Client):
    """A `Client` in memory that passes the same contract suite. It matches equal questions only.

    An answer to a question with a schema fails where it is no JSON, or a pydantic model refuses it, or, where
    jsonschema-rs is installed (as `askonce[worker]` has it), a JSON schema. None is repaired.

    Args:
        answers: Answers by the text of their questions, or a function of the question, plain or async. An answer is a
            text, a chat-completion body or an `Answer`. If the function raises, or a text is not listed, the question
            fails. None echoes each question.
        model: The model for questions that name none.
        timeout: Seconds `ask` waits, unless it is given a timeout.
        **options: Those of `Client`.
    """

    def __init__(
        self,
        answers: Mapping[str, Said] | Answering | None = None,
        *,
        model: str | None = "fake",
        timeout: float = 60.0,
        **options: Unpack[CommonOptions],
    ) -> None:
        super().__init__("redis://in-memory", model=model, timeout=timeout, **options)
        settings = self._settings
        self._memory = Memory(_answering(answers), max_queued=settings.max_queued, cache_ttl=settings.cache_ttl)

    def _make_backend(self) -> Backend:
        return self._memory

    @property
    def asked(self) -> list[Question]:
        """The questions that no cache answered, in order."""
        return self._memory.asked

    def pause(self) -> None:
        """Makes questions wait in the queue, as if no worker ran."""
        self._memory.pause()

    def resume(self) -> None:
        """Answers waiting questions, and new ones."""
        self._memory.resume()


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
