"""`askonce-worker replay` against an embedding server: a log in, what the cache would have saved out."""

import asyncio
import gzip
import json
import os
import re
import signal

import pytest
from typer.testing import CliRunner

from askonce.prices.price_file import FilePrices
from askonce_worker.cli import app
from askonce_worker.replay.replaying import Progress, Replay
from askonce_worker.replay.sources.choosing import Reading
from askonce_worker.replay.stopping import on_interrupt
from askonce_worker.settings import load_settings

MODEL = "test-embedding"
T0 = 1777888800.0
WEEK = 604_800


@pytest.fixture
def replay(llm_server, monkeypatch, tmp_path):
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "p.json").write_text(
        json.dumps({"model": MODEL, "threshold": 0.95, "max_tokens": 4000, "measured": "-"})
    )
    prices = {"models": {"m": {"input": 100, "output": 100, "batch": {"input": 50, "output": 50}}}}
    (tmp_path / "prices.json").write_text(json.dumps(prices))
    for name, value in {
        "ASKONCE_EMBEDDING_MODEL": MODEL,
        "ASKONCE_PROFILES": str(profiles),
        "ASKONCE_PRICES": str(tmp_path / "prices.json"),
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(app, ["replay", *map(str, arguments)])


def body(answer, reason="stop"):
    message = {"role": "assistant", "content": answer}
    usage = {"prompt_tokens": 9_000, "completion_tokens": 1_000}
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}


def row(at, text, answer="yes", *, seconds=2.0, reason="stop", **fields):
    request = {"model": "m", "messages": [{"role": "user", "content": text}]}
    timed = {"time": T0 + at, "latency": seconds}
    return {**timed, "request": request, "response": body(answer, reason), **fields}


TALL, HEIGHT = "How tall is tower number? [g{}]", "What height has the tower? [g{}]"
LOG = [
    row(0, TALL.format(1), "330"),
    row(1, HEIGHT.format(1), "330"),  # joined
    row(10, TALL.format(1), "331"),  # exact, and the model contradicts itself
    row(30, TALL.format(2), "10"),
    row(40, HEIGHT.format(2), "12"),  # similar, and wrong
    row(41, HEIGHT.format(2), "10", namespace="other"),
    row(50, "What is the weather today? [g3]"),
    row(60, "What is the weather today? [g3]"),  # about now
    row(70, "Tell me all. [g4]", reason="length"),
    row(80, "Tell me all. [g4]"),  # the first one was cut off
    row(90, "Is it near? [g5:0.91]"),
    row(95, "Is it close by? [g5:0.91]"),  # similar from 0.9 on
    row(2 + WEEK, TALL.format(1), "330"),  # expired
]


def write(path, rows):
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


