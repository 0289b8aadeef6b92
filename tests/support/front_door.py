"""`askonce serve` as a child process, ready on a free port."""

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from support.acl import the_front_doors_rights
from support.starting import Process, start_module
from support.worker_process import environment, until


class FrontDoor:
    def __init__(self, process: Process, base_url: str, settings: Mapping[str, str]) -> None:
        self.process, self.base_url, self.settings = process, base_url, settings

    @property
    def root(self) -> str:
        return self.base_url.removesuffix("/v1")

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 60)


@contextlib.asynccontextmanager
async def front_door(settings: Mapping[str, str], *arguments: str, guarded: bool = True) -> AsyncIterator[FrontDoor]:
    """Whatever is left of it at the end is killed. guarded: as the user that deploy/redis/users.acl has for it."""
    command = ("askonce.cli", "serve", "--port", "0", *arguments)
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        url = settings["ASKONCE_REDIS_URL"]
        if guarded:
            url = stack.enter_context(the_front_doors_rights(url, settings.get("ASKONCE_KEY_PREFIX", "askonce")))
        env = environment({**settings, "ASKONCE_REDIS_URL": url})
        said = Path(directory) / "said"
        process = await start_module(*command, environment=env, directory=Path(directory), output=said)

        async def ready() -> str:
            assert process.returncode is None, "the server ended"
            line = said.read_text()
            return line.removeprefix("ready: ").strip() if line.endswith("\n") else ""

        try:
            yield FrontDoor(process, await until(ready, seconds=90, what="the server"), settings)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
