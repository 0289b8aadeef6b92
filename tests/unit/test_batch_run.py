"""`askonce batch` over the client's double: what stands on disk, whatever happened before."""

import asyncio
import contextlib
import os
import random
import sqlite3
import sys
import time

import orjson
import pytest

from askonce import Answer, AnswerError
from askonce.batch import lines as lines_module
from askonce.batch import report
from askonce.batch.source import sampled
from askonce.cli import _parser
from askonce.testing import FakeClient

BROKEN = Answer(None, "failed", error=AnswerError("server_error", "down", 503))


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASKONCE_MODEL", "fake")
    return tmp_path


def client(answers=None, **options):
    return FakeClient(answers, **options)


async def batch(askonce, *arguments):
    args = _parser().parse_args(["batch", *arguments])
    return await args.run(askonce, args)


def write(path, texts):
    path.write_bytes(b"".join(orjson.dumps({"id": f"c{i}", "question": text}) + b"\n" for i, text in enumerate(texts)))


def records(path):
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def texts(path):
    return {
        record["custom_id"]: record["response"]["body"]["choices"][0]["message"]["content"] for record in records(path)
    }


def ids(path):
    return [record["custom_id"] for record in records(path)]


async def test_every_line_has_its_answer(files):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(300)])
    async with client() as askonce:
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

    async with client(slow) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--ordered", "--in-flight", "32") == 0
    assert ids(files / "out.jsonl") == [f"c{i}" for i in range(200)]
    assert 1 < most <= 32


async def test_a_full_queue_is_waited_for(files):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(100)])
    async with client(max_queued=10, chunk_size=4) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
    assert len(ids(files / "out.jsonl")) == 100


async def test_failed_and_malformed_lines_go_to_the_error_file_and_stop_nothing(files):
    write(files / "in.jsonl", ["good?", "bad?"])
    with (files / "in.jsonl").open("ab") as file:
        file.write(b'{"id": "c0", "question": "the id of another"}\n\n{oh\n{"question": "no newline at the end?"}')
    async with client(lambda q: BROKEN if q.text == "bad?" else q.text) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 1
    assert sorted(ids(files / "out.jsonl")) == ["c0", "line-6"]
    failed = {record["askonce"]["line"]: record for record in records(files / "out.errors.jsonl")}
    assert set(failed) == {2, 3, 5}
    assert failed[2]["response"]["status_code"] == 503
    assert failed[3]["error"]["message"] == "line 3: custom_id is that of line 1 already"
    assert (failed[5]["custom_id"], failed[5]["error"]["line"]) == (None, 5)


async def stopped(files, askonce, after, *arguments):
    """A run that is cancelled once so many questions were asked."""
    run = asyncio.create_task(batch(askonce, "in.jsonl", "out.jsonl", "--in-flight", "20", *arguments))
    while len(askonce.asked) < after and not run.done():
        await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


@pytest.mark.parametrize("order", [[], ["--ordered"]])
async def test_a_run_that_was_stopped_goes_on_where_it_was(files, order):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(300)])
    async with client() as askonce:
        for after in (50, 120, 200):
            await stopped(files, askonce, after, *order)
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--in-flight", "20", *order) == 0
        assert len(askonce.asked) == 300
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--in-flight", "20", *order) == 0
        assert len(askonce.asked) == 300
    found = ids(files / "out.jsonl")
    assert sorted(found) == sorted(f"c{i}" for i in range(300))
    if order:
        assert found == [f"c{i}" for i in range(300)]


@pytest.mark.parametrize("torn", [b'{"id":"batch_req_', b"\x00\x00\x00", b"\x00\x00\x00\n"])
async def test_a_half_written_last_line_is_repaired(files, torn):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(100)])
    async with client() as askonce:
        await stopped(files, askonce, 40)
        with (files / "out.jsonl").open("ab") as file:
            file.write(torn)
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
        assert len(askonce.asked) == 100
    assert texts(files / "out.jsonl") == {f"c{i}": f"answer to: Number {i}?" for i in range(100)}


async def test_lines_on_disk_that_the_journal_does_not_know_are_kept(files):
    """Killed between the two: the journal is that of before, the output that of after."""
    write(files / "in.jsonl", [f"Number {i}?" for i in range(100)])
    async with client() as askonce:
        await stopped(files, askonce, 1)
        before = (files / "out.journal").read_bytes()
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
        after = (files / "out.jsonl").read_bytes()
        (files / "out.journal").write_bytes(before)
    async with client(lambda question: BROKEN) as other:
        assert await batch(other, "in.jsonl", "out.jsonl") == 0
        assert other.asked == []
    assert (files / "out.jsonl").read_bytes() == after


