"""The Responses API over real workers, as the official SDK asks and reads it."""

import openai
import orjson
import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from support.batch_command import Command

ASKED = {"model": "m", "instructions": "Be brief.", "input": "What is a monad?"}
EVENT = TypeAdapter(ResponseStreamEvent)
WHOLE = [
    "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
    "response.output_text.delta", "response.output_text.done", "response.content_part.done",
    "response.output_item.done", "response.completed",
]  # fmt: skip


async def calls(llm_server):
    return (await llm_server.stats())["responses"]["requests"]


async def events_of(http, **body):
    """Each as the SDK's types have it, numbered from 0."""
    reply = await http.post("/responses", json={**ASKED, **body, "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in reply.text.split("\n\n")[:-1]:
        name, data = block.split("\n")
        event = EVENT.validate_json(data.removeprefix("data: "), strict=False)
        assert name == f"event: {event.type}"
        found.append(event)
    assert [event.sequence_number for event in found] == list(range(len(found)))
    return found


def kinds(events):
    return list(dict.fromkeys(event.type for event in events))


async def test_a_response_comes_from_the_llm_once_and_then_from_the_cache(sdk, http, llm_server):
    first = await sdk.responses.create(**ASKED)
    assert first.output_text == "answer to: What is a monad?"
    raw = await sdk.responses.with_raw_response.create(**ASKED)
    assert raw.headers["x-askonce-source"] == "exact"
    assert raw.parse() == first
    async with sdk.responses.stream(**ASKED) as stream:
        seen = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert seen[0] == "response.created"
    assert final.output_text == first.output_text
    assert final.usage == first.usage
    [request] = await calls(llm_server)
    assert request["body"] == ASKED


async def test_events_are_those_of_the_provider_from_llm_and_cache_alike(http, llm_server):
    await llm_server.control(responses={"answer": "word " * 40})
    fresh = await events_of(http)
    assert kinds(fresh) == WHOLE
    assert "".join(event.delta for event in fresh if event.type == "response.output_text.delta") == "word " * 40
    assert await events_of(http) == fresh
    assert len(await calls(llm_server)) == 1


async def test_calls_reasoning_and_endings_have_events_of_their_own(http, llm_server):
    await llm_server.fail("responses", "tool_calls", times=1)
    tools = [{"type": "function", "name": "f", "parameters": {}}]
    events = await events_of(http, tools=tools, reasoning={"effort": "low"})
    assert kinds(events)[2:] == [
        "response.output_item.added", "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta", "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done", "response.output_item.done",
        "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.completed",
    ]  # fmt: skip
    assert [event.item.status for event in events if event.type == "response.output_item.added"][-1] == "in_progress"
    await llm_server.fail("responses", "refusal", times=1)
    assert "response.refusal.done" in kinds(await events_of(http))
    await llm_server.fail("responses", "length", times=1)
    assert kinds(await events_of(http))[-1] == "response.incomplete"
    assert kinds(await events_of(http)) == WHOLE
    assert len(await calls(llm_server)) == 4  # neither a refusal nor a truncated answer was kept


@pytest.mark.parametrize(
    "state",
    [
        {"previous_response_id": "resp_0"},
        {"conversation": "conv_1"},
        {"tools": [{"type": "web_search"}]},
        {"background": True},
    ],
)
async def test_what_depends_on_the_provider_is_passed_through(http, llm_server, state):
    replies = [await http.post("/responses", json={**ASKED, **state}) for _ in range(2)]
    assert [reply.headers["x-askonce-source"] for reply in replies] == ["llm", "llm"]
    sent = [request["body"] for request in await calls(llm_server)]
    assert sent == [{**ASKED, **state}] * 2
    status = "queued" if "background" in state else "completed"
    assert [reply.json()["status"] for reply in replies] == [status] * 2


async def test_what_the_provider_keeps_is_asked_of_the_provider(sdk, http):
    assert (await sdk.responses.retrieve("resp_7")).id == "resp_7"
    assert (await sdk.responses.cancel("resp_7")).model_extra["asked"] == "cancel"
    assert (await sdk.responses.input_items.list("resp_7")).data == []
    assert (await http.get("/responses/..%2Ffiles")).status_code == 404
    assert (await http.get("/responses/a.b")).status_code == 404


async def test_a_response_and_a_completion_are_two_questions(http, sdk, llm_server):
    await sdk.responses.create(**ASKED)
    messages = [{"role": "system", "content": ASKED["instructions"]}, {"role": "user", "content": ASKED["input"]}]
    reply = await http.post("/chat/completions", json={"model": "m", "messages": messages})
    assert reply.headers["x-askonce-source"] == "llm"
    assert reply.json()["object"] == "chat.completion"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"input": []}, "input"),
        ({"input": " "}, "empty"),
        ({"model": None}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"stream": True, "background": True}, "background"),
        ({"instructions": 5}, "instructions"),
        ({"askonce": {"tll": 3}}, "tll"),
    ],
)
async def test_bad_requests_are_refused(http, llm_server, body, word):
    reply = await http.post("/responses", json={**ASKED, **body})
    assert reply.status_code == 400
    assert word in reply.json()["error"]["message"]
    assert await calls(llm_server) == []


async def test_the_provider_s_errors_come_through(sdk, llm_server):
    await llm_server.fail("responses", "status", status=400, body={"error": {"message": "no", "code": "voice"}})
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.responses.create(**ASKED)
    assert caught.value.body == {"message": "no", "code": "voice"}
    await llm_server.control(responses={"failures": []})
    failed = {"status": "failed", "error": {"code": "invalid_prompt", "message": "not that"}}
    await llm_server.fail("responses", "reply", reply=failed)
    with pytest.raises(openai.InternalServerError) as caught:
        await sdk.responses.create(**ASKED)
    assert caught.value.body["message"] == "not that"
    assert len(await calls(llm_server)) == 2


async def test_lines_of_a_batch_file_share_the_cache(http, door, llm_server, namespace, tmp_path):
    await http.post("/responses", json=ASKED)
    await http.post("/embeddings", json={"model": "e", "input": "one"})
    lines = [
        ("r", "/v1/responses", ASKED),
        ("one", "/v1/embeddings", {"model": "e", "input": "one"}),
        ("two", "/v1/embeddings", {"model": "e", "input": ["one", "two"], "encoding_format": "base64"}),
        ("bad", "/v1/images", ASKED),
    ]
    requests = [{"custom_id": name, "method": "POST", "url": url, "body": body} for name, url, body in lines]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(map(orjson.dumps, requests)))
    command = Command(tmp_path, door.settings)
    code, _, said = await command.run("--namespace", namespace["x-askonce-namespace"], "--template", "none")
    assert code == 1, said
    written = [orjson.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    found = {record["custom_id"]: record for record in written}
    sources = {name: record["askonce"]["source"] for name, record in found.items()}
    assert sources == {"r": "exact", "one": "exact", "two": "llm"}
    bodies = {name: record["response"]["body"] for name, record in found.items()}
    assert bodies["r"]["output"][0]["content"][0]["text"] == "answer to: What is a monad?"
    assert isinstance(bodies["one"]["data"][0]["embedding"][0], float)
    assert [type(item["embedding"]) for item in bodies["two"]["data"]] == [str, str]
    [failed] = map(orjson.loads, (tmp_path / "out.errors.jsonl").read_bytes().splitlines())
    assert "/v1/embeddings" in failed["error"]["message"]
