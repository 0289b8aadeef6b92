"""A client, over the fake of `askonce.testing` and over a real queue in turn."""

import asyncio
import time

import pytest

from support.services import FakeService, RealService


@pytest.fixture(params=["fake", "real"])
async def service(request, prefix):
    made = FakeService() if request.param == "fake" else RealService(request.getfixturevalue("valkey_url"), prefix)
    async with made as service:
        yield service


@pytest.fixture
async def client(service):
    return await service.client()


async def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(0.005)


async def status_is(client, job_id, wanted):
    async def reached():
        return (await client.status([job_id]))[job_id] == wanted

    await until(reached)


def raising(question):
    raise RuntimeError("the provider is on fire")
