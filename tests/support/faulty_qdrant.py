"""A gRPC proxy before a Qdrant, which does to each call what a test has ordered: as `support.llm_server` for the LLM.

    async with faulty_qdrant(qdrant_url) as qdrant:
        qdrant.fault("Upsert", refusals.POINTS, times=3)              # the next three are refused
        qdrant.fault("Upsert", refusals.TIMED_OUT, applied=True)      # done all the same, each of them
        qdrant.fault("QueryBatch", seconds=5, after=1)                # the second one and all later ones are slow
        qdrant.limits = Limits(search_batch=32)                       # strict mode
        qdrant.keys = ApiKeys("secret", read_only="look")
        assert qdrant.calls["Upsert"] == 4

The services behind it are the real ones, and see only what a real server would let through. The proxy runs in the loop
of the test, and decodes nothing unless limits are set.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import grpc
from qdrant_client import grpc as qdrant

from support.ports import free_port
from support.qdrant_limits import ApiKeys, Limits
from support.qdrant_refusals import Refusal

HEALTH = "/qdrant.Qdrant/HealthCheck"
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]


@dataclass
class Fault:
    """One rule. `times` calls (None: all) of this method, after the first `after`.

    refusal: the reply; None: the real one. seconds: how long the reply is held back; None: for ever. applied: the call
    reaches the server, whatever the reply.
    """

    method: str
    refusal: Refusal | None = None
    times: int | None = None
    after: int = 0
    seconds: float | None = 0.0
    applied: bool = False

    def takes(self, method: str) -> bool:
        if method != self.method or self.times == 0:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class FaultyQdrant(grpc.GenericRpcHandler):
    """calls: how often each method was called. requests: what was sent, by method. version: what HealthCheck says."""

    url: str = ""
    version: str = ""
    limits: Limits = field(default_factory=Limits)
    keys: ApiKeys | None = None
    faults: list[Fault] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    requests: dict[str, list[bytes]] = field(default_factory=dict)
    behind: Any = None

    def fault(self, method: str, refusal: Refusal | None = None, **rule: Any) -> Fault:
        self.faults.append(Fault(method, refusal, **rule))
        return self.faults[-1]

    def heal(self) -> None:
        """No faults and no limits; the counters go on."""
        self.faults, self.limits, self.keys = [], Limits(), None

    def service(self, details: Any) -> Any:
        path, metadata = details.method, dict(details.invocation_metadata)

        async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            return await self._answer(path, request, metadata, context)

        return grpc.unary_unary_rpc_method_handler(answer)

    async def _answer(self, path: str, request: bytes, metadata: dict[str, str], context: Any) -> bytes:
        method = path.rpartition("/")[2]
        self.calls[method] += 1
        self.requests.setdefault(method, []).append(request)
        fault = next((rule for rule in self.faults if rule.takes(method)), None)
        refusal = self.keys.refusal(path, metadata) if self.keys else None
        refusal = refusal or await self.limits.refusal(method, request, self.behind)
        if refusal is None and (fault is None or fault.refusal is None or fault.applied):
            reply = await self._passed_on(path, request, context)
        if fault is not None:
            await self._held_back(fault.seconds)
            refusal = refusal or fault.refusal
        if refusal is not None:
            await context.abort(refusal.code, refusal.text, refusal.metadata)
        return reply

    async def _passed_on(self, path: str, request: bytes, context: Any) -> bytes:
        try:
            reply: bytes = await self.behind.unary_unary(path)(request)
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details())
        if path == HEALTH and self.version:
            return qdrant.HealthCheckReply(title="qdrant", version=self.version).SerializeToString()
        return reply

    async def _held_back(self, seconds: float | None) -> None:
        if seconds is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(seconds)


@contextlib.asynccontextmanager
async def faulty_qdrant(url: str) -> AsyncIterator[FaultyQdrant]:
    """url: of the Qdrant behind it."""
    proxy, port = FaultyQdrant(), free_port()
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((proxy,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    async with grpc.aio.insecure_channel(urlsplit(url).netloc, options=_OPTIONS) as proxy.behind:
        await server.start()
        proxy.url = f"http://127.0.0.1:{port}"
        try:
            yield proxy
        finally:
            await server.stop(None)
