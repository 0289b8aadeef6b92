"""Runs batches, in each server, as long as it lives; and clears away files whose lifetime is over."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from askonce.client import Client
from askonce.contract.served_keys import ServedKeys
from askonce.errors import AskOnceError
from askonce.served.batch_run import BatchRun
from askonce.served.batches import open_batches
from askonce.served.blobs import Blobs
from askonce.served.ending import ended
from askonce.served.file_record import blob_of
from askonce.served.files import Files
from askonce.served.lease import Lease, LeaseLost, claimed
from askonce.store.connection import Store
from askonce.tasks import stop

log = logging.getLogger("askonce")

EVERY = 1.0
"""Seconds between two looks for a batch."""
AGAIN = 10.0
"""Seconds until a batch is gone on with, after something failed."""
SWEEP_EVERY = 60
SWEPT = 500
"""Most files that a sweep deletes."""


class Running:
    """most: batches at once. lines: of a batch. kept: seconds after its end for which a batch is known."""

    def __init__(
        self,
        client: Client,
        store: Store,
        keys: ServedKeys,
        blobs: Blobs,
        files: Files,
        *,
        model: str | None,
        most: int,
        lines: int,
        kept: int,
    ) -> None:
        self._client, self._store, self._keys, self._blobs, self._files = client, store, keys, blobs, files
        self._model, self._most, self._lines, self._kept = model, most, lines, kept
        self._runs: set[asyncio.Task[None]] = set()
        self._wanted = asyncio.Event()

    def look(self) -> None:
        """There may be a new batch."""
        self._wanted.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, batches are run. At the end what is under way is written, and other servers go on with it."""
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            await stop(looking)
            await ended(*self._runs)

    async def _look(self) -> None:
        while True:
            await _tried(self._sweep())
            if len(self._runs) < self._most:
                await _tried(self._take())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), EVERY * random.uniform(0.8, 1.2))
            self._wanted.clear()

    async def _take(self) -> None:
        lease = await claimed(self._store, self._keys, kept=self._kept)
        if lease is None:
            return
        task = asyncio.create_task(self._run(lease))
        self._runs.add(task)
        task.add_done_callback(self._runs.discard)
        task.add_done_callback(lambda _: self._wanted.set())
        self._wanted.set()

    async def _run(self, lease: Lease) -> None:
        pause = AGAIN
        try:
            async with lease.held():
                [(seconds, _)] = await self._store.pipeline([("TIME",)])
                batch = BatchRun(
                    self._client,
                    self._blobs,
                    self._files,
                    lease,
                    model=self._model,
                    most=self._lines,
                    now=float(seconds),
                )
                await batch.all()
                return
        except LeaseLost as error:
            log.warning("%s", error)
            return
        except FileNotFoundError:
            gone = b'[{"code":"file_not_found","message":"the input file is gone","param":"input_file_id","line":null}]'
            await _tried(lease.advance("failed", ended=True, errors=gone))
            return
        except asyncio.CancelledError:
            pause = 0.0
            raise
        except (AskOnceError, OSError) as error:
            log.warning("%s: %s; going on in %.0f s", lease.record.id, error, pause)
        except Exception:
            log.exception("%s: going on in %.0f s", lease.record.id, pause)
        finally:
            await _tried(lease.give_back(pause))

    async def _sweep(self) -> None:
        """One server a minute deletes the bytes of files whose lifetime is over, unless a batch still reads them."""
        [first] = await self._store.pipeline([("SET", self._keys.sweep, "1", "NX", "EX", SWEEP_EVERY)])
        if not first:
            return
        [(seconds, _)] = await self._store.pipeline([("TIME",)])
        [members] = await self._store.pipeline(
            [("ZRANGEBYSCORE", self._keys.expiries, "-inf", int(seconds), "LIMIT", 0, SWEPT)]
        )
        if not members:
            return
        read = {f"{each.namespace}/{each.input_file_id}" for each in await open_batches(self._store, self._keys)}
        for member in (raw.decode() for raw in members):
            if member in read:
                continue
            namespace, _, name = member.partition("/")
            await self._blobs.delete([blob_of(name)])
            await self._store.pipeline(
                [("ZREM", self._keys.files(namespace), name), ("ZREM", self._keys.expiries, member)]
            )


async def _tried(work: Coroutine[Any, Any, Any]) -> None:
    """What a store or Redis that is away keeps us from is done later."""
    try:
        await work
    except (AskOnceError, OSError, LeaseLost) as error:
        log.debug("%s", error)
