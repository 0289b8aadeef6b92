"""`askonce provider-batches`, and what stats say of batches."""

import asyncio

import orjson
import pytest

from askonce.cli import main
from askonce.operator.provider_batches import ProviderBatches
from support.parking import (
    answers,
    distinct,
    park,
    running,
    seen,
)
from support.wired import wired_workers


@pytest.fixture
def askonce(batch_worker, monkeypatch, capsys):
    """The command as an operator calls it. Returns exit code, output and errors."""
    for name in ("ASKONCE_REDIS_URL", "ASKONCE_KEY_PREFIX"):
        monkeypatch.setenv(name, batch_worker[name])
    monkeypatch.setenv("COLUMNS", "80")

    async def ran(*words):
        code = await asyncio.to_thread(main, list(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return ran


async def test_batches_are_listed_shown_and_cancelled(batch_worker, askonce, llm_server):
    assert (await askonce("provider-batches", "list"))[1:] == ("", "askonce: no batches\n")
    assert (await askonce("provider-batches", "list", "--namespace", "shop"))[0] == 2
    assert (await askonce("provider-batches", "cancel", "--all"))[0] == 2
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(3))
        [name] = [each.decode() for each in await running(worker)]

        code, out, _ = await askonce("provider-batches", "list")
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80
        [head, _, row] = out.splitlines()
        assert head.split() == ["batch", "state", "model", "lines", "done", "failed", "age", "cost"]
        assert (row.split()[0], row.split()[3:6]) == (name, ["3", "0", "0"])
        [shown] = orjson.loads((await askonce("provider-batches", "show", name, "--json"))[1])
        assert (shown["requests"], shown["waiting"], shown["state"]) == (3, 3, "running")
        assert shown["provider_id"].startswith("batch_")
        assert name in (await askonce("provider-batches", "show", name))[1]

        now = orjson.loads((await askonce("stats", "--json"))[1])["now"]
        assert (now["parked"], now["provider_batches"]) == (3, 1)
        assert "3 questions, 1 batch" in (await askonce("stats"))[1]
        async with ProviderBatches() as batches:
            assert await batches.waiting() == 3

        await llm_server.control(batches={"seconds": 0})
        code, out, _ = await askonce("provider-batches", "cancel", name)
        assert (code, out) == (0, f"{name} is being cancelled\n")
        found = await answers(worker, ids)
        assert {answer.source for answer in found} == {"llm"}
        assert (await askonce("provider-batches", "cancel", name))[0] == 1
        listed = orjson.loads((await askonce("provider-batches", "list", "--all", "--json"))[1])
        assert {each["name"]: each["status"] for each in listed}[name] == "cancelled"
    batches, calls = await seen(llm_server)
    assert (calls, batches["billed"], set(batches["texts"].values())) == (0, 3, {1})


async def test_bad_words_are_told(askonce):
    code, _, errors = await askonce("provider-batches", "show", "nothing")
    assert (code, errors) == (1, "askonce: no such batch: nothing\n")
    code, _, errors = await askonce("provider-batches", "cancel")
    assert (code, "cancel which: name batches" in errors) == (2, True)
