"""The test server's process: `python -m support.openai_server [port]`, on loopback, until stdin closes.

Prints its port on a line of its own. Lean on purpose (one Protocol on httptools, no framework), so that a benchmark
measures the worker and not this.
"""

import asyncio
import gc
import sys

import uvloop

from support.openai_server.http import Connection
from support.openai_server.server import Server


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    closed = loop.create_future()
    server = Server(loop)
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", port, backlog=4096)
    loop.add_reader(sys.stdin.fileno(), lambda: closed.done() or closed.set_result(None))
    print(listening.sockets[0].getsockname()[1], flush=True)
    await closed


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    uvloop.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
