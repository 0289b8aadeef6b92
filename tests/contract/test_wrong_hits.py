"""A wrong hit, once reported, is matched by no worker again; and questions about now are kept by none."""

import asyncio
import json

import pytest

from askonce import Answer, AnswerTimeout, Question, UnknownJob
from askonce.batch.line_format import Line
from askonce.batch.output_format import output_record
from askonce.cli import main
from askonce.contract.keys import Keys
from askonce.session.wrong_hits import WrongHits, pair_report
from askonce.store.connection import Store
from askonce.testing import FakeClient
from support.official_qdrant import official_client
from support.wired import MODEL, wired_workers
from support.worker_process import until

FIRST = "How tall is the red tower? [g1]"
OTHER = "What height has the red tower? [g1]"
THIRD = "What is the red tower's height? [g1]"


@pytest.fixture
async def two(settings):
    async with wired_workers(2, settings) as workers:
        yield workers


async def test_a_reported_pair_is_matched_by_no_worker_again(two, llm_server):
    one, other = two
    await one.ask(FIRST)
    await one.vectors_arrived()
    [by_one], [by_other] = await one.ask(OTHER), await other.ask(OTHER)
    assert by_one.matched_question == by_other.matched_question == FIRST
    assert await one.client.report_wrong(by_other.job_id) is True
    assert await one.client.report_wrong(by_one.job_id) is False
    for worker in two:
        [answer] = await worker.ask(OTHER)
        assert (answer.source, answer.text) == ("llm", f"answer to: {OTHER}")
        await worker.client.report_wrong(answer.job_id, drop_entry=True)  # or else it answers the next worker's turn
        [third] = await worker.ask(THIRD)
        assert third.matched_question == FIRST
    assert await one.redis.hget(one.keys.stats("total"), f"wrong|default|{MODEL}") == b"1"


async def test_a_reported_pair_is_not_joined_in_flight(two, llm_server):
    one, other = two
    await one.ask(FIRST)
    [hit] = await other.ask(OTHER)
    assert hit.matched_question == FIRST
    await one.client.report_wrong(hit.job_id, drop_entry=True)
    await llm_server.control(chat={"latency_ms": 300})
    answers = await other.ask(FIRST, OTHER, FIRST, OTHER)
    assert [answer.text for answer in answers] == [f"answer to: {FIRST}", f"answer to: {OTHER}"] * 2
    assert (await llm_server.stats())["chat"]["calls"] == 3


async def test_a_pair_is_of_its_scope(two, llm_server):
    one, other = two
    await one.ask(FIRST)
    [hit] = await one.ask(OTHER)
    await one.client.report_wrong(hit.job_id)
    await other.ask(Question(FIRST, system="Be brief."))
    [elsewhere] = await other.ask(Question(OTHER, system="Be brief."))
    assert elsewhere.matched_question == FIRST


async def test_a_dropped_answer_is_had_no_more_not_even_from_a_leader_that_has_just_settled(two, llm_server):
    await llm_server.control(chat={"answer": "{number}: {text}"})
    one, other = two
    [first] = await one.ask(FIRST)
    [hit] = await one.ask(OTHER)
    assert hit.text == first.text
    assert await one.client.report_wrong(hit.job_id, drop_entry=True) is True
    [again] = await other.ask(FIRST)
    assert (again.source, again.text) == ("llm", f"2: {FIRST}")


async def test_the_fake_client_takes_reports_too():
    async with FakeClient() as client:
        with pytest.raises(UnknownJob):
            await client.report_wrong("never-seen")
        job_id = await client.submit("Whose answer?")
        await client.result(job_id)
        with pytest.raises(ValueError, match="no pair"):
            await client.report_wrong(job_id)
        assert await client.report_wrong(job_id, drop_entry=True) is True
        assert await client.lookup("Whose answer?") is None


async def test_the_vector_of_a_dropped_entry_goes_too(two, llm_server, embedded_qdrant_url, prefix):
    one, other = two
    qdrant = official_client(embedded_qdrant_url)
    await one.ask(FIRST)
    await one.vectors_arrived()
    [collection] = [item.name for item in (await qdrant.get_collections()).collections if item.name.startswith(prefix)]
    [hit] = await other.ask(OTHER)
    await one.client.report_wrong(hit.job_id, drop_entry=True)

    async def none_is_left():
        await other.service.maintenance.keep_house()
        return (await qdrant.count(collection)).count == 0

    await until(none_is_left, what="the vector's end")
    assert await one.redis.zcard(one.keys.expiries) == 0
    await qdrant.close()


