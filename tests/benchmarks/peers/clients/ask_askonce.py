"""askonce by `map`, its way with many, or by `ask` alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from peer import OPTIONS, serve

from askonce import Client


class ByAsk:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, text: str) -> str:
        return (await self._client.ask(text)).text


class ByMap(ByAsk):
    async def ask_many(self, texts: list[str], at_once: int) -> list[str | None]:
        """As many under way as it likes: the worker holds the calls to the provider at 64."""
        found = {question.text: answer.text async for question, answer in self._client.map(texts, ordered=False)}
        return [found[text] for text in texts]


@asynccontextmanager
async def opened() -> AsyncIterator[ByAsk]:
    async with Client(OPTIONS["redis_url"], key_prefix=OPTIONS["name"], namespace=OPTIONS["way"], model="m") as client:
        yield {"ask": ByAsk, "map": ByMap}[OPTIONS["way"]](client)


serve(opened(), "askonce")
