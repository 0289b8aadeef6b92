"""Verdicts of people on matches: noted once, corrected where they change, and written as rows for an evaluation."""

import asyncio
import json
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from askonce import Question
from askonce.batch.line_format import Line
from askonce.batch.output_format import output_record
from askonce.cli import main
from askonce.contract.audit import Label, encode_group, encode_label, group_id, ledger_fields
from askonce.contract.keys import Keys
from askonce.session.verdicts import Match, Verdicts
from askonce.store.connection import Store
from askonce.testing import FakeClient
from askonce_worker.evaluate.pairs import read_pairs

GROUP = group_id("shop", "m", None)
LABEL = Label(
    group=GROUP,
    asked="a" * 43,
    entry="e" * 43,
    question="how tall is it?",
    matched="what is its height?",
    similarity=0.97,
    margin=0.1,
    density=0.5,
    score=0.97,
    version=4,
    bin=7,
    found="check",
    right=True,
    by="judge",
    weight=20.0,
    judged=True,
)
WAITING = replace(LABEL, asked="b" * 43, right=None, by="", judged=None, found="served")
MATCH = Match(LABEL.asked, LABEL.entry, LABEL.question, LABEL.matched, 0.97)


@pytest.fixture
def keys(prefix):
    return Keys(prefix).audit


@pytest.fixture
async def redis(valkey_url):
    async with Redis.from_url(valkey_url, decode_responses=True) as redis:
        yield redis


@pytest.fixture
async def verdicts(valkey_url, prefix):
    store = Store(valkey_url)
    yield Verdicts(store, Keys(prefix))
    await store.aclose()


@pytest.fixture
async def known(redis, keys):
    """What a worker writes of two matches: one that the judge found right, one that waits for a person."""
    await redis.hset(keys.groups, GROUP, encode_group("shop", "m", None))
    for label in (LABEL, WAITING):
        await redis.xadd(keys.labels, {"label": encode_label(label)})
        for name, value in ledger_fields(label).items():
            await redis.hincrbyfloat(keys.ledger(GROUP), name, value)
    await redis.hset(keys.waiting, WAITING.id, encode_label(WAITING))


