"""The server's processes: they share one socket, and one that dies is restarted."""

import asyncio
import signal
import socket
from collections.abc import Callable

from uvicorn import Config, Server
from uvicorn.supervisors.multiprocess import Multiprocess

from askonce.errors import StoreUnreachable
from askonce.operator.access_keys import AccessKeys
from askonce.serve.http_protocol import PatientProtocol
from askonce.serve.serve_settings import ServeSettings, serve_settings
from askonce.served.blobs import open_blobs

APP = "askonce.serve.app:app_from_environment"
BACKLOG = 2048
GRACE = 30
"""Seconds for requests in flight to finish when the server stops. Their questions continue anyway."""
START = 60.0


def serve(say: Callable[[str], None], complain: Callable[[str], None]) -> int:
    """Serves until SIGTERM or SIGINT. Raises ValueError, OSError, StoreUnreachable."""
    settings = serve_settings()
    try:
        asyncio.run(_refuse_strangers(settings))
    except StoreUnreachable as error:
        if not settings.anonymous:
            raise
        complain(f"{str(error).rstrip('.')}; until that changes, requests get 503")
    asyncio.run(_find_files(settings))
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    listening.set_inheritable(True)
    config = Config(
        APP,
        factory=True,
        workers=settings.processes,
        http=PatientProtocol,
        ws="none",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE,
    )
    host = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
    ready = f"ready: http://{host}:{listening.getsockname()[1]}/v1"
    if settings.processes == 1:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the server has its own handler; the process then ends normally
        _One(config, lambda: say(ready)).run([listening])
    else:
        _Several(config, listening, lambda: say(ready)).run()
    return 0


async def _refuse_strangers(settings: ServeSettings) -> None:
    """Raises ValueError if other machines could ask at our cost without authentication, and StoreUnreachable."""
    async with AccessKeys() as keys:
        if not await keys.all() and not settings.anonymous:
            raise ValueError(
                f"there are no keys, and {settings.host} can be reached from other machines: create one with "
                "`askonce keys add NAME`, or pass --open to allow everybody"
            )


async def _find_files(settings: ServeSettings) -> None:
    """Raises ValueError, OSError if the file store cannot be used."""
    if settings.files is not None:
        await open_blobs(settings.files).delete(["files/none"])


class _One(Server):
    def __init__(self, config: Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


class _Several(Multiprocess):
    def __init__(self, config: Config, listening: socket.socket, on_ready: Callable[[], None]) -> None:
        super().__init__(config, [listening])
        self._on_ready = on_ready

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(START, self.should_exit) for process in self.processes):
            self._on_ready()

    def terminate_all(self) -> None:
        for each in self.sockets:  # else the kernel would accept connections until the last process has ended
            each.close()
        super().terminate_all()
