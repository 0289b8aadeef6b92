"""`askonce batch --retry-failed`: only the failed lines run again."""

import pytest

from askonce.testing import FakeClient
from support.batch_runs import BROKEN, batch, ids, texts, write


async def test_retry_failed_runs_only_the_failed_lines(files):
    write(files / "in.jsonl", [f"Number {i}?" for i in range(50)])
    with (files / "in.jsonl").open("ab") as file:
        file.write(b"{oh\n")
    broken = {f"Number {i}?" for i in range(0, 50, 5)}
    async with FakeClient(lambda q: BROKEN if q.text in broken else q.text) as askonce:
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
    async with FakeClient(lambda q: answers[q.text]) as askonce:
        await batch(askonce, "in.jsonl", "out.jsonl")
        left = (files / "out.errors.jsonl").read_bytes()
        answers["a?"] = "fine now"
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--retry-failed") == 0
        (files / "out.errors.jsonl").write_bytes(left)
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
    assert (files / "out.errors.jsonl").read_bytes() == b""
    assert texts(files / "out.jsonl") == {"c0": "fine now", "c1": "fine"}
