"""`askonce batch` over the client's double: each line has its answer."""

import asyncio
import os
import random

from askonce.batch import lines as lines_module
from askonce.batch.ledger import UNSAVED_BYTES
from askonce.tables import lines as table_lines
from askonce.testing import FakeClient
from support.batch_runs import BROKEN, batch, ids, records, texts, write


async def test_every_line_has_its_answer(files):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(300)])
    async with FakeClient() as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
    assert texts(files / "out.jsonl") == {f"c{i}": f"answer to: Number {i}?" for i in range(300)}
    assert (files / "out.errors.jsonl").read_bytes() == b""


async def test_ordered_keeps_the_order_with_few_under_way(files):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(200)])
    under_way = most = 0

    async def slow(question):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(random.randrange(20)):
            await asyncio.sleep(0)
        under_way -= 1
        return question.text

    async with FakeClient(slow) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--ordered", "--in-flight", "32") == 0
    assert ids(files / "out.jsonl") == [f"c{i}" for i in range(200)]
    assert 1 < most <= 32


async def test_a_full_queue_is_waited_for(files):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(100)])
    async with FakeClient(max_queued=10, chunk_size=4) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
    assert len(ids(files / "out.jsonl")) == 100


async def test_failed_and_malformed_lines_go_to_the_error_file_and_stop_nothing(files):
    write(files / "in.jsonl", ["good?", "bad?"])
    with (files / "in.jsonl").open("ab") as file:
        file.write(b'{"id": "c0", "question": "the id of another"}\n\n{oh\n{"question": "no newline at the end?"}')
    async with FakeClient(lambda q: BROKEN if q.text == "bad?" else q.text) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 1
    assert sorted(ids(files / "out.jsonl")) == ["c0", "line-6"]
    failed = {record["askonce"]["line"]: record for record in records(files / "out.errors.jsonl")}
    assert set(failed) == {2, 3, 5}
    assert failed[2]["response"]["status_code"] == 503
    assert failed[3]["error"]["message"] == "line 3: custom_id is already used in line 1"
    assert (failed[5]["custom_id"], failed[5]["error"]["line"]) == (None, 5)


async def test_text_lines_fill_the_template_of_a_file(files):
    (files / "in.txt").write_text("Where is it?\n\nBroken!\n")
    (files / "prompt.txt").write_text("Classify: {text}\nCategory:\n")
    async with FakeClient(lambda q: q.prompt()) as askonce:
        assert await batch(askonce, "in.txt", "out.jsonl", "--text", "--template", "prompt.txt") == 0
    assert texts(files / "out.jsonl") == {
        "line-1": "Classify: Where is it?\nCategory:",
        "line-3": "Classify: Broken!\nCategory:",
    }


async def test_a_template_is_found_and_shown(files, capsys):
    head = "Classify the message of a customer into one of our seventeen categories: "
    write(files / "in.jsonl", [f"{head}{word} is broken" for word in ("chair", "table", "lamp", "door", "bed", "sofa")])
    async with FakeClient() as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
        assert {question.template for question in askonce.asked} == {head + "{text} is broken"}
    assert "Classify the message" in capsys.readouterr().err


async def test_a_line_without_end_costs_no_memory(files, monkeypatch):
    monkeypatch.setattr(table_lines, "MAX_LINE", 1000)
    monkeypatch.setattr(lines_module, "BLOCK", 100)
    (files / "in.txt").write_bytes(b"first?\n" + b"x" * 50_000 + b"\nlast?\n" + b"y" * 2000)
    async with FakeClient() as askonce:
        assert await batch(askonce, "in.txt", "out.jsonl", "--text") == 1
    assert sorted(ids(files / "out.jsonl")) == ["line-1", "line-3"]
    assert [record["error"]["line"] for record in records(files / "out.errors.jsonl")] == [2, 4]


async def test_what_expires_in_time_is_a_failed_line(files):
    write(files / "in.jsonl", ["a?"])

    async def never(question):
        await asyncio.Event().wait()

    async with FakeClient(never) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--timeout", "0.2") == 1
    [failed] = records(files / "out.errors.jsonl")
    assert failed["error"]["code"] == "batch_expired"
    assert len(askonce.asked) == 1


async def test_large_answers_are_written_as_they_come(files, monkeypatch):
    """Whatever their number: what waits to be written is bounded in bytes."""
    write(files / "in.jsonl", [f"Number {i}?" for i in range(60)])
    sizes, real = [], os.write

    def written(fd, data):
        sizes.append(len(data))
        return real(fd, data)

    async with FakeClient(lambda question: "x" * 2_000_000) as askonce:
        monkeypatch.setattr(os, "write", written)
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
    assert max(sizes) < UNSAVED_BYTES + 3_000_000
    assert len(ids(files / "out.jsonl")) == 60
