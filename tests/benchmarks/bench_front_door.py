"""An exact hit through the front door, beside an echo of the bare web server.

    python tests/benchmarks/bench_front_door.py

Raw HTTP over connections that stay open. Prints answers a second, latency, and the processor time of one answer in the
server's process: on one core its inverse is the bound.
"""

import asyncio
import os
import secrets
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
from support.ports import free_port
from support.worker_process import until

CONNECTIONS, REQUESTS, ROUNDS = (1, 4, 16), 4000, 5
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How do I read a CSV file?"}]
BODY = orjson.dumps({"model": "m", "messages": MESSAGES})
ECHO = """
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def echo(request):
    return Response(await request.body(), media_type="application/json")

app = Starlette(routes=[Route("/v1/chat/completions", echo, methods=["POST"])])
"""


async def one_connection(port: int, count: int, seconds: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    kind = "content-type: application/json\r\n"
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n{kind}content-length: {len(BODY)}\r\n\r\n"
    for _ in range(count):
        began = time.perf_counter()
        writer.write(head.encode() + BODY)
        reply = await reader.readuntil(b"\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 200"), reply
        (length,) = [line for line in reply.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(length.split(b":")[1]))
        seconds.append(time.perf_counter() - began)
    writer.close()


async def measure(name: str, port: int, pid: int, connections: int) -> None:
    rates, seconds, used = [], [], []
    process = psutil.Process(pid)
    for _ in range(ROUNDS):
        before, began = sum(process.cpu_times()[:2]), time.perf_counter()
        count = REQUESTS // connections
        await asyncio.gather(*[one_connection(port, count, seconds) for _ in range(connections)])
        rates.append(connections * count / (time.perf_counter() - began))
        used.append((sum(process.cpu_times()[:2]) - before) / (connections * count))
    p50, p99 = median(seconds) * 1000, quantiles(seconds, n=100)[98] * 1000
    processor = median(used) * 1e6
    print(
        f"{name:28} {connections:3} connections  {median(rates):7,.0f} /s  p50 {p50:5.2f} ms  p99 {p99:5.2f} ms"
        f"  {processor:4.0f} us of the processor, so {1e6 / processor:7,.0f} /s on a core"
    )


async def echo(directory: Path) -> None:
    (directory / "echo.py").write_text(ECHO)
    port = free_port()
    words = ["--port", str(port), "--log-level", "warning", "--no-access-log", "--app-dir", str(directory)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "uvicorn", "echo:app", *words)

    async def up() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await until(up, seconds=60)
    for connections in CONNECTIONS:
        await measure("a bare echo", port, process.pid, connections)
    process.terminate()
    await process.wait()


async def main() -> None:
    with tempfile.TemporaryDirectory() as name, Stack(choose_parts(["redis"], data_dir=Path(name))) as stack:
        settings = {**stack.environment, "ASKONCE_KEY_PREFIX": f"bench-{secrets.token_hex(3)}"}
        os.environ.update(settings)
        async with Client() as client:
            await client.store(Question.from_body(orjson.loads(BODY)), "With csv.reader. " * 10)
        await echo(Path(name))
        async with front_door(settings) as door:
            for connections in CONNECTIONS:
                await measure("an exact hit", int(door.root.rsplit(":")[-1]), door.process.pid, connections)


asyncio.run(main())