async def test_what_the_output_has_lost_is_refused(files):
    write(files / "in.jsonl", ["a?", "b?"])
    async with client() as askonce:
        await batch(askonce, "in.jsonl", "out.jsonl")
        (files / "out.jsonl").write_bytes(b"")
        with pytest.raises(ValueError, match="bytes are missing"):
            await batch(askonce, "in.jsonl", "out.jsonl")


@pytest.mark.parametrize(
    ("arguments", "change", "named"),
    [
        ([], lambda files: write(files / "in.jsonl", ["a?", "c?"]), "the input was 2 lines"),
        (["--model", "other"], None, "--model was fake and is other"),
        (["--param", "temperature=0"], None, '--param was {} and is {"temperature":0}'),
        (["--template", "none"], None, "--template was auto and is none"),
        (["--ordered"], None, "--ordered was False and is True"),
        (["--namespace", "b"], None, "--namespace was default and is b"),
    ],
)
async def test_another_input_or_setting_is_refused_by_name(files, arguments, change, named):
    write(files / "in.jsonl", ["a?", "b?"])
    async with client() as askonce:
        await batch(askonce, "in.jsonl", "out.jsonl")
        if change:
            change(files)
        before = (files / "out.jsonl").read_bytes()
        with pytest.raises(ValueError) as refusal:
            await batch(askonce, "in.jsonl", "out.jsonl", *arguments)
        assert named in str(refusal.value)
        assert (files / "out.jsonl").read_bytes() == before
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--restart", *arguments) == 0
        assert len(ids(files / "out.jsonl")) == 2


@pytest.mark.parametrize("whole", [True, False])
async def test_what_somebody_wrote_into_the_output_is_not_cut_off(files, whole):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(100)])
    async with client() as askonce:
        if whole:
            await batch(askonce, "in.jsonl", "out.jsonl")
        else:
            await stopped(files, askonce, 40)
        asked = len(askonce.asked)
        for added in (b"a note\n", b'{"id":"batch_req_x","custom_id":"c1"}\n'):
            before = (files / "out.jsonl").read_bytes()
            (files / "out.jsonl").write_bytes(before + added)
            with pytest.raises(ValueError, match="was changed since"):
                await batch(askonce, "in.jsonl", "out.jsonl")
            assert (files / "out.jsonl").read_bytes() == before + added
            (files / "out.jsonl").write_bytes(before)
        assert len(askonce.asked) == asked
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
    assert len(ids(files / "out.jsonl")) == 100


async def test_an_output_that_was_rewritten_in_place_is_noticed(files):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(100)])
    async with client() as askonce:
        await stopped(files, askonce, 40)
        sorted_lines = b"".join(sorted((files / "out.jsonl").read_bytes().splitlines(keepends=True), reverse=True))
        (files / "out.jsonl").write_bytes(sorted_lines)
        with pytest.raises(ValueError, match="was changed since"):
            await batch(askonce, "in.jsonl", "out.jsonl")
    assert (files / "out.jsonl").read_bytes() == sorted_lines


async def test_a_hard_link_to_the_input_is_the_input(files):
    write(files / "in.jsonl", ["a?"])
    (files / "out.jsonl").hardlink_to(files / "in.jsonl")
    before = (files / "in.jsonl").read_bytes()
    async with client() as askonce:
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
    async with client() as askonce:
        for restart in ([], ["--restart"]):
            with pytest.raises(ValueError, match="no journal of a batch"):
                await batch(askonce, "in.jsonl", "out.jsonl", *restart)
    assert (files / "out.journal").read_bytes() == before
    assert (files / "out.jsonl").read_text() == "precious\n"


async def at_the_other_end(work, *args):
    """Of a pipe, in a thread that has begun: each side's opening waits for the other's."""
    task = asyncio.create_task(asyncio.to_thread(work, *args))
    await asyncio.sleep(0)
    return task


async def test_a_pipe_is_read_once(files):
    os.mkfifo(files / "pipe")
    async with client() as askonce:
        for option in ("--strict", "--retry-failed"):
            with pytest.raises(ValueError, match="twice"):
                await batch(askonce, "pipe", "out.jsonl", option)
    assert not (files / "out.jsonl").exists()


