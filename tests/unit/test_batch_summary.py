"""What `askonce batch` says: an estimate before it runs, figures while it does, and the sum of it."""

import os
import shlex
import sys

import orjson
import pytest

from askonce import Answer
from askonce.batch import console
from askonce.testing import FakeClient
from support.batch_runs import BROKEN, at_the_other_end, batch, write


async def test_dry_run_counts_tokens_and_money_and_writes_nothing(files, capsys):
    text = "word " * 200
    write(files / "in.jsonl", [text, text, "another?"])
    async with FakeClient(model="gpt-4o-mini") as askonce:
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
    async with FakeClient() as askonce:
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
    async with FakeClient(answering, model="mine-2024-07-18") as askonce:
        await askonce.ask("a?")
        arguments = ["--model", "mine-2024-07-18", "--prices", "prices.json", "--json"]
        assert await batch(askonce, "in.jsonl", "out.jsonl", *arguments) == 0
    found = orjson.loads(capsys.readouterr().out)
    assert found["sources"] == {"exact": 1, "semantic": 0, "inflight": 0, "llm": 1}
    assert (found["llm_calls"], found["calls_saved"]) == (1, 1)
    assert found["spent"] == found["saved"]
    assert found["spent"]["cost"] == pytest.approx(0.006)


async def test_lines_every_ten_seconds_where_there_is_no_terminal(files, monkeypatch, capsys):
    monkeypatch.setattr(console, "EVERY", 0.0)
    assert not sys.stderr.isatty()
    write(files / "in.jsonl", ["a?", "a?", "b?"])
    async with FakeClient() as askonce:
        await batch(askonce, "in.jsonl", "out.jsonl")
    assert "3/3 done" in capsys.readouterr().err


def completion(question, *, text="x", reason="stop"):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {
        "id": "1",
        "created": 1,
        "object": "chat.completion",
        "model": question.model,
        "usage": usage,
        "choices": [choice],
    }


async def test_the_summary_says_where_failed_lines_are_and_how_to_run_them_again(files, capsys):
    (files / "my in.jsonl").write_bytes(b'{"question": "good?"}\n{"question": "bad?"}\n{oh\n')
    async with FakeClient(lambda q: BROKEN if q.text == "bad?" else q.text) as askonce:
        arguments = [
            "my in.jsonl",
            "out.jsonl",
            "--model",
            "m",
            "--param",
            "temperature=0",
            "--ordered",
            "--allow-misfits",
        ]
        assert await batch(askonce, *arguments) == 1
    said = capsys.readouterr().err
    assert "askonce: 2 failed lines are in out.errors.jsonl" in said
    options = "--model m --param temperature=0 --ordered --allow-misfits --retry-failed"
    command = f"askonce batch 'my in.jsonl' out.jsonl {options}"
    assert f"run them again: {command}\n" in said
    assert "1 lines are malformed: fix them, and add --restart" in said


async def test_a_command_that_is_named_does_what_it_says(files, capsys):
    write(files / "in.jsonl", ["a?", "b?"])
    answers = {"a?": "fine", "b?": BROKEN}
    async with FakeClient(lambda q: answers[q.text]) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--cache", "refresh", "--template", "Say: {text}") == 1
        [line] = [line for line in capsys.readouterr().err.splitlines() if "run them again" in line]
        answers["b?"] = "fine now"
        words = shlex.split(line.partition(": run them again: ")[2])
        assert words[:2] == ["askonce", "batch"]
        assert await batch(askonce, *words[2:]) == 0
    said = capsys.readouterr().err
    assert "running 1 failed lines again" in said
    assert "1 failed lines were run again: 1 are answered, 0 failed" in said


async def test_no_command_is_named_where_the_input_cannot_be_read_again(files, capsys):
    os.mkfifo(files / "pipe")
    writing = await at_the_other_end((files / "pipe").write_bytes, b"a?\n")
    async with FakeClient(lambda q: BROKEN) as askonce:
        assert await batch(askonce, "pipe", "out.jsonl", "--text") == 1
    await writing
    said = capsys.readouterr().err
    assert "1 failed lines are in out.errors.jsonl" in said
    assert "--retry-failed" not in said


async def test_answers_that_are_cut_off_are_counted_and_explained(files, capsys):
    write(files / "in.jsonl", ["whole?", "cut?", "cut off?", "empty?"])
    reasons = {"cut?": "length", "cut off?": "length"}
    said = {"empty?": ""}

    def answering(question):
        return completion(question, text=said.get(question.text, "x"), reason=reasons.get(question.text, "stop"))

    async with FakeClient(answering) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--json") == 0
        found = capsys.readouterr()
        assert orjson.loads(found.out)["not_cached"] == {"truncated": 2, "empty": 1}
        assert "2 answers are truncated (not cached): allow more tokens by max_tokens" in found.err
        assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
    assert "truncated                       2" in capsys.readouterr().out


async def test_questions_that_were_asked_without_matching_are_counted_and_explained(files, capsys):
    write(files / "in.jsonl", ["a?", "b?", "c?"])

    def answering(question):
        reason = None if question.text == "a?" else "embeddings_slow"
        return Answer(None, "answered", "llm", body=completion(question), unmatched=reason)

    async with FakeClient(answering) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--json") == 0
    found = capsys.readouterr()
    assert orjson.loads(found.out)["unmatched"] == {"embeddings_slow": 2}
    assert "2 questions were asked without matching: the embedding server is too slow" in found.err


async def test_models_without_a_price_are_named(files, capsys):
    write(files / "in.jsonl", ["a?"])
    async with FakeClient(completion) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--model", "my-own") == 0
    assert "no price is known of my-own: money leaves it out; see --prices" in capsys.readouterr().err


async def test_it_says_how_many_calls_of_the_tier_batch_were_in_no_batch(files, capsys):
    write(files / "in.jsonl", ["a?", "b?", "a?"])
    async with FakeClient() as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--json", "--tier", "batch") == 0
    captured = capsys.readouterr()
    assert orjson.loads(captured.out)["tiers"] == {"standard": 2}
    assert "2 LLM calls were not paid in the tier batch: the deadline was near" in captured.err


async def test_dry_run_reckons_by_the_tier_and_writes_small_sums_out(files, capsys):
    write(files / "in.jsonl", ["word " * 200])
    words = ("in.jsonl", "out.jsonl", "--dry-run", "--model", "gpt-4o-mini")
    async with FakeClient(model="gpt-4o-mini") as askonce:
        costs = []
        for tier in ("standard", "batch"):
            assert await batch(askonce, *words, "--tier", tier, "--json") == 0
            costs.append(orjson.loads(capsys.readouterr().out)["prompt_cost"])
        assert costs[1] == pytest.approx(costs[0] / 2, abs=1e-6)
        assert await batch(askonce, *words) == 0
    assert "prompt cost                    0.000038" in capsys.readouterr().out
