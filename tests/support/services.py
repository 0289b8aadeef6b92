"""The two things a client may stand on, under one face, so that one suite runs over both."""

from contextlib import AsyncExitStack

from askonce import Client
from askonce.contract.keys import Keys
from askonce.testing import FakeClient
from support.answerer import Answerer

MODEL = "test-model"


class Service:
    """What answers a test's questions. answering: set by the test, at any time."""

    def __init__(self) -> None:
        self.answering = lambda question: f"answer to: {question.text}"
        self.stack = AsyncExitStack()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.stack.aclose()

    def _answer(self, question):
        return self.answering(question)


class RealService(Service):
    def __init__(self, url: str, prefix: str) -> None:
        super().__init__()
        self.url, self.prefix = url, prefix
        self.keys = Keys(prefix)

    async def __aenter__(self):
        self.answerer = await self.stack.enter_async_context(Answerer(self.url, self.keys, self._answer))
        self.redis = self.answerer.redis
        self.asked, self.pause, self.resume = self.answerer.asked, self.answerer.pause, self.answerer.resume
        return self

    async def client(self, **options):
        return await self.stack.enter_async_context(
            Client(self.url, **{"key_prefix": self.prefix, "model": MODEL, **options})
        )


class FakeService(Service):
    def __init__(self) -> None:
        super().__init__()
        self._first = None

    async def client(self, **options):
        if self._first is None:
            self._first = FakeClient(self._answer, **{"model": MODEL, **options})
            client = self._first
        else:
            client = FakeClient(**{"model": MODEL, **options})
            client._memory = self._first._memory  # as another process has it: the same queue and cache
        return await self.stack.enter_async_context(client)

    @property
    def asked(self):
        return self._first.asked

    def pause(self):
        self._first.pause()

    def resume(self):
        self._first.resume()
