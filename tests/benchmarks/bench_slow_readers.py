"""Many slow readers of streamed answers, and what those who ask meanwhile see of them.

    python tests/benchmarks/bench_slow_readers.py [READERS]

Each reader takes 2 kB of a long stream every 0.2 s, with a small buffer of its own. Prints the latency of exact hits
before and meanwhile, the memory of the server's process, and whether each reader got its whole stream.
"""

import asyncio
import os
import secrets
import socket
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).parents[1]))

import orjson
import psutil

from askonce import Client, Question
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.front_door import front_door

READERS = int(sys.argv[1]) if len(sys.argv) > 1 else 500
MESSAGES = [{"role": "user", "content": "Tell me a long story."}]
SHORT = [{"role": "user", "content": "How do I read a CSV file?"}]
SMALL = 4096


def request(messages, **more):
    body = orjson.dumps({"model": "m", "messages": messages, **more})
    return b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body) + body


async def slow_reader(port: int, began: asyncio.Event) -> bool:
    """Whether the stream came to its end."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    taken.setblocking(False)
    await asyncio.get_running_loop().sock_connect(taken, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=taken, limit=SMALL)
    writer.write(request(MESSAGES, stream=True))
    seen = b""
    while part := await reader.read(2048):
        began.set()
        seen = (seen + part)[-100:]
        if b"[DONE]" in seen:
            break
        await asyncio.sleep(0.2)
    writer.close()
    return b"[DONE]" in seen


async def hits(port: int, count: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        writer.write(request(SHORT))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        [length] = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(length.split(b":")[1]))
        seconds.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    writer.close()
    return seconds


def say(what: str, seconds: list[float], process: psutil.Process) -> None:
    p99 = quantiles(seconds, n=100)[98] * 1000
    memory = process.memory_info().rss / 2**20
    print(f"{what:32} p50 {median(seconds) * 1000:6.2f} ms  p99 {p99:7.2f} ms  the server has {memory:.0f} MB")


async def main() -> None:
    with tempfile.TemporaryDirectory() as name, Stack(choose_parts(["redis"], data_dir=Path(name))) as stack:
        settings = {**stack.environment, "ASKONCE_KEY_PREFIX": f"bench-{secrets.token_hex(3)}"}
        os.environ.update(settings)
        async with Client() as client:
            await client.store(Question.from_body({"model": "m", "messages": MESSAGES}), "word " * 20_000)
            await client.store(Question.from_body({"model": "m", "messages": SHORT}), "With csv.reader. " * 10)
        async with front_door(settings) as door:
            port, process = int(door.root.rsplit(":")[-1]), psutil.Process(door.process.pid)
            say("exact hits alone", await hits(port, 300), process)
            events = [asyncio.Event() for _ in range(READERS)]
            readers = [asyncio.create_task(slow_reader(port, event)) for event in events]
            await asyncio.gather(*[event.wait() for event in events])
            say(f"beside {READERS} slow readers", await hits(port, 300), process)
            whole = await asyncio.gather(*readers)
            print(f"{sum(whole)} of {READERS} streams came whole")


asyncio.run(main())
