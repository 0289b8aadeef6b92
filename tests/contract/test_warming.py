"""`askonce warm`: the cache filled from files, by the command itself."""

import asyncio
import gzip
import time

import orjson
import pytest

from askonce import Client, Question
from askonce.cli import main
from askonce.contract.completion import text_body
from askonce.contract.keys import Keys
from askonce.operator import warming

MODEL = "test-model"
TEMPLATE = "Classify the message of a customer as refund, order or other, in one word. The message: "


@pytest.fixture
def settings(valkey_url, prefix, monkeypatch):
    for name, value in {"REDIS_URL": valkey_url, "KEY_PREFIX": prefix, "MODEL": MODEL}.items():
        monkeypatch.setenv(f"ASKONCE_{name}", value)


@pytest.fixture
def warm(settings, tmp_path, capsys):
    async def warmed(*files, **options):
        paths = []
        for place, rows in enumerate(files):
            paths.append(str(tmp_path / f"{place}.jsonl"))
            (tmp_path / f"{place}.jsonl").write_bytes(
                b"\n".join(row if isinstance(row, bytes) else orjson.dumps(row) for row in rows)
            )
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        code = await asyncio.to_thread(main, ["warm", *paths, *words, "--json"])
        said = capsys.readouterr()
        return code, orjson.loads(said.out), said.err

    return warmed


def request(custom_id, text):
    body = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def response(custom_id, text, *, status=200, reason="stop"):
    body = text_body(text, model=f"{MODEL}-2024")
    body["choices"][0]["finish_reason"] = reason
    return {"id": f"r-{custom_id}", "custom_id": custom_id, "response": {"status_code": status, "body": body}}


async def test_rows_of_questions_and_answers_are_found(warm):
    code, said, _ = await warm(
        [
            {"question": "2 + 2?", "answer": "4", "usage": {"total_tokens": 9}},
            {"question": "2 + 2?", "answer": "four", "system": "In words.", "model": "other"},
            {"question": "weather?", "answer": text_body("wet", model="m")},
            {"question": "a?", "answer": "b", "usage": 5},
        ]
    )
    assert (code, said["stored"], said["bad"]) == (1, 3, 1)
    async with Client() as client:
        found = await client.lookup("2 + 2?")
        assert (found.text, found.usage) == ("4", {"total_tokens": 9})
        assert (await client.lookup(Question("2 + 2?", system="In words.", model="other"))).text == "four"
        assert (await client.lookup("weather?")).model == "m"


async def test_bad_rows_are_named_and_stop_nothing(warm):
    rows = [
        b"{",
        {"question": "a"},
        {"question": "b", "answer": "fine"},
        {"question": "c", "answer": " "},
        {"question": "d", "answer": {"choices": []}},
        {"question": "", "answer": "x"},
        {"question": "e", "answer": "x", "wrong": 1},
        [1],
    ]
    code, said, errors = await warm(rows)
    assert (code, said["stored"], said["bad"]) == (1, 1, 7)
    for number in (1, 2, 4, 5, 6, 7, 8):
        assert f"line {number}: " in errors


async def test_a_batch_input_and_its_output_in_any_order(warm):
    inputs = [request(str(n), f"Number {n}?") for n in range(3000)] + [request("lost", "Lost?")]
    outputs = [response(str(n), f"It is {n}.") for n in reversed(range(2998))]
    outputs += [response("2998", "cut o", reason="length"), response("2999", "no", status=500), b"}"]
    code, said, errors = await warm(inputs, outputs)
    assert (code, said["stored"], said["unanswered"], said["bad"]) == (1, 2998, 2, 2)
    assert "line 2999: the answer is truncated" in errors
    assert "1.jsonl line 3001: not JSON" in errors
    async with Client() as client:
        found = await client.lookup("Number 1234?")
        assert (found.text, found.model) == ("It is 1234.", f"{MODEL}-2024")
        assert await client.lookup("Number 2998?") is None


async def test_the_template_of_a_file_is_taken_out_as_batch_does_it(warm):
    inputs = [request(str(n), f"{TEMPLATE}{word} {n}") for n, word in enumerate(["help", "where", "money", "why"] * 5)]
    _, said, errors = await warm(inputs, [response(str(n), "other") for n in range(20)])
    assert said["stored"] == 20
    assert "template of test-model" in errors
    async with Client() as client:
        assert await client.lookup(Question("help 0", template=TEMPLATE + "{text}")) is not None
        assert await client.lookup(f"{TEMPLATE}help 0") is None