async def test_a_worker_that_starts_later_knows_all_that_was_reported_before(settings, two, llm_server, monkeypatch):
    monkeypatch.setattr("askonce_worker.cache.wrong_pairs.PAGE", 2)
    one, _ = two
    await one.ask(FIRST)
    hits = await one.ask(*(f"What height has the red tower, {word}? [g1]" for word in ("please", "then", "really")))
    for hit in hits:
        assert hit.matched_question == FIRST
        await one.client.report_wrong(hit.job_id)
    async with wired_workers(1, settings) as [late]:
        [answer] = await late.ask("What height has the red tower, really? [g1]")
    assert answer.matched_question != FIRST


async def test_a_report_needs_an_answer_that_was_another_questions(two, llm_server):
    one, _ = two
    with pytest.raises(UnknownJob):
        await one.client.report_wrong("never-seen")
    waiting = await one.client.submit("No worker yet?")
    with pytest.raises(AnswerTimeout):
        await one.client.report_wrong(waiting)
    await one.redis.delete(one.keys.queue("interactive"))
    [own] = await one.ask("Whose answer? [g2]")
    with pytest.raises(ValueError, match="no pair"):
        await one.client.report_wrong(own.job_id)
    assert await one.client.report_wrong(own.job_id, drop_entry=True) is True
    assert await one.client.lookup("Whose answer? [g2]") is None


async def test_the_command_reports_and_exports_rows_for_an_evaluation(
    settings, two, llm_server, tmp_path, monkeypatch, capfd
):
    one, other = two
    for name in ("ASKONCE_REDIS_URL", "ASKONCE_KEY_PREFIX"):
        monkeypatch.setenv(name, settings[name])
    run = asyncio.to_thread
    await one.ask(FIRST)
    [hit] = await one.ask(OTHER)
    assert await run(main, ["wrong", hit.job_id, "--drop-entry"]) == 0
    assert await one.client.lookup(FIRST) is None
    [answer] = await other.ask(OTHER)
    assert answer.source == "llm"
    assert await run(main, ["wrong", "--export", str(tmp_path / "wrong.jsonl")]) == 0
    [row] = map(json.loads, (tmp_path / "wrong.jsonl").read_text().splitlines())
    assert {row.pop("a"), row.pop("b")} == {FIRST, OTHER}
    assert row == {"same": False, "namespace": "default", "model": MODEL}
    capfd.readouterr()
    assert await run(main, ["wrong", "--export", "-", "--namespace", "another"]) == 0
    assert capfd.readouterr().out == ""
    assert await run(main, ["wrong"]) == 2
    assert await run(main, ["wrong", "never-seen"]) == 1
    capfd.readouterr()
    assert await run(main, ["wrong", "never-seen", hit.job_id]) == 1
    out, err = capfd.readouterr()
    assert hit.job_id in out
    assert "never-seen" in err


@pytest.fixture
def command(settings, monkeypatch, capfd):
    """`askonce wrong`: its exit code, and what it printed."""
    for name in ("ASKONCE_REDIS_URL", "ASKONCE_KEY_PREFIX"):
        monkeypatch.setenv(name, settings[name])
    monkeypatch.setenv("ASKONCE_MODEL", MODEL)

    async def run(*words):
        capfd.readouterr()
        code = await asyncio.to_thread(main, ["wrong", *words])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