@pytest.fixture
def sums(redis, keys):
    """What the hour's sums of the group have become, the ledger, and the judge's agreement with people."""

    async def read():
        now, _ = await redis.time()
        seen: dict[str, float] = {}
        for hour in (now // 3600 - 1, now // 3600):
            for name, value in (await redis.hgetall(keys.seen(hour))).items():
                seen[name.removeprefix(f"{GROUP}|")] = seen.get(name, 0.0) + float(value)
        return (
            nonzero(seen),
            nonzero(await redis.hgetall(keys.ledger(GROUP))),
            nonzero(await redis.hgetall(keys.agreement)),
        )

    return read


def nonzero(fields):
    return {name: float(value) for name, value in fields.items() if float(value)}


RIGHT = {f"4:right:7:{power}": 20.0**power for power in range(3)}
WRONG = {f"4:wrong:7:{power}": 20.0**power for power in range(3)}


async def test_a_person_corrects_what_was_counted_and_may_take_it_back(verdicts, known, sums, redis, keys):
    assert await verdicts.judge(MATCH, right=True) is True
    no_more = {"same": -19.0}  # it does not rest on the judge's word
    unknown = {"4:unknown:7": 20.0}
    assert await sums() == (no_more, {**RIGHT, **unknown}, {"same:same": 1})
    assert await verdicts.judge(MATCH, right=True) is False
    assert await verdicts.judge(MATCH, right=False) is True
    wrong = {**no_more, "wrong": 19.0, "wrong_squares": 361.0}
    assert await sums() == (wrong, {**WRONG, **unknown}, {"same:different": 1})
    assert await verdicts.judge(MATCH, right=True) is True
    assert await sums() == (no_more, {**RIGHT, **unknown}, {"same:same": 1})
    assert await redis.xlen(keys.records(GROUP)) == 2


async def test_a_match_that_waits_takes_part_once_a_person_has_judged_it(verdicts, known, sums, redis, keys):
    assert await verdicts.judge_waiting(WAITING.id, right=False) is True
    assert await redis.hlen(keys.waiting) == 0
    seen, ledger, agreement = await sums()
    served = {"checks": 1, "stood_for": 19, "squares": 361, "wrong": 19, "wrong_squares": 361}
    assert seen == {**served, "unchecked": -1, "served_wrong": 1, "unknown": -20}
    assert ledger == {**RIGHT, **WRONG, "4:judged:7": 20.0}
    assert agreement == {}
    with pytest.raises(LookupError, match="is waiting for a verdict"):
        await verdicts.judge_waiting(WAITING.id, right=False)
    assert await verdicts.judge(Match(WAITING.asked, WAITING.entry, "q", "m"), right=False) is False


async def test_of_many_at_once_one_counts(verdicts, known, sums):
    news = await asyncio.gather(*(verdicts.judge(MATCH, right=False) for _ in range(20)))
    assert sum(news) == 1
    assert (await sums())[1] == {**WRONG, "4:unknown:7": 20.0}


async def test_a_match_that_no_worker_has_looked_at_has_no_weight(verdicts, redis, keys, sums):
    assert await verdicts.judge(MATCH, right=False) is True
    assert await sums() == ({}, {}, {})
    assert await redis.exists(keys.ledger(""), keys.ledger(GROUP), keys.records(GROUP)) == 0
    [label] = [label async for label in verdicts.labels()]
    assert (label.right, label.by, label.weight) == (False, "person", 0.0)


@pytest.fixture
def command(valkey_url, prefix, monkeypatch, capfd):
    monkeypatch.setenv("ASKONCE_REDIS_URL", valkey_url)
    monkeypatch.setenv("ASKONCE_KEY_PREFIX", prefix)
    monkeypatch.setenv("ASKONCE_MODEL", "m")

    async def run(*words):
        capfd.readouterr()
        code = await asyncio.to_thread(main, list(words))
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


async def test_the_commands_note_and_export_verdicts(command, known, redis, keys, tmp_path):
    await redis.xadd(keys.labels, {"label": b"none"})
    await redis.hset(keys.groups, "x", b"none")
    _, out, _ = await command("labels", "--waiting")
    [row] = map(json.loads, out.splitlines())
    assert (row["id"], row["same"], row["namespace"]) == (WAITING.id, None, "shop")
    assert await command("right", "--match", WAITING.id, "--not") == (0, f"{WAITING.id} reported\n", "")
    code, _, err = await command("right", "--match", WAITING.id)
    assert (code, err) == (1, f"askonce: no match {WAITING.id} is waiting for a verdict\n")
    assert await command("right", "--texts", "red tower", "tower in red") == (0, "reported\n", "")
    assert await command("right", "--texts", "red tower", "tower in red") == (0, "was reported before\n", "")
    assert await command("wrong", "--texts", "red tower", "road tower") == (0, "reported\n", "")
    code, out, err = await command("right", "--texts", "red tower", "road tower")
    assert (code, out, "still never matched" in err) == (0, "reported\n", True)
    assert await command("wrong", "--texts", "red tower", "road tower") == (0, "reported\n", "")
    file = tmp_path / "labels.jsonl"
    assert await command("labels", str(file)) == (0, "", "")
    assert sorted((pair.a, pair.same) for pair in read_pairs(file)) == [
        ("how tall is it?", False),
        ("how tall is it?", True),
        ("red tower", False),
        ("red tower", True),
    ]
    _, out, _ = await command("labels", "--by", "person", "--namespace", "shop")
    assert [json.loads(line)["by"] for line in out.splitlines()] == ["person"]
    _, out, _ = await command("labels", "--by", "person", "--namespace", "default")
    rows = map(json.loads, out.splitlines())
    assert {(row["namespace"], row["model"], row["similarity"], row["score"]) for row in rows} == {
        ("default", "m", None, None)
    }


async def test_a_line_of_a_batch_is_judged_as_it_stands(command, tmp_path):
    question = Question("red tower", namespace="default", model="m")
    async with FakeClient(model="m") as client:
        answer = await client.ask("what?")
    hit = replace(answer, source="semantic", matched_question="tower in red", similarity=0.98)
    lines = [
        output_record(Line(1, "row-1", question), "j", hit),
        output_record(Line(2, "row-2", question), "j", answer),
    ]
    (tmp_path / "out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"no": "line"}]))
    code, out, err = await command("right", "--lines", str(tmp_path / "out.jsonl"))
    assert (code, out) == (2, "row-1 reported\n")
    assert [line.split(":")[1].strip() for line in err.splitlines()] == [
        "line 3",
        "lines whose answer is not another question's, left out",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["right"],
        ["right", "job", "--texts", "a", "b"],
        ["right", "--texts", "a", "a "],
        ["right", "--texts", "a", "b", "--not"],
        ["labels", "--waiting", "--by", "person"],
        ["labels", "--by", "nobody"],
        ["labels", "/nowhere/labels.jsonl"],
        ["labels", "/"],
        ["right", "--lines", "/nowhere"],
        ["right", "--model", "m", "job"],
        ["wrong", "--param", "seed=1", "job"],
    ],
    ids=" ".join,
)
async def test_what_makes_no_sense_is_refused_in_one_line(command, words):
    code, out, err = await asyncio.wait_for(refused(command, words), 30)
    assert (code > 0, out, err.count("\n")) == (True, "", 1)
    assert code == 2
    assert "Errno" not in err


async def refused(command, words):
    try:
        return await command(*words)
    except SystemExit as error:
        return error.code, "", "\n"


async def test_a_job_needs_an_answer_that_was_another_questions(client, command):
    job_id = await client.submit("whose answer?")
    await client.result(job_id)
    with pytest.raises(ValueError, match="nothing to judge"):
        await client.report_right(job_id)
    with pytest.raises(LookupError):
        await client.report_right("never-seen")
