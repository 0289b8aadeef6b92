"""`askonce-worker evaluate` against an embedding server: from pairs to a profile that a worker takes."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from askonce_worker.cli import app
from askonce_worker.evaluate import plot
from askonce_worker.matching.profiles import profile_of

MODEL = "test-embedding"


@pytest.fixture
def pairs(tmp_path):
    """Near pairs of one answer, far ones of two, and near ones of two that only the guard tells apart."""
    rows = [
        {"a": f"How tall is tower number? [g{i}]", "b": f"What height has the tower? [g{i}]", "same": True}
        for i in range(100)
    ]
    rows += [{"a": f"Who built it? [g{i}]", "b": f"Where is it? [h{i}]", "same": False} for i in range(70)]
    rows += [{"a": f"How do I open it? [k{i}]", "b": f"How do I close it? [k{i}]", "same": False} for i in range(30)]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def evaluate(llm_server, monkeypatch):
    for name, value in {
        "ASKONCE_EMBEDDING_MODEL": MODEL,
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_the_guard_is_measured_and_the_threshold_saved(evaluate, pairs, tmp_path, llm_server):
    result = evaluate(pairs, "--json", "--max-error", "0.05", "--save", tmp_path / "new" / "profile.json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    [file] = report["files"]
    assert (file["name"], file["pairs"], file["same"]) == ("pairs.jsonl", 200, 100)
    kept = file["held_out"]
    assert kept["guarded"]["hit_rate"] == 1
    assert kept["guarded"]["wrong"] == 0 < kept["bare"]["wrong"]
    assert profile_of(MODEL, tmp_path / "new").threshold == report["threshold"]
    assert "pairs.jsonl" in profile_of(MODEL, tmp_path / "new").measured


def test_exported_wrong_hits_are_measured_beside_another_file(evaluate, pairs, tmp_path):
    wrong = tmp_path / "wrong.jsonl"
    rows = [json.loads(line) for line in pairs.read_text().splitlines()]
    wrong.write_text("\n".join(json.dumps(row) for row in rows if not row["same"]))
    pairs.write_text("\n".join(json.dumps(row) for row in rows if row["same"]))
    result = evaluate(pairs, wrong, "--json", "--max-error", "0.05")
    assert result.exit_code == 0, result.output
    [file] = json.loads(result.stdout)["files"]
    assert (file["name"], file["pairs"], file["same"]) == ("pairs.jsonl + wrong.jsonl", 200, 100)
    assert evaluate(wrong).exit_code == 2


async def test_a_second_run_asks_the_embedding_model_nothing(evaluate, pairs, tmp_path, llm_server):
    vectors = tmp_path / "vectors.npz"
    first = await asyncio.to_thread(evaluate, pairs, "--max-error", "0.05", "--vectors", vectors)
    assert first.exit_code == 0, first.output
    assert "guard on" in first.output
    await llm_server.fail("embeddings", "status", status=500)
    again = await asyncio.to_thread(evaluate, pairs, "--max-error", "0.05", "--vectors", vectors)
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert b"tower" not in vectors.read_bytes()


async def test_an_embedding_model_that_does_not_answer_is_said_in_one_line(evaluate, pairs, llm_server):
    await llm_server.fail("embeddings", "status", status=401)
    result = await asyncio.to_thread(evaluate, pairs)
    assert result.exit_code == 1
    assert "does not answer" in result.stderr.splitlines()[-1]


def test_a_plot_without_its_extra_is_refused_before_the_work(evaluate, pairs, tmp_path, monkeypatch, llm_server):
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    result = evaluate(pairs, "--plot", tmp_path / "curve.png")
    assert result.exit_code == 1
    assert "askonce[worker,plot]" in result.stderr
    assert not (tmp_path / "curve.png").exists()


def test_the_plot_is_a_picture(evaluate, pairs, tmp_path):
    pytest.importorskip("matplotlib")
    result = evaluate(pairs, "--max-error", "0.05", "--plot", tmp_path / "curve.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_pairs_that_cannot_be_read_are_bad_input(evaluate, tmp_path):
    result = evaluate(tmp_path / "none.jsonl")
    assert result.exit_code == 2
    assert "none.jsonl" in result.stderr


def test_a_threshold_that_is_not_shown_to_keep_the_limit_is_neither_recommended_nor_saved(evaluate, pairs, tmp_path):
    profile = tmp_path / "profile.json"
    pairs = pairs.rename(tmp_path / "pairs[1].jsonl")
    result = evaluate(pairs, "--save", profile)
    assert result.exit_code == 1
    assert "no recommendation" in result.stdout
    assert "pairs are needed" in " ".join(result.stdout.split())
    assert "recommended" not in result.stdout
    assert "pairs[1].jsonl" in result.stdout
    assert not profile.exists()
    as_json = evaluate(pairs, "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["threshold"] is None
    assert "pairs are needed" in as_json.stderr


async def test_a_profile_that_cannot_be_written_is_said_before_the_work(evaluate, pairs, tmp_path, llm_server):
    (tmp_path / "file").write_text("in the way of a directory")
    await llm_server.fail("embeddings", "status", status=500)  # an evaluation that began would complain of this instead
    result = await asyncio.to_thread(evaluate, pairs, "--save", tmp_path / "file" / "profile.json")
    assert result.exit_code == 1
    assert "does not answer" not in result.stderr
    assert str(tmp_path / "file") in result.stderr
