"""A TCP proxy before a Qdrant, that delays what the server says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class SlowQdrant:
    """seconds: how long each piece of a reply is held back; lowered, what is held is let go. url: of the proxy.
    delayed: how many pieces were."""

    def __init__(self) -> None:
        self.url = ""
        self.seconds = 0.0
        self.delayed = 0

    async def pump(self, reader, writer, delayed):
        held, clock = asyncio.Queue(), asyncio.get_running_loop().time

        async def release():
            while True:
                came, seconds, data = await held.get()
                while (left := came + min(seconds, self.seconds) - clock()) > 0:
                    await asyncio.sleep(min(left, 0.05))
                if not data:
                    writer.close()
                    return
                writer.write(data)

        releasing = asyncio.create_task(release())
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                seconds = self.seconds if delayed else 0.0
                self.delayed += seconds > 0
                held.put_nowait((clock(), seconds, data))
        held.put_nowait((0.0, 0.0, b""))
        try:
            await releasing
        finally:
            releasing.cancel()


@contextlib.asynccontextmanager
async def slow_qdrant(url: str, port: int = 0) -> AsyncIterator[SlowQdrant]:
    target, proxy = urlsplit(url), SlowQdrant()
    tasks = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        there, back = await asyncio.open_connection(target.hostname, target.port)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await asyncio.gather(proxy.pump(reader, back, False), proxy.pump(there, writer, True))
        finally:
            for each in (back, writer):
                each.close()
                with contextlib.suppress(OSError):
                    await each.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
