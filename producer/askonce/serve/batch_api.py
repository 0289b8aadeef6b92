"""The server's Batch API: its routes, and the task that runs batches."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from askonce.client import Client
from askonce.contract.served_keys import ServedKeys
from askonce.operator.known_keys import KnownKeys
from askonce.serve.batch_routes import BatchRoutes
from askonce.serve.doorman import Doorman
from askonce.serve.file_routes import FileRoutes
from askonce.serve.refusals import Refused
from askonce.serve.serve_settings import ServeSettings
from askonce.serve.shutdown import when_told_to_stop
from askonce.serve.tenant import Tenants
from askonce.served.batches import Batches
from askonce.served.blobs import open_blobs
from askonce.served.files import Files
from askonce.served.running import Running
from askonce.settings import ClientSettings
from askonce.store.connection import Store

METHODS = ["GET", "POST", "DELETE"]


class BatchApi:
    """Without a file store, its routes say so."""

    def __init__(
        self,
        settings: ServeSettings,
        shared: ClientSettings,
        client: Client,
        store: Store,
        known: KnownKeys,
        doorman: Doorman,
    ) -> None:
        self._doorman = doorman
        self._running: Running | None = None
        if settings.files is None:
            self.routes: list[BaseRoute] = [
                Route(f"/v1/{name}{rest}", self._nowhere, methods=METHODS)
                for name in ("files", "batches")
                for rest in ("", "/{rest:path}")
            ]
            return
        keys, blobs, kept = ServedKeys(shared.key_prefix), open_blobs(settings.files), settings.file_lifetime
        files = Files(store, keys, blobs, most=settings.file_bytes, count=settings.most_files, lifetime=kept)
        batches = Batches(store, keys, kept=kept, most=settings.open_batches)
        tenants = Tenants(doorman, default=settings.namespace)
        self._running = Running(
            client,
            store,
            keys,
            blobs,
            files,
            known,
            model=shared.model,
            most=settings.batches,
            lines=settings.file_lines,
            kept=kept,
        )
        self.routes = [
            *FileRoutes(tenants, files).routes(),
            *BatchRoutes(tenants, batches, self._running.look).routes(),
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run batches while the block runs."""
        if self._running is None:
            yield
            return
        async with self._running.running():
            with when_told_to_stop(self._running.end):
                yield

    async def _nowhere(self, request: Request) -> Response:
        await self._doorman.admit(request)
        where = "start it with --files DIRECTORY, or --files s3://BUCKET/PREFIX"
        return Refused(501, f"this server keeps no files: {where}", code="no_files", final=True).response()