async def test_lines_of_a_stream_that_are_cut_otherwise_are_other_lines(files):
    os.mkfifo(files / "pipe")
    async with client() as askonce:
        for text, lines in ((b"ab\nc\n", 2), (b"a\nbc\n", None)):
            writing = await at_the_other_end((files / "pipe").write_bytes, text)
            if lines:
                assert await batch(askonce, "pipe", "out.jsonl", "--text") == 0
            else:
                with pytest.raises(ValueError, match="another one than before"):
                    await batch(askonce, "pipe", "out.jsonl", "--text")
            await writing
    assert len(askonce.asked) == 2


async def test_whoever_waits_for_answers_before_writing_more_gets_them(files):
    os.mkfifo(files / "pipe")

    def write_in_turns():
        with (files / "pipe").open("wb", buffering=0) as pipe:
            for turn in range(2):
                pipe.write(b"Number %d?\n" % turn)
                until = time.monotonic() + 30
                while not (files / "out.jsonl").exists() or (files / "out.jsonl").read_bytes().count(b"\n") <= turn:
                    assert time.monotonic() < until, "no answer came"
                    time.sleep(0.02)

    async with client() as askonce:
        writing = await at_the_other_end(write_in_turns)
        assert await batch(askonce, "pipe", "out.jsonl", "--text") == 0
        await writing


async def test_the_sample_of_a_stream_is_bounded_in_bytes():
    taken = 0

    async def blocks():
        nonlocal taken
        for number in range(1, 1000):
            taken += 1
            yield [lines_module.RawLine(number, b"x" * 700_000)]

    _, every = await sampled(blocks())
    assert taken <= 14
    assert [raw.number async for block in every for raw in block] == list(range(1, 1000))


async def test_a_stream_that_cannot_be_read_ends_the_run():
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="Bad file"):
        async with asyncio.timeout(10):
            [_ async for _ in lines_module.read_lines(writing)]
    os.close(reading)


async def test_failed_lines_of_a_device_go_to_the_device(files):
    write(files / "in.jsonl", ["good?", "bad?"])
    os.mkfifo(files / "pipe")
    reading = await at_the_other_end((files / "pipe").read_bytes)
    async with client(lambda q: BROKEN if q.text == "bad?" else q.text) as askonce:
        assert await batch(askonce, "in.jsonl", "pipe") == 1
    assert sorted(orjson.loads(line)["custom_id"] for line in (await reading).splitlines()) == ["c0", "c1"]
    assert {path.name for path in files.iterdir()} == {"in.jsonl", "pipe"}


async def test_a_file_that_no_batch_wrote_is_not_touched(files):
    write(files / "in.jsonl", ["a?"])
    (files / "out.jsonl").write_text("precious\n")
    async with client() as askonce:
        with pytest.raises(ValueError, match="no journal"):
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
        (["in.jsonl", "out.jsonl", "--prices", "missing.json"], "--prices"),
        (["in.jsonl", "out.jsonl", "--template", "missing.txt"], "--template"),
        (["-", "out.jsonl", "--strict"], "twice"),
        ([".", "out.jsonl"], "is a directory"),
    ],
)
async def test_what_cannot_be_run_leaves_no_trace(files, arguments, reason):
    write(files / "in.jsonl", ["a?"])
    before = (files / "in.jsonl").read_bytes()
    async with client() as askonce:
        with pytest.raises(ValueError, match=reason):
            await batch(askonce, *arguments)
    assert [path.name for path in files.iterdir()] == ["in.jsonl"]
    assert (files / "in.jsonl").read_bytes() == before


async def test_retry_failed_runs_only_the_failed_lines(files):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(50)])
    with (files / "in.jsonl").open("ab") as file:
        file.write(b"{oh\n")
    broken = {f"Number {i}?" for i in range(0, 50, 5)}
    async with client(lambda q: BROKEN if q.text in broken else q.text) as askonce:
        with pytest.raises(ValueError, match="no run before"):
            await batch(askonce, "in.jsonl", "other.jsonl", "--retry-failed")
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 1
        assert len(ids(files / "out.errors.jsonl")) == 11
        asked = len(askonce.asked)
        broken.clear()
        broken.add("Number 5?")
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--retry-failed") == 1
        assert len(askonce.asked) - asked == 10
        assert sorted(map(str, ids(files / "out.errors.jsonl"))) == ["None", "c5"]
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 1
        assert len(askonce.asked) - asked == 10
    assert sorted(ids(files / "out.jsonl")) == sorted(f"c{i}" for i in range(50) if i != 5)


