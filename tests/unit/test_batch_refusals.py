"""What `askonce batch` refuses, and leaves as it was."""

import asyncio
import contextlib
import sqlite3

import pytest

from askonce.testing import FakeClient
from support.batch_runs import batch, records, write


async def test_a_hard_link_to_the_input_is_the_input(files):
    write(files / "in.jsonl", ["a?"])
    (files / "out.jsonl").hardlink_to(files / "in.jsonl")
    before = (files / "in.jsonl").read_bytes()
    async with FakeClient() as askonce:
        with pytest.raises(ValueError, match="the input already"):
            await batch(askonce, "in.jsonl", "out.jsonl", "--restart")
    assert (files / "in.jsonl").read_bytes() == before


@pytest.mark.parametrize("database", [True, False])
async def test_a_journal_that_is_none_is_not_removed(files, database):
    write(files / "in.jsonl", ["a?"])
    (files / "out.jsonl").write_text("precious\n")
    if database:
        with contextlib.closing(sqlite3.connect(files / "out.journal")) as other:
            other.execute("CREATE TABLE precious (id)")
    else:
        (files / "out.journal").write_text("Dear diary")
    before = (files / "out.journal").read_bytes()
    async with FakeClient() as askonce:
        for restart in ([], ["--restart"]):
            with pytest.raises(ValueError, match="not a batch journal"):
                await batch(askonce, "in.jsonl", "out.jsonl", *restart)
    assert (files / "out.journal").read_bytes() == before
    assert (files / "out.jsonl").read_text() == "precious\n"


async def test_a_file_that_no_batch_wrote_is_not_touched(files):
    write(files / "in.jsonl", ["a?"])
    (files / "out.jsonl").write_text("precious\n")
    async with FakeClient() as askonce:
        with pytest.raises(ValueError, match="without a batch journal"):
            await batch(askonce, "in.jsonl", "out.jsonl")
        assert (files / "out.jsonl").read_text() == "precious\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["in.jsonl", "in.jsonl", "--restart"], "the input already"),
        (["in.jsonl", "out.jsonl", "--errors", "in.jsonl", "--restart"], "the input already"),
        (["in.jsonl", "out.jsonl", "--errors", "./out.jsonl"], "the output already"),
        (["in.jsonl", "nowhere/out.jsonl"], "no directory"),
        (["missing.jsonl", "out.jsonl"], "no such file"),
        (["in.jsonl", "out.jsonl", "--prices", "missing.json"], "the price file missing.json"),
        (["in.jsonl", "out.jsonl", "--template", "missing.txt"], "--template"),
        (["-", "out.jsonl", "--strict"], "twice"),
        ([".", "out.jsonl"], "is a directory"),
    ],
)
async def test_what_cannot_be_run_leaves_no_trace(files, arguments, reason):
    write(files / "in.jsonl", ["a?"])
    before = (files / "in.jsonl").read_bytes()
    async with FakeClient() as askonce:
        with pytest.raises(ValueError, match=reason):
            await batch(askonce, *arguments)
    assert [path.name for path in files.iterdir()] == ["in.jsonl"]
    assert (files / "in.jsonl").read_bytes() == before


async def test_two_at_once_on_one_output_are_refused(files):
    write(files / "in.jsonl", ["a?"])
    askonce = FakeClient()
    askonce.pause()
    async with askonce:
        first = asyncio.create_task(batch(askonce, "in.jsonl", "out.jsonl"))
        while not (files / "out.jsonl").exists() and not first.done():
            await asyncio.sleep(0)
        for restart in ([], ["--restart"]):
            with pytest.raises(ValueError, match="in use"):
                await batch(askonce, "in.jsonl", "out.jsonl", *restart)
        askonce.resume()
        assert await first == 0


async def test_strict_stops_before_anything_is_asked(files, capsys):
    write(files / "in.jsonl", ["a?"])
    with (files / "in.jsonl").open("ab") as file:
        file.write(b"{oh\n")
    async with FakeClient() as askonce:
        with pytest.raises(ValueError, match="1 of 2 lines are malformed"):
            await batch(askonce, "in.jsonl", "out.jsonl", "--strict")
        assert askonce.asked == []
    assert "line 2: not JSON" in capsys.readouterr().err
    assert not (files / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        (b"a?\n", ["--text"]),
        (b'{"question": "a?"}\n{oh\n', []),
        (b'{"messages": [{"role": "user", "content": "a?"}]}', []),
    ],
    ids=["text", "questions", "messages"],
)
async def test_questions_without_any_model_are_refused_before_the_first(files, monkeypatch, content, arguments):
    monkeypatch.delenv("ASKONCE_MODEL")
    (files / "in.jsonl").write_bytes(content)
    async with FakeClient() as askonce:
        with pytest.raises(ValueError, match="no model: set it with --model, in ASKONCE_MODEL"):
            await batch(askonce, "in.jsonl", "out.jsonl", *arguments)
        assert askonce.asked == []
    assert not (files / "out.jsonl").exists()


async def test_a_line_without_a_model_among_others_is_malformed(files, monkeypatch):
    monkeypatch.delenv("ASKONCE_MODEL")
    (files / "in.jsonl").write_bytes(b'{"question": "a?"}\n{"question": "b?", "model": "m"}\n')
    async with FakeClient() as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 1
    [failed] = records(files / "out.errors.jsonl")
    assert failed["error"]["message"] == "line 1: no model: set it in the line, with --model, or in ASKONCE_MODEL"
