"""Runs batches in each server, and deletes what is no longer needed."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from askonce.client import Client
from askonce.contract.served_keys import ServedKeys
from askonce.errors import AskOnceError
from askonce.operator.known_keys import KnownKeys
from askonce.served.batch_run import BatchRun
from askonce.served.blobs import Blobs
from askonce.served.ending import ended
from askonce.served.files import Files
from askonce.served.lease import Lease, LeaseLost, claimed
from askonce.served.paying import Paying
from askonce.served.sweep import Sweep
from askonce.store.connection import Store
from askonce.tasks import stop

log = logging.getLogger("askonce")

EVERY = 1.0
"""Seconds between polls for a batch."""
AGAIN = 10.0
"""Seconds until a batch is continued after a failure."""


class Running:
    """most: concurrent batches. lines: maximum per batch. kept: seconds for which an ended batch is kept."""

    def __init__(
        self,
        client: Client,
        store: Store,
        keys: ServedKeys,
        blobs: Blobs,
        files: Files,
        known: KnownKeys,
        *,
        model: str | None,
        most: int,
        lines: int,
        kept: int,
    ) -> None:
        self._client, self._store, self._keys, self._blobs, self._files = client, store, keys, blobs, files
        self._known, self._sweep = known, Sweep(store, keys, blobs)
        self._model, self._most, self._lines, self._kept = model, most, lines, kept
        self._runs: set[asyncio.Task[None]] = set()
        self._wanted = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Poll now, because there may be a new batch."""
        self._wanted.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run batches while the block runs. On exit unfinished work is written, and other servers continue it."""
        self._looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self.end()
            if self._ending is not None:
                await self._ending

    def end(self) -> None:
        """Take no more batches, and start handing over the running ones."""
        if self._looking is not None and self._ending is None:
            self._ending = asyncio.create_task(self._end(self._looking))

    async def _end(self, looking: "asyncio.Task[None]") -> None:
        await stop(looking)
        await ended(*self._runs)

    async def _look(self) -> None:
        while True:
            await _tried(self._sweep.expired())
            await _tried(self._sweep.left_behind())
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
                    Paying(self._known, lease),
                    model=self._model,
                    most=self._lines,
                    now=float(seconds),
                )
                await batch.all()
                return
        except LeaseLost as error:
            log.warning("%s", error)
            return
        except asyncio.CancelledError:
            pause = 0.0
            raise
        except (AskOnceError, OSError) as error:
            log.warning("%s: %s; continuing in %.0f s", lease.record.id, error, pause)
        except Exception:
            log.exception("%s: continuing in %.0f s", lease.record.id, pause)
        finally:
            await _tried(lease.give_back(pause))


async def _tried(work: Coroutine[Any, Any, Any]) -> None:
    """Run it, and leave it for later if Redis or the file store is unreachable."""
    try:
        await work
    except (AskOnceError, OSError, LeaseLost) as error:
        log.debug("%s", error)
    except Exception:  # a bug: the next poll is another chance
        log.exception("unexpected error; continuing")