async def test_a_retry_cut_short_before_the_error_file_was_emptied(files, monkeypatch):
    write(files / "in.jsonl", ["a?", "b?"])
    answers = {"a?": BROKEN, "b?": "fine"}
    async with client(lambda q: answers[q.text]) as askonce:
        await batch(askonce, "in.jsonl", "out.jsonl")
        left = (files / "out.errors.jsonl").read_bytes()
        answers["a?"] = "fine now"
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--retry-failed") == 0
        (files / "out.errors.jsonl").write_bytes(left)
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
    assert (files / "out.errors.jsonl").read_bytes() == b""
    assert texts(files / "out.jsonl") == {"c0": "fine now", "c1": "fine"}


async def test_two_at_once_on_one_output_are_refused(files):
    write(files / "in.jsonl", ["a?"])
    askonce = client()
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
    async with client() as askonce:
        with pytest.raises(ValueError, match="1 of 2 lines are malformed"):
            await batch(askonce, "in.jsonl", "out.jsonl", "--strict")
        assert askonce.asked == []
    assert "line 2: not JSON" in capsys.readouterr().err
    assert not (files / "out.jsonl").exists()


async def test_dry_run_counts_tokens_and_money_and_writes_nothing(files, capsys):
    text = "word " * 200
    write(files / "in.jsonl", [text, text, "another?"])
    async with client(model="gpt-4o-mini") as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--dry-run", "--json", "--model", "gpt-4o-mini") == 0
        assert askonce.asked == []
    found = orjson.loads(capsys.readouterr().out)
    assert (found["lines"], found["exact_repeats"], found["malformed"]) == (3, 1, 0)
    assert 500 < found["prompt_tokens"] < 550
    assert found["prompt_cost"] == pytest.approx(found["prompt_tokens_without_repeats"] * 0.15 / 1e6, abs=1e-6)
    assert found["cost_at_most"] is found["completion_tokens_at_most"] is None, "nothing bounds the answers"
    assert not (files / "out.jsonl").exists()


async def test_dry_run_knows_the_most_that_bounded_answers_cost(files, capsys):
    rows = [{"question": f"{n}?", "params": {"max_tokens": 1000, "n": n}} for n in (1, 3)]
    (files / "in.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    async with client() as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--dry-run", "--json", "--model", "gpt-4o-mini") == 0
    found = orjson.loads(capsys.readouterr().out)
    assert found["completion_tokens_at_most"] == 4000
    assert found["cost_at_most"] == pytest.approx(found["prompt_cost"] + 4000 * 0.6 / 1e6, abs=1e-6)