async def test_a_line_of_a_batch_is_reported_as_it_stands_in_the_output(two, llm_server, command, tmp_path):
    one, other = two
    await one.ask(FIRST)
    await one.vectors_arrived()
    [hit] = await other.ask(OTHER)
    question = Question(OTHER, namespace="default", model=MODEL)
    lines = [
        output_record(Line(1, "row-1", question), hit.job_id, hit),
        output_record(
            Line(2, "row-2", Question(FIRST, namespace="default", model=MODEL)), "j", Answer("j", "answered")
        ),
        {"no": "line"},
    ]
    (tmp_path / "out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, out, err = await command("--lines", str(tmp_path / "out.jsonl"))
    assert (code, out) == (2, "row-1 reported\n")
    assert [line.split(":")[1].strip() for line in err.splitlines()] == [
        "line 3",
        "lines whose answer is not another question's, left out",
    ]
    [again] = await other.ask(OTHER)
    assert again.source == "llm"


async def test_a_line_of_its_own_answer_drops_that_answer(two, llm_server, command, tmp_path):
    one, _ = two
    question = Question("Whose answer? [g3]", namespace="default", model=MODEL)
    [own] = await one.ask(question)
    (tmp_path / "out.jsonl").write_text(json.dumps(output_record(Line(1, "row-1", question), own.job_id, own)) + "\n")
    words = ["--lines", str(tmp_path / "out.jsonl")]
    code, _, err = await command(*words)
    assert (code, err.count("\n"), "--drop-entry drops" in err) == (1, 1, True)
    assert await one.client.lookup(question) is not None
    assert await command(*words, "--drop-entry") == (0, "row-1 reported\n", "")
    assert await one.client.lookup(question) is None


async def test_two_texts_are_reported_in_the_scope_that_they_are_given(two, llm_server, command):
    one, other = two
    scope = {"system": "Be brief.", "params": {"temperature": 0}}
    await one.ask(Question(FIRST, **scope))
    await one.vectors_arrived()
    words = ["--texts", OTHER, FIRST, "--system", "Be brief.", "--param", "temperature=0"]
    assert await command(*words) == (0, "reported\n", "")
    assert await command(*words) == (0, "was reported before\n", "")
    [answer] = await other.ask(Question(OTHER, **scope))
    assert answer.source == "llm"


async def test_the_template_of_two_texts_may_be_a_file(command, tmp_path):
    (tmp_path / "prompt.txt").write_text("Answer: {text}\n")
    words = ["--texts", "the red tower", "the road tower", "--template"]
    assert await command(*words, str(tmp_path / "prompt.txt")) == (0, "reported\n", "")
    assert await command(*words, "Answer: {text}") == (0, "was reported before\n", "")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--texts", "a", "a "],
        ["--texts", "", "b"],
        ["--texts", "a", "b", "--drop-entry"],
        ["job", "--export", "-"],
        ["--lines", "-", "--texts", "a", "b"],
    ],
    ids=" ".join,
)
async def test_a_report_that_says_too_little_is_refused_in_one_line(command, words):
    code, out, err = await command(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)


async def test_the_oldest_reports_make_room_for_new_ones(valkey_url, prefix, monkeypatch):
    monkeypatch.setattr("askonce.session.wrong_hits.MOST_PAIRS", 3)
    store = Store(valkey_url)
    hits = WrongHits(store, Keys(prefix))
    for number in range(5):
        report = pair_report(namespace="n", model="m", scope="s", asked=f"asked {number}", matched="matched")
        assert await hits.add(report)
    left = {text for row in [row async for row in hits.all()] for text in (row["a"], row["b"])}
    await store.aclose()
    assert left == {"asked 2", "asked 3", "asked 4", "matched"}


@pytest.mark.parametrize("text", ["What is the weather in Oslo today? [g3]", "今天奥斯陆天气怎么样? [g4]"])
async def test_a_question_about_now_is_joined_while_it_is_asked_and_then_asked_anew(two, llm_server, text):
    await llm_server.control(chat={"answer": "{number}: {text}", "latency_ms": 100})
    one, other = two
    first = await one.ask(text, text)
    assert {answer.text for answer in first} == {f"1: {text}"}
    assert await one.client.lookup(text) is None
    for number, worker in enumerate((one, other), 2):
        [answer] = await worker.ask(text)
        assert (answer.source, answer.text) == ("llm", f"{number}: {text}")


async def test_an_answer_to_a_question_about_now_that_was_put_in_serves_no_other_wording(settings, two, llm_server):
    one, other = two
    await one.client.store("How tall is the mast today? [g7]", "as tall as ever")
    await one.vectors_arrived()
    [answer] = await other.ask("How tall is the mast? [g7]")
    assert answer.source == "llm"
    async with wired_workers(1, {**settings, "ASKONCE_NEVER_CACHE": "off"}) as [loose]:
        await one.client.store("How wide is the mast today? [g8]", "as wide as ever")
        await loose.vectors_arrived()
        [answer] = await loose.ask("How wide is the mast? [g8]")
    assert answer.source == "semantic", "there was nothing to be left out"


@pytest.mark.parametrize(
    ("setting", "about_now", "stock"), [("off", "exact", "exact"), (r"stock of \w+", "exact", "llm")]
)
async def test_never_cache_names_other_patterns_or_none(settings, llm_server, setting, about_now, stock):
    async with wired_workers(1, {**settings, "ASKONCE_NEVER_CACHE": setting}) as [worker]:
        for text, source in (("What is new today? [g5]", about_now), ("Stock of lamps [g6]", stock)):
            await worker.ask(text)
            [again] = await worker.ask(text)
            assert again.source == source
