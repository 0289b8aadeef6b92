"""`askonce batch` started again: what stands on disk, whatever happened before."""

import os

import pytest

from askonce.testing import FakeClient
from support.batch_runs import BROKEN, batch, ids, stopped, texts, write


@pytest.mark.parametrize("order", [[], ["--ordered"]])
async def test_a_run_that_was_stopped_goes_on_where_it_was(files, order):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(300)])
    async with FakeClient() as askonce:
        for after in (50, 120, 200):
            await stopped(askonce, after, *order)
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
    async with FakeClient() as askonce:
        await stopped(askonce, 40)
        with (files / "out.jsonl").open("ab") as file:
            file.write(torn)
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
        assert len(askonce.asked) == 100
    assert texts(files / "out.jsonl") == {f"c{i}": f"answer to: Number {i}?" for i in range(100)}


async def test_lines_on_disk_that_the_journal_does_not_know_are_kept(files):
    """Killed between the two: the journal is that of before, the output that of after."""
    write(files / "in.jsonl", [f"Number {i}?" for i in range(100)])
    async with FakeClient() as askonce:
        await stopped(askonce, 1)
        before = (files / "out.journal").read_bytes()
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
        after = (files / "out.jsonl").read_bytes()
        (files / "out.journal").write_bytes(before)
    async with FakeClient(lambda question: BROKEN) as other:
        assert await batch(other, "in.jsonl", "out.jsonl") == 0
        assert other.asked == []
    assert (files / "out.jsonl").read_bytes() == after


async def test_what_the_output_has_lost_is_refused(files):
    write(files / "in.jsonl", ["a?", "b?"])
    async with FakeClient() as askonce:
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
    async with FakeClient() as askonce:
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
async def test_lines_that_another_program_wrote_into_the_output_are_not_cut_off(files, whole):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(100)])
    async with FakeClient() as askonce:
        if whole:
            await batch(askonce, "in.jsonl", "out.jsonl")
        else:
            await stopped(askonce, 40)
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
    async with FakeClient() as askonce:
        await stopped(askonce, 40)
        sorted_lines = b"".join(sorted((files / "out.jsonl").read_bytes().splitlines(keepends=True), reverse=True))
        (files / "out.jsonl").write_bytes(sorted_lines)
        with pytest.raises(ValueError, match="was changed since"):
            await batch(askonce, "in.jsonl", "out.jsonl")
    assert (files / "out.jsonl").read_bytes() == sorted_lines


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

    async with FakeClient() as askonce:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(OSError, match="No space left"):
                await batch(askonce, "in.jsonl", "out.jsonl")
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
        assert len(askonce.asked) == 100
    assert sorted(ids(files / "out.jsonl")) == sorted(f"c{i}" for i in range(100))
