"""`askonce batch` with everything real: the command and the workers as processes of their own, killed at random.

ASKONCE_TEST_BATCH_LINES=20000 runs the large test at its full size.
"""

import asyncio
import csv
import os
import random
import re
import signal
from collections import Counter

import orjson
import pytest

from support.batch_command import CONCURRENCY, MODEL, Command, content, request
from support.batch_runs import records
from support.worker_process import all_alive, start_worker, until, workers

LINES = int(os.environ.get("ASKONCE_TEST_BATCH_LINES", "1600"))
MALFORMED = LINES // 20


# The large one.

WORDINGS = ("Tell me of subject {} please", "Please tell me of subject {}", "Of subject {} tell me please")
BROKEN = (
    lambda i: b'{"custom_id": "torn-',
    lambda i: b"\xff\xfe\x00",
    lambda i: b"[]",
    lambda i: request(None, "no id"),
    lambda i: request(f"q{i % 7}", "the id of another"),
    lambda i: request(f"u{i}", "another url", url="/v1/embeddings"),
    lambda i: request(f"m{i}", "another method", method="GET"),
    lambda i: request(f"b{i}", "", body={"model": MODEL}),
    lambda i: request(f"e{i}", " "),
    lambda i: request(
        f"s{i}", "", body={"model": MODEL, "messages": [{"role": "user", "content": "x"}], "stream": True}
    ),
)