CSV = (
    "question,answer,model,params,threshold\n"
    'What is 2 + 2?,"4, of\n\ncourse ""four""",other,,\n'
    "\n"
    'Why?,because,,"{""temperature"": 0}",0.99\n'
    "no answer,,,,\n"
    'a,b,c,d,e,"too many"\n'
)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "a byte order mark"])
async def test_rows_of_a_csv_file(settings, tmp_path, capsys, separator, start):
    text = CSV if separator == "," else CSV.replace(", ", "¤ ").replace(",", separator).replace("¤ ", ", ")
    (tmp_path / "rows.csv").write_text(start + text, "utf-8")
    code = await asyncio.to_thread(main, ["warm", str(tmp_path / "rows.csv"), "--json"])
    said = capsys.readouterr()
    assert (code, orjson.loads(said.out)["stored"]) == (1, 2)
    assert "line 7: answer is missing" in said.err
    assert "line 8: 6 cells, where the first row has 5" in said.err
    async with Client() as client:
        assert (await client.lookup("What is 2 + 2?", model="other")).text == '4, of\n\ncourse "four"'
        assert (await client.lookup("Why?", params={"temperature": 0})).text == "because"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"ask,answer\na,b\n", "the first row names the fields, question and answer among them"),
        ("question,answer\na,b\n".encode("utf-16"), "is UTF-16"),
    ],
)
async def test_a_csv_file_of_another_kind_is_refused(settings, tmp_path, capsys, content, words):
    (tmp_path / "rows.csv").write_bytes(content)
    assert await asyncio.to_thread(main, ["warm", str(tmp_path / "rows.csv")]) == 2
    assert words in capsys.readouterr().err


async def test_a_quotation_mark_that_is_not_closed_is_named_at_once(settings, tmp_path, capsys):
    rows = 'question,answer\nWhy?,"because\n' + "a,b\n" * 100_000
    (tmp_path / "rows.csv").write_text(rows, "utf-8")
    began = time.process_time()
    assert await asyncio.to_thread(main, ["warm", str(tmp_path / "rows.csv")]) == 2
    assert "line 2: a quotation mark is not closed" in capsys.readouterr().err
    assert time.process_time() - began < 5


async def test_marks_within_a_cell_over_several_lines_close_nothing(settings, tmp_path, capsys):
    rows = 'question,answer\nWhy?,"so\n""and"" so\n"\na 5" pipe?,"b, \nc"\n'
    (tmp_path / "rows.csv").write_text(rows, "utf-8")
    assert await asyncio.to_thread(main, ["warm", str(tmp_path / "rows.csv"), "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out)["stored"] == 2
    async with Client() as client:
        assert (await client.lookup("Why?")).text == 'so\n"and" so\n'
        assert (await client.lookup('a 5" pipe?')).text == "b, \nc"


async def test_only_the_first_bad_rows_are_named(warm):
    code, said, errors = await warm([{"question": "good?", "answer": "yes"}, *({"question": "a"} for _ in range(100))])
    assert (code, said["stored"], said["bad"]) == (1, 1, 100)
    assert len(errors.splitlines()) < 25
    assert "and 80 more bad rows" in errors


async def test_packed_rows_are_read(settings, tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_bytes(gzip.compress(b'{"question": "a?", "answer": "b"}\n'))
    assert await asyncio.to_thread(main, ["warm", str(tmp_path / "rows.jsonl"), "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out)["stored"] == 1


async def test_rows_without_any_model_are_refused_before_the_first(settings, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("ASKONCE_MODEL")
    (tmp_path / "rows.jsonl").write_bytes(b'{"question": "a?", "answer": "b"}\n')
    assert await asyncio.to_thread(main, ["warm", str(tmp_path / "rows.jsonl")]) == 2
    assert "no model: set it with --model" in capsys.readouterr().err


async def test_vectors_that_find_no_room_are_waited_for_a_while(warm, monkeypatch):
    monkeypatch.setenv("ASKONCE_OUTBOX_MAX", "5")
    monkeypatch.setattr(warming, "STUCK_AFTER", 0.05)
    monkeypatch.setattr(warming, "POLL", 0.01)
    code, said, errors = await warm([{"question": f"q{n}", "answer": "a"} for n in range(8)])
    assert (code, said["stored"], said["exact_only"]) == (0, 8, 3)
    assert "warm the same file again" in errors


async def test_vectors_are_left_to_the_workers(warm, valkey_url, prefix):
    from redis.asyncio import Redis

    await warm([{"question": "a", "answer": "b"}, {"question": "c", "answer": "d", "semantic": False}])
    redis = Redis.from_url(valkey_url)
    [(_, record)] = await redis.xrange(Keys(prefix).outbox)
    assert record[b"vector"] == b""
    await redis.aclose()


async def test_a_file_that_is_not_there_is_bad_usage(settings, tmp_path):
    assert await asyncio.to_thread(main, ["warm", str(tmp_path / "none.jsonl")]) == 2