def found(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_log_is_played_in_the_order_of_time_by_the_workers_rules(replay, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    report = found(replay(write(tmp_path / "log.jsonl", LOG[::-1]), "--json", "--pairs", pairs))
    total = report["total"]
    assert [total[kind] for kind in ("calls", "exact", "semantic", "inflight", "misses")] == [13, 1, 1, 1, 10]
    assert (total["spent"], total["saved"], total["misses_at_batch"]) == (13.0, 3.0, 5.0)
    assert (total["wrong"]["judged"], total["wrong"]["wrong"]) == (2, 1)
    assert total["wrong"]["low"] < 0.5 < total["wrong"]["high"]
    assert (total["repeats"]["judged"], total["repeats"]["wrong"]) == (1, 1)
    assert total["latency"]["saved"] == pytest.approx(2 + 2 + 1)
    hits = {round(each["threshold"], 3): each["hits"] for each in report["thresholds"]}
    assert hits == {0.975: 3, 0.95: 3, 0.925: 3, 0.9: 4, 0.85: 4}
    assert {group["name"]: group["calls"] for group in report["namespaces"]} == {"default": 12, "other": 1}
    assert not report["log"]["in_order"]
    [pair] = map(json.loads, pairs.read_text().splitlines())
    assert (pair["a"], pair["b"], pair["same"]) == (HEIGHT.format(2), TALL.format(2), False)
    assert (pair["answer_a"], pair["answer_b"]) == ("12", "10")
    assert TALL.format(2) not in json.dumps(report)


async def test_repeated_texts_are_embedded_once_and_kept_vectors_not_again(replay, tmp_path, llm_server):
    log, vectors = write(tmp_path / "log.jsonl", LOG), tmp_path / "vectors.sqlite"
    report = found(await asyncio.to_thread(replay, log, "--json", "--vectors", vectors))
    assert report["texts_embedded"] == len({each["request"]["messages"][0]["content"] for each in LOG})
    await llm_server.fail("embeddings", "status", status=500)
    again = found(await asyncio.to_thread(replay, log, "--json", "--vectors", vectors))
    assert {**again, "texts_embedded": 0} == {**report, "texts_embedded": 0}
    assert again["texts_embedded"] == 0


def test_exact_matches_alone_ask_no_embedding_model(replay, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    report = found(replay(write(tmp_path / "log.jsonl", LOG), "--json", "--exact"))
    assert (report["total"]["exact"], report["total"]["semantic"], report["thresholds"]) == (1, 0, [])


def test_the_template_of_a_prompt_is_found_and_what_is_in_it_is_compared(replay, tmp_path):
    prompt = "Classify the message of a customer into one of two kinds.\n\nMessage: {}\n\nAnswer with one word."
    rows = [row(at, prompt.format((TALL, HEIGHT)[at % 2].format(at // 2))) for at in range(60)]
    report = found(replay(write(tmp_path / "log.jsonl", rows), "--json"))
    [template] = report["rules"]["templates"]
    assert template == prompt.replace("{}", "{text}")
    assert (report["total"]["inflight"], report["total"]["semantic"]) == (30, 0)


def test_a_batch_and_its_output_are_joined(replay, tmp_path):
    texts = [TALL.format(1), HEIGHT.format(1), TALL.format(1)]
    batch = [
        {"custom_id": f"c{at}", "method": "POST", "url": "/v1/chat/completions",
         "body": {"model": "m", "messages": [{"role": "user", "content": text}]}}
        for at, text in enumerate(texts)
    ]  # fmt: skip
    replies = [{"custom_id": f"c{at}", "response": {"status_code": 200, "body": body("7")}} for at in (2, 0, 1)]
    report = found(replay(write(tmp_path / "in.jsonl", batch), write(tmp_path / "out.jsonl", replies), "--json"))
    assert (report["total"]["exact"], report["total"]["semantic"], report["total"]["spent"]) == (1, 1, 3.0)
    assert report["total"]["wrong"]["judged"] == 1
    assert report["log"]["first"] is None


def test_malformed_rows_are_counted_and_strict_ends_at_the_first(replay, tmp_path):
    log = tmp_path / "log.jsonl.gz"
    lines = [json.dumps(each) for each in LOG]
    lines[3:3] = ["{", json.dumps({"time": T0}), json.dumps({**LOG[0], "time": None})]
    log.write_bytes(gzip.compress("\n".join(lines).encode()))
    report = found(replay(log, "--json", "--exact"))
    assert (report["total"]["calls"], sum(report["log"]["malformed"].values())) == (len(LOG), 3)
    assert "3 malformed rows" in replay(log, "--exact").stdout
    strict = replay(log, "--json", "--exact", "--strict")
    assert strict.exit_code == 2
    assert "line 4: not JSON" in strict.stderr


@pytest.mark.parametrize(
    ("content", "arguments", "says"),
    [
        (None, (), "No such file"),
        ("", (), "no calls"),
        (json.dumps({"custom_id": "1", "response": {"status_code": 200, "body": body("x")}}), (), "no requests"),
        ("{}", ("--column", "txt=a"), "--column txt=a"),
        (json.dumps({"text": "a?"}), (), "--model"),
        (json.dumps({"Subject": "a?", "n" * 99: 1}), (), f"its columns are Subject, {'n' * 40}…"),
        (json.dumps({"Subject": "a?"}), ("--column", "text=subject"), "its columns are Subject"),
        (json.dumps(LOG), (), "jq -c"),
        (json.dumps(LOG, indent=1), (), "jq -c"),
    ],
)
def test_what_cannot_be_played_is_one_clear_line(replay, tmp_path, content, arguments, says):
    log = tmp_path / "log.jsonl"
    if content is not None:
        log.write_text(content)
    result = replay(log, *arguments)
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert says in line


def test_an_embedding_model_that_is_not_there_is_one_clear_line(replay, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    monkeypatch.setenv("ASKONCE_EMBEDDING_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr("askonce_worker.replay.vectors.REQUEST_TIMEOUT", 0.5)
    result = replay(write(tmp_path / "log.jsonl", LOG))
    assert result.exit_code == 1
    assert "does not answer" in result.stderr.splitlines()[-1]


def test_the_page_needs_no_network_and_holds_none_of_the_questions(replay, tmp_path):
    page = tmp_path / "new" / "report.html"
    rows = [*LOG, row(99, "Is it <b>new</b>? [g8]", namespace="other")]
    rows[-1]["request"] = {**rows[-1]["request"], "model": "<i>m</i>"}
    assert replay(write(tmp_path / "log.jsonl", rows), "--html", page).exit_code == 0
    html = page.read_text()
    assert html.count("<svg") >= 1 + 2 * 5 - 3
    assert not re.search(r"https?:|<script|src=|url\(|@import|<link", html)
    assert "&lt;i&gt;m&lt;/i&gt;" in html
    assert "<i>m</i>" not in html
    assert "tower" not in html


def test_the_terminal_has_room_enough_with_80_columns(replay, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = replay(write(tmp_path / "log.jsonl", LOG[::-1]))
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    for said in ("23.1 % would have been answered", "0.9500 *", "judging by 2 answers", "and was sorted"):
        assert said in " ".join(result.stdout.split())


def test_a_table_that_does_not_show_all_its_rows_says_so(replay, tmp_path):
    rows = [row(at, "Is it?", namespace=f"team-{at}") for at in range(70)]
    for each in rows[1:]:
        each["request"] = {**each["request"], "model": "unpriced"}
    page = tmp_path / "report.html"
    told = " ".join(replay(write(tmp_path / "log.jsonl", rows), "--exact", "--html", page).stdout.split())
    assert "by namespace, the 10 with the most calls;" in told
    assert "by model; hits" in told
    assert "unpriced 69 0.00 0.00 0.00 – –" in told, "no call of it has a price, which is not to cost nothing"
    assert page.read_text().count("The 20 with the most calls. Same, similar") == 1


def test_the_riskiest_pairs_are_rows_that_evaluate_takes(replay, tmp_path):
    pairs, more = tmp_path / "pairs.jsonl", tmp_path / "more.jsonl"
    rows = [
        *LOG,
        row(100, TALL.format(6), "a long answer in words " * 9),
        row(110, HEIGHT.format(6), "other words " * 9),
    ]
    found(replay(write(tmp_path / "log.jsonl", rows), "--json", "--pairs", pairs))
    assert [json.loads(line)["same"] for line in pairs.read_text().splitlines()] == [False, None]
    write(more, [{"a": TALL.format(9), "b": HEIGHT.format(9), "same": True}])
    result = CliRunner().invoke(app, ["evaluate", str(pairs), str(more), "--json"])
    assert json.loads(result.stdout)["files"][0]["pairs"] == 2


def test_what_was_played_before_an_interrupt_is_reported(replay, tmp_path):
    log = write(tmp_path / "log.jsonl", [row(at, f"Question {at}?") for at in range(1500)])
    work = Replay(tmp_path, load_settings(), FilePrices({}), threshold=None, vectors=None)
    with on_interrupt() as stop:
        interrupt = lambda: setattr(stop, "is_set", True)  # noqa: E731
        progress = Progress(on_bytes=lambda _: None, on_calls=lambda _: None, on_call=interrupt)
        report = work.run([log], Reading(), stop, progress, strict=False)
    assert not report["log"]["complete"]
    assert 0 < report["log"]["played"] < 1500
    assert report["log"]["calls"] == 1500


def test_the_second_interrupt_ends_at_once_and_what_begins_later_has_a_first_one():
    with on_interrupt() as stop:
        for _ in range(2):
            stop.arm()
            assert not stop.is_set
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.is_set
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
