"""`askonce batch --max-cost` and `--max-tokens-total`: nothing is asked whose call could pass them."""

import asyncio
import random
import shlex

import orjson
import pytest

from askonce import Question
from askonce.batch.spend_cap import SpendCap
from askonce.batch.totals import RunTotals
from askonce.prices.price_file import FilePrices
from askonce.testing import FakeClient
from support.batch_runs import BROKEN, batch, ids, write

PRICED = ["--model", "mine", "--prices", "prices.json", "--json", "--in-flight", "4", "--param", "max_tokens=1000"]
"""A prompt costs next to nothing, an answer 0.01 at most, and 0.004 in fact."""


def answering(question):
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 4, "completion_tokens": 400, "total_tokens": 404}
    return {"id": "1", "created": 1, "object": "chat.completion", "model": "mine", "usage": usage, "choices": [choice]}


@pytest.fixture
def priced(files):
    (files / "prices.json").write_text('{"models": {"mine": {"input": 0, "output": 10}}}')
    write(files / "in.jsonl", [f"Number {i}?" for i in range(40)])
    return files


async def run(askonce, capsys, *arguments):
    """Its exit code, its report and its notes."""
    code = await batch(askonce, "in.jsonl", "out.jsonl", *PRICED, *arguments)
    captured = capsys.readouterr()
    return code, orjson.loads(captured.out), captured.err


async def test_it_stops_before_the_bound_says_so_and_goes_on_with_a_higher_one(priced, capsys):
    async with FakeClient(answering, model="mine") as askonce:
        code, found, notes = await run(askonce, capsys, "--max-cost", "0.05")
        assert (code, found["lines"], found["failed"]) == (1, 11, 0), "0.044, and the next might have cost 0.01"
        assert len(askonce.asked) == 11
        assert "stopped for --max-cost: 0.0440 USD spent, 29 lines were not asked" in found["stopped"]
        assert found["stopped"] in notes
        code, found, _ = await run(askonce, capsys, "--max-cost", "0.05")
        assert (code, found["lines"], len(askonce.asked)) == (1, 11, 11), "earlier starts count"
        code, found, _ = await run(askonce, capsys, "--max-cost", "1")
        assert (code, found["lines"], found["stopped"]) == (0, 40, None)
    assert sorted(ids(priced / "out.jsonl")) == sorted(f"c{i}" for i in range(40))


async def test_hits_cost_nothing(priced, capsys):
    async with FakeClient(answering, model="mine") as askonce:
        await run(askonce, capsys)
        (priced / "out.jsonl").unlink()
        code, found, _ = await run(askonce, capsys, "--restart", "--max-cost", "0.0101")
        assert (code, found["sources"]["exact"], found["spent"]["cost"]) == (0, 40, 0)


async def test_tokens_bound_what_has_no_price(priced, capsys):
    async with FakeClient(answering, model="mine") as askonce:
        arguments = ["--model", "unknown", "--json", "--max-tokens-total", "5000", "--in-flight", "4"]
        assert await batch(askonce, "in.jsonl", "out.jsonl", *arguments) == 1
    found = orjson.loads(capsys.readouterr().out)
    assert "stopped for --max-tokens-total" in found["stopped"]
    assert 4000 < found["spent"]["prompt_tokens"] + found["spent"]["completion_tokens"] <= 5000


async def test_money_does_not_bound_what_has_no_price(priced):
    async with FakeClient(answering) as askonce:
        with pytest.raises(ValueError, match="no price of unknown is known.*--max-tokens-total"):
            await batch(askonce, "in.jsonl", "out.jsonl", "--model", "unknown", "--max-cost", "5")
        assert askonce.asked == []
    assert not (priced / "out.jsonl").exists()


async def test_the_command_that_runs_failed_lines_again_has_the_bound(priced, capsys):
    async with FakeClient(lambda question: BROKEN) as askonce:
        await batch(
            askonce, "in.jsonl", "out.jsonl", "--model", "mine", "--max-tokens-total", "900000", "--tier", "flex"
        )
    retry = next(line for line in capsys.readouterr().err.splitlines() if "--retry-failed" in line)
    words = shlex.split(retry)
    assert words[words.index("--max-tokens-total") + 1] == "900000"
    assert words[words.index("--tier") + 1] == "flex"


class Added(int):
    """Money that counts how often it is added up."""

    times = 0

    def __add__(self, other):
        Added.times += 1
        return Added(int(self) + int(other))

    __radd__ = __add__


class AddedPrices(FilePrices):
    def total(self, model, tokens, tier="standard"):
        return Added(10)


async def test_what_is_under_way_is_counted_once_however_much_it_is():
    cap, dice, held = SpendCap(AddedPrices({}), RunTotals(), cost=10_000, tokens=None), random.Random(5), []
    for number in range(5_000):
        if len(held) == 1_000 or (held and dice.random() < 0.4):
            cap.answered(held.pop(dice.randrange(len(held))), "m", 1)
        else:
            assert await cap.admit(f"{number}", Question("q", model="m"))
            held.append(f"{number}")
    for number in range(1_000 - len(held)):
        assert await cap.admit(f"more {number}", Question("q", model="m"))
    waiting = asyncio.create_task(cap.admit("one too many", Question("q", model="m")))
    await asyncio.sleep(0)
    assert not waiting.done()
    cap.answered(held.pop(), "m", 1)
    assert await waiting
    assert Added.times < 4 * 6_000
    assert not cap.reached


@pytest.mark.parametrize("bound", [["--max-cost", "0"], ["--max-cost", "much"], ["--max-tokens-total", "1.5"]])
async def test_a_bound_that_is_none_is_refused(priced, bound):
    async with FakeClient() as askonce:
        with pytest.raises(SystemExit):
            await batch(askonce, "in.jsonl", "out.jsonl", *bound)
