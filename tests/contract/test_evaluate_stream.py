"""`askonce-worker evaluate --stream` against an embedding server."""

import asyncio
import json
import random

import pytest
from typer.testing import CliRunner

from askonce_worker.cli import app

MODEL = "test-embedding"
REQUESTS = 1500


@pytest.fixture
def stream(tmp_path):
    """A few answers that are asked for again and again, among questions that are asked once."""
    chance = random.Random(3)
    rows = []
    for at in range(REQUESTS):
        answer = chance.randrange(40) if chance.random() < 0.5 else 1000 + at
        rows.append(
            {
                "text": f"Tell me about it{' please' * (at % 40)}{' thanks' * (at // 40)} [g{answer}]",
                "label": f"answer {answer}",
            }
        )
    path = tmp_path / "stream.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def evaluate(llm_server, monkeypatch, tmp_path):
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "p.json").write_text(
        json.dumps({"model": MODEL, "threshold": 0.99, "max_tokens": 4000, "measured": "-"})
    )
    for name, value in {
        "ASKONCE_EMBEDDING_MODEL": MODEL,
        "ASKONCE_PROFILES": str(profiles),
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_the_ledger_finds_what_the_profile_misses_and_says_so(evaluate, stream, tmp_path):
    result = evaluate("--stream", stream, "--json", "--vectors", tmp_path / "vectors.npz")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["requests"], report["orders"], report["shuffled"]) == (REQUESTS, 1, False)
    rows = {row["name"]: row for row in report["rows"]}
    assert len(rows["ledger"]["quarters"]) == 4
    assert rows["the profile's"]["whole"]["hits"] < 0.1
    assert rows["ledger"]["quarters"][3]["hits"] > 0.1
    assert rows["ledger"]["whole"]["wrong"] <= 0.01
    assert rows["ledger"]["whole"]["checks"] > 0


async def test_several_orders_and_a_picture_from_kept_vectors(evaluate, stream, tmp_path, llm_server):
    pytest.importorskip("matplotlib")
    vectors, picture = tmp_path / "vectors.npz", tmp_path / "stream.svg"
    assert (await asyncio.to_thread(evaluate, "--stream", stream, "--vectors", vectors)).exit_code == 0
    await llm_server.fail("embeddings", "status", status=500)
    arguments = ("--stream", stream, "--vectors", vectors, "--orders", 2, "--seed", 5, "--plot", picture)
    first = await asyncio.to_thread(evaluate, *arguments)
    assert first.exit_code == 0, first.output
    assert "2 shuffled orders" in first.stdout
    assert "budget 1.00 %" in first.stdout
    drawn = picture.read_text()
    assert (await asyncio.to_thread(evaluate, *arguments)).stdout == first.stdout
    assert picture.read_text() == drawn
    assert "budget</text>" in drawn
    assert "#ffffff" not in drawn  # no ground of its own: it stands on light and on dark


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), ("{}", "line 1"), ("", "no questions"), (b"\xff\xfe", "not UTF-8")],
)
def test_a_stream_that_cannot_be_read_is_one_clear_line(evaluate, tmp_path, content, said):
    path = tmp_path / "bad.jsonl"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = evaluate("--stream", path)
    assert result.exit_code == 2
    assert said in result.stderr.splitlines()[-1]
    assert "bad.jsonl" in result.stderr


def test_pairs_and_a_stream_are_not_for_one_run(evaluate, stream, tmp_path):
    for arguments in ((), (stream, "--stream", stream), (stream, "--orders", "2"), ("--stream", stream, "--save", "x")):
        result = evaluate(*arguments)
        assert result.exit_code == 2
        assert len(result.stderr.strip().splitlines()) == 1


def test_a_stream_too_short_for_a_ledger_is_served_as_the_profile_says(evaluate, stream):
    stream.write_text("\n".join(stream.read_text().splitlines()[:60]))
    result = evaluate("--stream", stream)
    assert result.exit_code == 0, result.output
    assert "up to 1,000 requests" in result.stdout