def large_file(path):
    """Two in five lines say again what another one says, some in the same words; malformed ones all over it.

    Returns the subject of each custom id.
    """
    chance = random.Random(11)
    subjects = int(LINES * 0.6)
    chosen = [*range(subjects), *(chance.randrange(subjects) for _ in range(LINES - subjects))]
    chance.shuffle(chosen)
    lines = [
        request(f"q{i}", chance.choice(WORDINGS).format(f"{subject} [g{subject}]")) for i, subject in enumerate(chosen)
    ]
    first = chosen.copy()
    for i in range(MALFORMED):
        lines.insert(chance.randrange(len(lines) // 2, len(lines)), BROKEN[i % len(BROKEN)](i))
    path.write_bytes(b"\n".join(lines))
    return {f"q{i}": subject for i, subject in enumerate(first)}


SLOW = 300
"""Milliseconds of a call, so that even a late look finds the command at work: two workers make a hundred a second."""


async def kill_in_turn(command, batch_settings, directory, running):
    """Three kills of the command, three of a worker, each once some more lines are written.

    Returns the fourth command, and how many calls may have been lost with the workers.
    """
    process, lost = await command.start(), 0
    for turn in range(3):
        least = command.written() + random.randint(LINES // 40, LINES // 16)

        async def further(process=process, least=least):
            return command.written() >= least or process.returncode is not None

        await until(further, seconds=120, what=f"{least} lines")
        assert process.returncode is None, (await process.stderr.read()).decode()
        victim = running.pop(0)
        victim.signal(signal.SIGKILL)
        process.send_signal(random.choice([signal.SIGKILL, signal.SIGINT]))
        await victim.process.wait()
        lost += CONCURRENCY
        await process.wait()
        assert process.returncode != 0
        running.append(await start_worker(batch_settings, directory / f"worker-{turn}.log"))
        process = await command.start()
    return process, lost


@pytest.mark.timeout(120 + LINES // 20)
async def test_a_large_file_killed_three_times_ends_complete_exact_and_paid_once(batch_settings, llm_server, tmp_path):
    subjects = large_file(tmp_path / "in.jsonl")
    command = Command(tmp_path, batch_settings)
    running = [await start_worker(batch_settings, tmp_path / f"worker-{name}.log") for name in ("a", "b")]
    try:
        await all_alive(batch_settings, running, 2)
        await llm_server.control(chat={"latency_ms": SLOW})
        process, lost = await kill_in_turn(command, batch_settings, tmp_path, running)
        await llm_server.control(chat={"latency_ms": 20})
        _, errors = await process.communicate()
    finally:
        for worker in running:
            await worker.kill()
    assert process.returncode == 1, errors.decode()
    out, failed = records(tmp_path / "out.jsonl"), records(tmp_path / "out.errors.jsonl")

    # Complete: every line once, the malformed ones with their number and a reason.
    assert Counter(record["custom_id"] for record in out) == Counter(subjects.keys())
    assert len(failed) == MALFORMED
    assert len({record["error"]["line"] for record in failed}) == MALFORMED
    assert {record["error"]["code"] for record in failed} == {"invalid_request"}
    assert all(record["error"]["message"].startswith(f"line {record['error']['line']}: ") for record in failed)

    # Exact: no line has another subject's answer.
    for record in out:
        assert f"[g{subjects[record['custom_id']]}]" in content(record), record

    # Paid once, but for what a worker was asking in the moment in which it was killed.
    stats = (await llm_server.stats())["chat"]
    assert stats["calls"] - len(stats["texts"]) <= lost
    billed = sum(record["askonce"]["billed"] for record in out)
    assert stats["answered"] - lost <= billed <= stats["answered"], "what was paid before a kill is no hit afterwards"
    subjects_asked = {re.search(r"\[g(\d+)\]", text)[1] for text in stats["texts"]}
    assert len(subjects_asked) == int(LINES * 0.6)
    if not any(b"embeddings.failed" in log.read_bytes() for log in tmp_path.glob("worker-*.log")):
        # Other words too. (Embeddings that take over 5 s are misses: on a machine that busy only the same words count.)
        assert stats["calls"] - len(subjects_asked) <= lost


# The rest.


async def test_through_pipes_and_again_when_killed(batch_settings, llm_server, tmp_path):
    lines = b"".join(orjson.dumps({"id": f"p{i}", "question": f"Piped {i} [g{i}]"}) + b"\n" for i in range(200))
    command = Command(tmp_path, {**batch_settings, "ASKONCE_MODEL": MODEL})
    async with workers(1, batch_settings):
        code, out, errors = await command.run("--ordered", given=lines, source="-", out="-")
        assert code == 0, errors
        found = [orjson.loads(line) for line in out.splitlines()]
        assert [record["custom_id"] for record in found] == [f"p{i}" for i in range(200)]
        assert [content(record) for record in found] == [f"answer to: Piped {i} [g{i}]" for i in range(200)]

        process = await command.start(
            "--cache", "bypass", "--template", "none", source="-", stdin=asyncio.subprocess.PIPE
        )
        process.stdin.write(lines[: len(lines) // 2])
        await process.stdin.drain()

        async def some():
            return command.written() > 50

        await until(some, what="the first lines out of an open pipe")
        process.kill()
        await process.communicate()
        arguments = ("--cache", "bypass", "--template", "none")
        code, _, errors = await command.run(*arguments, given=lines.replace(b"Piped 0 ", b"Other 0 "), source="-")
        assert (code, "differs from the last run" in errors) == (2, True)
        code, _, errors = await command.run(*arguments, given=lines, source="-")
        assert code == 0, errors
    assert sorted(record["custom_id"] for record in records(tmp_path / "out.jsonl")) == sorted(
        f"p{i}" for i in range(200)
    )
    stats = (await llm_server.stats())["chat"]
    assert max(stats["texts"].values()) == 2, "once for the first command, once for the second and third together"


async def test_provider_errors_become_failed_lines_and_are_tried_again(batch_settings, llm_server, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(request(f"q{i}", f"Thing {i} [g{i}]") for i in range(50)))
    await llm_server.fail("chat", "status", status=400, contains="Thing 7 ")
    command = Command(tmp_path, batch_settings)
    async with workers(1, batch_settings):
        code, out, errors = await command.run("--json")
        assert code == 1, errors
        assert orjson.loads(out)["errors"] == {"HTTP 400": 1}
        [failed] = records(tmp_path / "out.errors.jsonl")
        assert (failed["custom_id"], failed["response"]["status_code"], failed["error"]) == ("q7", 400, None)
        assert failed["response"]["body"]["error"]["message"] == "told to fail"
        await llm_server.control(chat={"failures": []})
        code, out, errors = await command.run("--retry-failed", "--json")
        assert code == 0, errors
        assert orjson.loads(out)["answered"] == 50
    assert (tmp_path / "out.errors.jsonl").read_bytes() == b""
    assert sorted(record["custom_id"] for record in records(tmp_path / "out.jsonl")) == sorted(
        f"q{i}" for i in range(50)
    )


async def test_a_table_gets_a_column_for_each_property_of_a_schema(batch_settings, llm_server, tmp_path):
    (tmp_path / "label.json").write_text(
        '{"type": "object", "properties": {"label": {"enum": ["refund", "order"]}, "sure": {"type": "number"}}, '
        '"required": ["label", "sure"], "additionalProperties": false}'
    )
    texts = [f"Where is {n}? [g{n}]" for n in range(30)]
    (tmp_path / "in.csv").write_text("text\n" + "\n".join(texts) + "\n")
    for text in texts[3:5]:
        await llm_server.fail("chat", "reply", reply={"message": {"content": "I think"}}, contains=text, times=1)
    repair = {"reply": {"message": {"content": "I think"}}, "contains": "does not fit the JSON schema", "times": 1}
    await llm_server.fail("chat", "reply", **repair)  # one of the two is mended
    command = Command(tmp_path, {**batch_settings, "ASKONCE_MODEL": MODEL})
    arguments = ("--prompt", "Classify: {text}", "--schema", "label.json")
    async with workers(1, batch_settings):
        code, _, errors = await command.run(*arguments, source="in.csv", out="out.csv")
        assert code == 1, errors
        rows = rows_of(tmp_path / "out.csv")
        [failed] = [row for row in rows if row["error"]]
        assert failed["error"].startswith("invalid_answer: the answer does not fit its schema: it is not JSON")
        assert {(row["label"], row["sure"]) for row in rows if row is not failed} == {("refund", "0.5")}
        assert (await llm_server.stats(brief=True))["chat"]["calls"] == 32
        code, out, errors = await command.run(*arguments, "--retry-failed", "--json", source="in.csv", out="out.csv")
        assert code == 0, errors
        assert orjson.loads(out)["failed"] == 0
        assert {row["label"] for row in rows_of(tmp_path / "out.csv")} == {"refund"}
        assert (await llm_server.stats(brief=True))["chat"]["calls"] == 33


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