async def test_the_summary_counts_what_was_paid_and_what_was_saved(files, capsys):
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}

    def answering(question):
        message = {"role": "assistant", "content": "x"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {
            "id": "1",
            "created": 1,
            "object": "chat.completion",
            "model": question.model,
            "usage": usage,
            "choices": [choice],
        }

    (files / "prices.json").write_text('{"models": {"mine": {"input": 1, "output": 10}}}')
    write(files / "in.jsonl", ["a?", "b?"])
    async with client(answering, model="mine-2024-07-18") as askonce:
        await askonce.ask("a?")
        arguments = ["--model", "mine-2024-07-18", "--prices", "prices.json", "--json"]
        assert await batch(askonce, "in.jsonl", "out.jsonl", *arguments) == 0
    found = orjson.loads(capsys.readouterr().out)
    assert found["sources"] == {"exact": 1, "semantic": 0, "inflight": 0, "llm": 1}
    assert (found["llm_calls"], found["calls_saved"]) == (1, 1)
    assert found["spent"] == found["saved"]
    assert found["spent"]["cost"] == pytest.approx(0.006)


async def test_text_lines_fill_the_template_of_a_file(files):
    (files / "in.txt").write_text("Where is it?\n\nBroken!\n")
    (files / "prompt.txt").write_text("Classify: {text}\nCategory:\n")
    async with client(lambda q: q.prompt()) as askonce:
        assert await batch(askonce, "in.txt", "out.jsonl", "--text", "--template", "prompt.txt") == 0
    assert texts(files / "out.jsonl") == {
        "line-1": "Classify: Where is it?\nCategory:",
        "line-3": "Classify: Broken!\nCategory:",
    }


async def test_a_template_is_found_and_told_of(files, capsys):
    head = "Classify the message of a customer into one of our seventeen categories: "
    write(files / "in.jsonl", [f"{head}{word} is broken" for word in ("chair", "table", "lamp", "door", "bed", "sofa")])
    async with client() as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
        assert {question.template for question in askonce.asked} == {head + "{text} is broken"}
    assert "Classify the message" in capsys.readouterr().err


async def test_a_line_without_end_costs_no_memory(files, monkeypatch):
    monkeypatch.setattr(lines_module, "MAX_LINE", 1000)
    monkeypatch.setattr(lines_module, "BLOCK", 100)
    (files / "in.txt").write_bytes(b"first?\n" + b"x" * 50_000 + b"\nlast?\n" + b"y" * 2000)
    async with client() as askonce:
        assert await batch(askonce, "in.txt", "out.jsonl", "--text") == 1
    assert sorted(ids(files / "out.jsonl")) == ["line-1", "line-3"]
    assert [record["error"]["line"] for record in records(files / "out.errors.jsonl")] == [2, 4]


async def test_a_full_disk_ends_the_run_and_the_next_one_repairs(files, monkeypatch):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(100)])
    real, room = os.write, 500

    def full(fd, data):
        nonlocal room
        if fd <= 2 or len(data) < 200:
            return real(fd, data)
        if room <= 0:
            raise OSError(28, "No space left on device")
        written = real(fd, data[:room])
        room -= written
        return written

    async with client() as askonce:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(OSError, match="No space left"):
                await batch(askonce, "in.jsonl", "out.jsonl")
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
        assert len(askonce.asked) == 100
    assert sorted(ids(files / "out.jsonl")) == sorted(f"c{i}" for i in range(100))


@pytest.mark.parametrize("order", [[], ["--ordered"]])
async def test_what_redis_has_lost_is_submitted_again(files, order):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(20)])
    askonce = client()
    askonce.pause()
    async with askonce:
        run = asyncio.create_task(batch(askonce, "in.jsonl", "out.jsonl", *order))
        memory = askonce._memory
        while len(memory._jobs) < 20 and not run.done():
            await asyncio.sleep(0)
        lost = list(memory._jobs)[1:14:2]
        for job in lost:
            del memory._jobs[job]
            memory.waiting.vanished(job)
        askonce.resume()
        assert await run == 0
    found = ids(files / "out.jsonl")
    assert sorted(found) == sorted(f"c{i}" for i in range(20))
    if order:
        assert found == [f"c{i}" for i in range(20)]


async def test_what_expired_while_no_batch_ran_is_asked_again(files):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(20)])
    async with client() as askonce:
        askonce.pause()
        run = asyncio.create_task(batch(askonce, "in.jsonl", "out.jsonl", "--timeout", "0.5"))
        memory = askonce._memory
        while len(memory._jobs) < 20 and not run.done():
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.wait([run])
        async with asyncio.timeout(10):
            while any(job.deadline > time.monotonic() for job in memory._jobs.values()):
                await asyncio.sleep(0.05)
        askonce.resume()
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--timeout", "60") == 0
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--timeout", "60") == 0
    assert texts(files / "out.jsonl") == {f"c{i}": f"answer to: Number {i}?" for i in range(20)}
    assert len(records(files / "out.jsonl")) == 20


async def test_what_expires_in_time_is_a_failed_line(files):
    write(files / "in.jsonl", ["a?"])

    async def never(question):
        await asyncio.Event().wait()

    async with client(never) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--timeout", "0.2") == 1
    [failed] = records(files / "out.errors.jsonl")
    assert failed["error"]["code"] == "batch_expired"
    assert len(askonce.asked) == 1


async def test_lines_every_ten_seconds_where_there_is_no_terminal(files, monkeypatch, capsys):
    monkeypatch.setattr(report, "EVERY", 0.0)
    assert not sys.stderr.isatty()
    write(files / "in.jsonl", ["a?", "a?", "b?"])
    async with client() as askonce:
        await batch(askonce, "in.jsonl", "out.jsonl")
    assert "3/3 done" in capsys.readouterr().err
