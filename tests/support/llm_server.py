"""An OpenAI-compatible server for tests and benchmarks: chat completions and embeddings, in a process of its own.

    async with LLMServer() as server:              # or `with`; both only start and stop a child process
        client = AsyncOpenAI(base_url=server.base_url, api_key="test")
        await server.control(chat={"latency_ms": 50})
        await server.fail("chat", "status", status=429, retry_after="1", times=2)
        stats = await server.stats()
        assert stats["chat"]["texts"]["How do I read a CSV file?"] == 1

Answers are `answer to: <the last user message>`, or JSON that fits the schema that is asked for; the model is the asked
one plus `-2024-07-18`; `system_fingerprint` is a checksum of the whole request body. Embeddings: see
`support.openai_server.vectors` (near where they have words in common, or a tag like `[g17]`).

Orders for `chat` and `embeddings` (`control(chat={...}, embeddings={...})`; what is not named stays as it is):

| order | meaning |
| --- | --- |
| latency_ms | a number, or [least, most] |
| ms_per_input | embeddings: time on top, for each text of a batch |
| failures | a list of rules, replaces all (`[]`: none); the first that takes the request decides |
| fail | one rule more |
| limit | {"requests": n, "tokens": n, "seconds": s}: over it 429 with Retry-After and retry-after-ms; null: none |
| answer | the answer's text, with {text}, {number} (of the call) and {digest} (of the request) replaced |
| completion_tokens | what `usage` says |
| prices | {"model": {"default": [read, read from the cache, written], "flex": …}}: USD / 10**12 a token; see `bill` |
| prompt_cache | half of a prompt is read from the cache where its `prompt_cache_key` was there before |
| dimensions, encoding | embeddings: default dimension; "float" ignores a wish for base64 |
| ignores_dimensions | embeddings: a wish for fewer dimensions changes nothing |

A rule: {"kind": ..., "times": n (absent: every request), "after": n (let so many pass first), "contains": part of the
text (embeddings: of any text in the batch), "latency_ms": own latency,
"tier": of requests with this `service_tier` alone, "share": of so many of them}, and by kind:

| kind | the reply |
| --- | --- |
| status | `status`, `code`, `message`, `retry_after` (any string), `headers`; or all of its `body` (JSON) or `text` |
| body | a 200 with all of its `body` (JSON) or `text` |
| malformed, cut | JSON that is none; half a body and the connection closed |
| hang, reset | no reply until the client goes; the connection reset (RST) |
| no_choices, length, content_filter, empty, null_content, refusal, tool_calls | chat: a 200 as the name says |
| reply | chat: a 200 with `reply` merged over: `message`, `finish_reason`, and fields of the body |
| wrong_count, wrong_dimension, nan, zero, null, same, long, shuffled | embeddings: such vectors |

Files and batches (`/v1/files`, `/v1/batches`; `control(batches={...})`, and `stats()["batches"]`: `texts` executed, how
often, the requests of each kind, tokens, `billed` lines, `bill` by the prices of `chat` for `batch`, files, batches):

| order | meaning |
| --- | --- |
| seconds | from a batch's creation until its last line is executed: a number, or [least, most] |
| finish | true: all that run are executed now |
| validating, finalizing, cancelling, expires | seconds of each |
| enqueued | prompt tokens of all batches that have not ended; more fail with `token_limit_exceeded` |
| refuses | a text: a file with a line that contains it fails as a whole |
| listed_after | seconds until the list has a new batch |
| lines | rules as above for lines, with the kinds `missing` and `junk` too |
| steps | rules: {"step": `upload`, `create`, `list`, `look`, `content`, `cancel`, `delete`, "times", "status", |
| | "code", "message", "done": it takes effect all the same, "reset": the connection breaks} |
| trouble | the share of all these requests that fail, half of them after they took effect |
"""

import asyncio
import http.client
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from askonce.json_values import loads

TESTS = Path(__file__).resolve().parent.parent


class LLMServer:
    """The handle. After `stop`, `start` opens the same port again: a provider that was down for a while."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        command = [sys.executable, "-m", "support.openai_server", str(self.port)]
        self._process = subprocess.Popen(command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError("the test LLM server did not start")
        self.port = int(line)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    async def control(self, **orders: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self.call, "POST", "/control", orders)

    async def fail(self, endpoint: str, kind: str, **rule: Any) -> None:
        await self.control(**{endpoint: {"fail": {"kind": kind, **rule}}})

    async def reset(self) -> None:
        """No orders, all counters at nought. What is in flight still ends as it was told."""
        await self.control(reset=True)

    async def stats(self, *, brief: bool = False) -> dict[str, Any]:
        """`connections` opened since the reset (the handle's own too), and what each endpoint has seen.

        calls, answered, failed, disconnected, refused_by_limit, in_flight, max_in_flight, inputs, max_batch,
        max_batch_bytes, prompt_tokens, completion_tokens, cached_tokens, bill (by `prices`; replies then
        say their `service_tier`), distinct_texts, most_calls_of_a_text; unless brief also
        `texts` (calls per text) and `requests` (the last 20,000: at, body, path, authorization, api-key).
        """
        return await asyncio.to_thread(self.call, "GET", "/stats?brief" if brief else "/stats")

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, orjson.dumps(body))
            response = connection.getresponse()
            reply: dict[str, Any] = loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(reply["error"]["message"])
        return reply


def busiest(requests: list[dict[str, Any]], seconds: float) -> int:
    """The most of these requests that arrived within any window of so many seconds."""
    times = sorted(request["at"] for request in requests)
    most = start = 0
    for end, at in enumerate(times):
        while times[start] <= at - seconds:
            start += 1
        most = max(most, end - start + 1)
    return most
