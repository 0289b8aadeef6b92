"""What is refused, and what a client is after it was closed."""

import pytest

from askonce import (
    AnswerTimeout,
    AskOnceError,
    InvalidQuestion,
    QuestionFailed,
    QueueFull,
    UnknownJob,
)


@pytest.mark.parametrize(
    "fields",
    [
        {"question": ""},
        {"question": " \n"},
        {"question": None},
        {"question": "\ud800"},
        {"question": "q", "system": "\ud800"},
        {"question": "q", "template": "no placeholder"},
        {"question": "q", "cache": "sometimes"},
        {"question": "q", "ttl": 0},
        {"question": "q", "ttl": float("nan")},
        {"question": "q", "threshold": 1.5},
        {"question": "q", "job_id": "with space"},
        {"question": "q", "namespace": "a:b"},
        {"question": "q", "params": {"stream": True}},
        {"question": "q", "params": {"temperature": float("inf")}},
        {"question": "q", "metadata": object()},
        {"question": "q", "history": "hello"},
        {"question": "q" * 1_100_000},
        {"question": "q", "model": "two\nlines"},
    ],
    ids=lambda fields: ",".join(f"{key}={str(value)[:20]!a}" for key, value in fields.items()),
)
async def test_bad_input_is_refused_before_anything_is_written(client, service, fields):
    for method in (client.ask, client.submit, client.lookup):
        with pytest.raises(InvalidQuestion):
            await method(**fields)
    assert client is not None
    assert "asked" not in vars(client) or service.asked == []


async def test_what_makes_no_sense_is_a_plain_python_error(client):
    with pytest.raises(ValueError, match="lane"):
        await client.submit("q", lane="fast")
    with pytest.raises(ValueError, match="timeout"):
        await client.ask("q", timeout=0)
    with pytest.raises(ValueError, match="timeout"):
        await client.result("id", timeout=-1)
    with pytest.raises(ValueError, match="in_flight"):
        client.map(["q"], in_flight=0)
    with pytest.raises(TypeError, match="list"):
        await client.submit_many("one question")
    with pytest.raises(TypeError, match="list"):
        await client.status("one-id")
    with pytest.raises(TypeError):
        await client.ask("q", temprature=0)


async def test_an_empty_answer_is_not_stored(client):
    with pytest.raises(InvalidQuestion):
        await client.store("q", " ")


async def test_no_model_is_said_plainly(service, monkeypatch):
    monkeypatch.delenv("ASKONCE_MODEL", raising=False)
    client = await service.client(model=None)
    with pytest.raises(InvalidQuestion, match="ASKONCE_MODEL"):
        await client.ask("q")
    assert (await client.ask("q", model="named")).text == "answer to: q"


async def test_a_closed_client_can_be_used_again(client):
    await client.ask("q")
    await client.aclose()
    await client.aclose()
    assert (await client.ask("q")).source == "exact"


async def test_all_errors_have_one_base():
    for error in (InvalidQuestion, QueueFull, AnswerTimeout, UnknownJob, QuestionFailed):
        assert issubclass(error, AskOnceError)
