"""Applications that change their base URL, and nothing else: the official SDK and plain HTTP over real workers."""

import asyncio
import gzip
import sys
from urllib.parse import urlsplit

import httpx
import openai
import orjson
import pytest

from askonce.cli import main
from support.front_door import front_door
from support.front_door_fixtures import door_settings
from support.ports import free_port
from support.worker_process import environment, until, workers

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is a monad?"}]


@pytest.fixture
def settings(valkey_url, llm_server, prefix):
    return door_settings(valkey_url, llm_server, prefix)


async def post(http, headers=None, **body):
    return await http.post("/chat/completions", json={"model": "m", "messages": MESSAGES, **body}, headers=headers)


async def test_the_official_sdk_needs_a_base_url_and_nothing_else(sdk, llm_server):
    whole = await sdk.chat.completions.create(model="m", messages=MESSAGES, temperature=0)
    assert whole.choices[0].message.content == "answer to: What is a monad?"
    assert whole.usage.total_tokens > 0

    stream = await sdk.chat.completions.create(
        model="m", messages=MESSAGES, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage
    assert {chunk.id for chunk in chunks} == {whole.id}

    raw = await sdk.chat.completions.with_raw_response.create(model="m", messages=MESSAGES, temperature=0)
    assert raw.headers["x-askonce-source"] == "exact"
    assert int(raw.headers["x-askonce-age"]) < 600

    async with sdk.chat.completions.stream(model="m", messages=MESSAGES, temperature=0) as helper:
        final = await helper.get_final_completion()
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert (await llm_server.stats())["chat"]["calls"] == 1


async def test_headers_say_what_an_answer_cost_and_saved(http):
    first, second = [await post(http, model="gpt-4o-mini") for _ in range(2)]
    assert float(first.headers["x-askonce-cost"]) > 0
    assert first.headers["x-askonce-saved"] == "0"
    assert second.headers["x-askonce-cost"] == "0"
    assert second.headers["x-askonce-saved"] == first.headers["x-askonce-cost"]
    unknown = await post(http)
    assert "x-askonce-cost" not in unknown.headers


async def test_tool_calls_stream_as_they_come_whole(sdk, llm_server):
    await llm_server.fail("chat", "tool_calls")
    whole = (await sdk.chat.completions.create(model="m", messages=MESSAGES)).choices[0]
    stream = await sdk.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    arguments, names, reasons = "", [], []
    async for chunk in stream:
        (choice,) = chunk.choices
        reasons.append(choice.finish_reason)
        for call in choice.delta.tool_calls or []:
            assert call.index == 0
            arguments += call.function.arguments or ""
            names += [call.function.name] if call.function.name else []
    (call,) = whole.message.tool_calls
    assert (names, arguments, reasons[-1]) == ([call.function.name], call.function.arguments, "tool_calls")


async def test_what_a_request_wishes_never_reaches_the_provider(http, llm_server):
    filled = [{"role": "user", "content": "Classify this mail: my parcel is late. One word."}]
    template = "Classify this mail: {text} One word."
    first = await http.post(
        "/chat/completions",
        json={"model": "m", "messages": filled, "askonce": {"template": template, "cache": "refresh", "ttl": 60}},
    )
    assert first.headers["x-askonce-source"] == "llm"
    again = await http.post(
        "/chat/completions",
        json={"model": "m", "messages": filled},
        headers={"x-askonce-template": "Classify%20this%20mail: {text} One word."},
    )
    assert again.headers["x-askonce-source"] == "exact"
    elsewhere = await http.post(
        "/chat/completions", json={"model": "m", "messages": filled, "askonce": {"namespace": "b"}}
    )
    assert elsewhere.headers["x-askonce-source"] == "llm"
    for request in (await llm_server.stats())["chat"]["requests"]:
        assert set(request["body"]) == {"model", "messages"}
        assert request["body"]["messages"] == filled


@pytest.mark.parametrize(
    ("body", "headers", "status", "word"),
    [
        (b"{", {}, 400, "not valid JSON: unexpected end of data: line 1 column 2"),
        (b"", {}, 400, "not valid JSON: it is empty"),
        (b"x", {"content-encoding": "br"}, 415, "send it uncompressed"),
        (gzip.compress(b"{}", mtime=0), {"content-encoding": "gzip"}, 415, "send it uncompressed"),
        (b"[]", {}, 400, "object"),
        (b'{"model": "m"}', {}, 400, "messages"),
        (b'{"model": "m", "messages": [{"role": "user", "content": " "}]}', {}, 400, "empty"),
        (b'{"messages": [{"role": "user", "content": "hi"}]}', {}, 400, "model"),
        ({"stream": True, "stream_options": 1}, {}, 400, "stream_options"),
        ({"stream_options": {"include_usage": True}}, {}, 400, "stream_options"),
        ({"stream": "yes"}, {}, 400, "stream"),
        ({}, {"x-askonce-cahce": "bypass"}, 400, "x-askonce-cahce"),
        ({"askonce": 1}, {}, 400, "askonce"),
        ({"askonce": {"tll": 3}}, {}, 400, "tll"),
        ({"askonce": {"ttl": "x"}}, {}, 400, "ttl"),
        ({}, {"x-askonce-ttl": "soon"}, 400, "soon"),
        ({}, {"x-askonce-cache": "maybe"}, 400, "refresh"),
        ({}, {"x-askonce-template": "Other: {text}"}, 400, "template"),
        ({}, {"x-askonce-namespace": "a b"}, 400, "namespace"),
        (b'{"a":' * 5000, {}, 400, "JSON"),
        (b" " * 9_000_000, {}, 413, "over"),
    ],
)
async def test_bad_requests_are_refused_in_openai_s_words(http, body, headers, status, word, llm_server):
    if isinstance(body, dict):
        body = orjson.dumps({"model": "m", "messages": MESSAGES, **body})
    reply = await http.post("/chat/completions", content=body, headers={"content-type": "application/json", **headers})
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert word in error["message"]
    assert error["type"] == "invalid_request_error"
    assert (await llm_server.stats())["chat"]["calls"] == 0


async def test_the_provider_s_refusals_come_through(http, llm_server):
    await llm_server.fail("chat", "status", status=400, body={"error": {"message": "no such voice", "code": "voice"}})
    reply = await post(http)
    assert (reply.status_code, reply.json()) == (400, {"error": {"message": "no such voice", "code": "voice"}})
    assert reply.headers["x-askonce-job-id"]
    await llm_server.control(chat={"failures": []})
    await llm_server.fail("chat", "status", status=429, code="insufficient_quota", message="pay first")
    reply = await post(http)
    assert reply.status_code == 429
    assert reply.headers["x-askonce-error"] == "quota"
    assert reply.headers["x-should-retry"] == "false"
    assert reply.json()["error"]["code"] == "insufficient_quota"


async def test_other_paths_are_told_apart(http, door, llm_server):
    assert (await http.get("/chat/completions")).status_code == 405
    lost = await http.get("/nowhere")
    assert (lost.status_code, "not found" in lost.json()["error"]["message"]) == (404, True)
    assert "ends in /v1" not in lost.text
    assert "the base URL ends in /v1" in (await http.post(door.root + "/chat/completions")).json()["error"]["message"]
    assert len((await http.get(f"/{'n' * 9000}")).content) < 1000
    assert (await http.post("/chat/completions/")).status_code == 404  # not led to http:// by a server behind TLS
    assert (await http.get(door.root + "/healthz")).json() == {"status": "alive"}
    assert (await http.get(door.root + "/readyz")).json() == {"workers": 1}


async def test_who_hangs_up_abandons_only_its_wait(http, llm_server):
    await llm_server.control(chat={"latency_ms": 1500})
    with pytest.raises(httpx.ReadTimeout):
        await http.post("/chat/completions", json={"model": "m", "messages": MESSAGES}, timeout=0.5)
    reply = await post(http)
    assert reply.json()["choices"][0]["message"]["content"] == "answer to: What is a monad?"
    stats = (await llm_server.stats())["chat"]
    assert (stats["calls"], stats["disconnected"]) == (1, 0)


async def test_slow_readers_of_a_stream_hold_up_nobody(door, http, llm_server):
    await llm_server.control(chat={"answer": "word " * 20_000})
    await post(http)

    async def reader():
        host, port = door.root.removeprefix("http://").split(":")
        stream = await asyncio.open_connection(host, int(port), limit=2048)
        body = orjson.dumps({"model": "m", "messages": MESSAGES, "stream": True})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n\r\n"
        stream[1].write(head.encode() + body)
        await stream[0].readuntil(b"\r\n")
        return stream

    readers = await asyncio.gather(*[reader() for _ in range(100)])
    assert (await post(http)).headers["x-askonce-source"] == "exact"
    for stream, writer in readers:
        seen = b""
        while b"[DONE]" not in seen[-100:]:
            part = await stream.read(65536)
            assert part, "the stream ended early"
            seen = seen[-100:] + part
        writer.close()


async def test_a_stream_whose_answer_takes_long_gets_comments_and_then_the_answer_or_the_error(settings, llm_server):
    patient = {**settings, "ASKONCE_SERVE_KEEP_ALIVE": "0.2"}
    slow = {"latency_ms": 1000}
    await llm_server.control(chat=slow, responses=slow)
    async with (
        workers(1, settings),
        front_door(patient) as door,
        httpx.AsyncClient(base_url=door.base_url, timeout=60) as http,
        openai.AsyncOpenAI(base_url=door.base_url, api_key="none", max_retries=0) as sdk,
    ):
        reply = await post(http, stream=True)
        assert reply.text.count(": waiting for the answer\n\n") > 1
        assert reply.headers["x-accel-buffering"] == "no"
        assert reply.text.endswith("data: [DONE]\n\n")
        at_hand = await post(http, stream=True)
        assert (at_hand.text[:6], at_hand.headers["x-accel-buffering"]) == ("data: ", "no")
        stream = await sdk.chat.completions.create(model="m", messages=MESSAGES, temperature=0.5, stream=True)
        assert (
            "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "answer to: What is a monad?"
        )
        events = [event async for event in await sdk.responses.create(model="m", input="Who?", stream=True)]
        assert (events[0].type, events[-1].type) == ("response.created", "response.completed")

        for endpoint in ("chat", "responses"):
            await llm_server.fail(endpoint, "status", status=400, message="no such voice", **slow)
        for call in (
            sdk.chat.completions.create(model="m", messages=MESSAGES, temperature=0.6, stream=True),
            sdk.responses.create(model="m", input="Who else?", stream=True),
        ):
            with pytest.raises(openai.APIError, match="no such voice") as caught:
                _ = [event async for event in await call]
            assert not isinstance(caught.value, openai.APIStatusError)  # it came after a comment


async def test_two_processes_share_the_port_and_end_what_is_under_way_when_told_to_stop(settings, llm_server):
    async with (
        workers(1, settings),
        front_door(settings, "--processes", "2") as door,
        httpx.AsyncClient(base_url=door.base_url, timeout=60) as http,
    ):
        replies = await asyncio.gather(*[post(http, temperature=n % 5 / 10) for n in range(40)])
        assert [reply.status_code for reply in replies] == [200] * 40
        await llm_server.control(chat={"latency_ms": 3000})
        asked = asyncio.create_task(post(http, temperature=1))

        async def under_way():
            return (await llm_server.stats())["chat"]["in_flight"]

        await until(under_way, what="the call")
        ending = asyncio.create_task(door.stop())
        await until(lambda: refuses(door), what="the end of new connections")
        assert not ending.done()
        assert await ending == 0
        assert (await asked).json()["choices"][0]["message"]["content"] == "answer to: What is a monad?"


async def refuses(door):
    """Whether a probe, or a balancer, is sent away at once, not left to wait."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(door.root).port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_its_processes_end_with_it_when_it_is_killed(settings):
    async with front_door(settings, "--processes", "2") as door, httpx.AsyncClient(base_url=door.root) as http:
        door.process.kill()

        async def gone():
            try:
                await http.get("/healthz")
            except httpx.TransportError:
                return True
            return False

        await until(gone, seconds=60, what="the end of its processes")


async def test_keys_say_who_may_ask_and_where(settings, prefix, valkey_url, monkeypatch, capsys):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def run(*words):
        code = main(["keys", *words])
        return code, *capsys.readouterr()

    async def in_thread(*words):
        return await asyncio.to_thread(run, *words)

    async with workers(1, settings), front_door(settings) as door, httpx.AsyncClient(base_url=door.base_url) as http:
        assert (await post(http)).status_code == 200  # there are no keys yet, and it is on this machine alone
        evil = {"host": "evil.example"}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}
        assert [(await post(http, headers=each)).status_code for each in evil] == [403, 403, 403]
        code, token, remark = await in_thread("add", "shop", "--namespace", "shop")
        assert (code, remark) == (0, "askonce: keep it: only a digest of shop's key is stored\n")
        assert (await in_thread("add", "shop"))[0] == 2
        assert (await in_thread("add", "b", "--rights", "aks"))[2].endswith("did you mean ask?\n")
        shop = {"authorization": f"Bearer {token.strip()}"}

        async def closed():
            return (await post(http)).status_code == 401

        await until(closed, what="the need of a key")
        assert (await post(http, headers={"authorization": "Bearer wrong"})).json()["error"][
            "code"
        ] == "invalid_api_key"
        reply = await post(http, headers=shop)
        assert (reply.status_code, reply.headers["x-askonce-source"]) == (
            200,
            "llm",
        )  # another namespace than above
        assert (await post(http, headers={**shop, "x-askonce-namespace": "other"})).status_code == 403
        code, listed, _ = await in_thread("list")
        assert code == 0
        assert "shop" in listed
        assert token.strip() not in listed
        assert (await in_thread("remove", "shop", "--namespace", "other"))[0] == 2
        assert (await in_thread("remove", "shop"))[0] == 0
        assert (await in_thread("remove", "shop"))[0] == 1

        async def out():
            return (await post(http, headers={**shop, "sec-fetch-site": "cross-site"})).status_code == 403

        await until(out, what="the end of the key")


def test_it_does_not_serve_strangers_without_keys(settings, monkeypatch, capsys):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert main(["serve", "--host", "0.0.0.0", "--port", "0"]) == 2
    assert "there are no keys" in capsys.readouterr().err
    assert main(["serve", "--port", "99999"]) == 2
    assert "--port: '99999' is not a whole number from 0 to 65535" in capsys.readouterr().err
    monkeypatch.setenv("ASKONCE_SERVE_PORT", "x")
    assert main(["serve"]) == 2
    assert "ASKONCE_SERVE_PORT: 'x'" in capsys.readouterr().err
    assert main(["serve", "--host", "127.0.0.1", "--port", "0", "--files", "/dev/null/x"]) == 2
    assert "/dev/null/x" in capsys.readouterr().err
    assert main(["serve", "--host", "127.0.0.1", "--port", "0", "--files", "gs://bucket"]) == 2
    assert "gs://bucket: files are kept in a directory, or in s3://BUCKET/PREFIX" in capsys.readouterr().err


async def test_it_starts_without_redis_and_says_so(settings):
    env = environment({**settings, "ASKONCE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})
    command = (sys.executable, "-m", "askonce.cli", "serve", "--port", "0")
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        said = await asyncio.wait_for(process.stdout.readline(), 90)
        assert said.startswith(b"ready: ")
        warned = await asyncio.wait_for(process.stderr.readline(), 90)
        assert b"Redis does not answer" in warned
        assert warned.endswith(b"requests get 503\n")
    finally:
        process.terminate()
        await process.wait()
