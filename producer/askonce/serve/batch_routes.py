"""/v1/batches"""

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from askonce.batch.line_format import URLS
from askonce.question_checks import TIERS
from askonce.serve.bodies import read_object
from askonce.serve.file_routes import checked_lifetime, limit_of, page_of
from askonce.serve.refusals import Refused, json_response
from askonce.serve.tenant import Tenants
from askonce.serve.wishes import BODY, HEADER
from askonce.served.batch_record import BatchRecord, Wishes
from askonce.served.batches import LONGEST, Batches, TooMany

ENDPOINTS = tuple(URLS)
LISTED, MOST_LISTED = 20, 100
WINDOW = re.compile(r"([1-9]\d{0,3})([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
CACHES = ("use", "refresh", "bypass")
TAKEN = ("cache", "tier", "namespace")
"""askonce's options that headers can set."""
MOST_PAIRS, LONGEST_KEY, LONGEST_VALUE = 16, 64, 512
"""OpenAI's limits of metadata."""


class BatchRoutes:
    """look: called after a batch was created."""

    def __init__(self, tenants: Tenants, batches: Batches, look: Callable[[], None]) -> None:
        self._tenants, self._batches, self._look = tenants, batches, look

    def routes(self) -> list[Route]:
        return [
            Route("/v1/batches", self.create, methods=["POST"]),
            Route("/v1/batches", self.list),
            Route("/v1/batches/{name}", self.get),
            Route("/v1/batches/{name}/cancel", self.cancel, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """Raises Refused, StoreUnreachable."""
        key, namespace = await self._tenants.of(request)
        body = await read_object(request)
        window = _text(body, "completion_window")
        seconds = _window(window)
        endpoint = _text(body, "endpoint")
        if endpoint not in ENDPOINTS:
            raise Refused(400, f"the endpoint of a batch must be one of {', '.join(ENDPOINTS)}", param="endpoint")
        record = BatchRecord(
            f"batch_{secrets.token_hex(12)}",
            namespace,
            endpoint,
            _text(body, "input_file_id"),
            window,
            0,
            0,
            "validating",
            _metadata(body.get("metadata")),
            key.name,
            wishes_of(body, request.headers),
        )
        try:
            made = await self._batches.create(record, seconds=seconds)
        except TooMany:
            message = f"{namespace!r} has {self._batches.most} open batches, the maximum: wait until one ends"
            raise Refused(429, message, code="rate_limit_exceeded", final=True) from None
        if made is None:
            raise Refused(404, f"No such File object: {record.input_file_id}", param="input_file_id")
        self._look()
        return json_response(made.shown())

    async def list(self, request: Request) -> Response:
        """Raises Refused, StoreUnreachable."""
        _, namespace = await self._tenants.of(request)
        asked = request.query_params
        limit = limit_of(asked, LISTED, MOST_LISTED)
        found, more = await self._batches.page(namespace, after=asked.get("after"), limit=limit)
        return json_response(page_of([each.shown() for each in found], more))

    async def get(self, request: Request) -> Response:
        """Raises Refused, StoreUnreachable."""
        _, namespace = await self._tenants.of(request)
        return json_response((await self._batch(namespace, request)).shown())

    async def cancel(self, request: Request) -> Response:
        """Raises Refused, StoreUnreachable."""
        _, namespace = await self._tenants.of(request)
        status = await self._batches.cancel(namespace, request.path_params["name"])
        record = await self._batch(namespace, request)
        if status != "cancelling":
            raise Refused(409, f"Cannot cancel a batch with status '{status}'.")
        return json_response(record.shown())

    async def _batch(self, namespace: str, request: Request) -> BatchRecord:
        name = request.path_params["name"]
        record = await self._batches.get(namespace, name)
        if record is None:
            raise Refused(404, f"No batch found with id '{name}'.", param="id")
        return record


def _text(body: Mapping[str, Any], name: str) -> str:
    if body.get(name) is None:
        raise Refused(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
    if not isinstance(body[name], str):
        raise Refused(400, f"{name} must be a string", code="invalid_type", param=name)
    return str(body[name])


def _window(given: str) -> int:
    """The completion window in seconds. Raises Refused."""
    read = WINDOW.fullmatch(given)
    seconds = int(read[1]) * SECONDS[read[2]] if read else 0
    if not 0 < seconds <= LONGEST:
        raise Refused(400, "completion_window must be 24h, or another time up to 14d", param="completion_window")
    return seconds


def _metadata(given: Any) -> Mapping[str, str] | None:
    if given is None:
        return None
    pairs = list(given.items()) if isinstance(given, Mapping) else [(None, None)]
    fits = all(
        isinstance(key, str) and len(key) <= LONGEST_KEY and isinstance(value, str) and len(value) <= LONGEST_VALUE
        for key, value in pairs
    )
    if not fits or len(pairs) > MOST_PAIRS:
        raise Refused(
            400,
            f"metadata can have up to {MOST_PAIRS} strings of up to {LONGEST_VALUE} characters, "
            f"under names of up to {LONGEST_KEY}",
            param="metadata",
        )
    return dict(pairs)


def wishes_of(body: Mapping[str, Any], headers: Mapping[str, str]) -> Wishes:
    """askonce's options from headers or from `askonce` in the body. Raises Refused."""
    for name in headers:
        if name.startswith(HEADER) and name.removeprefix(HEADER) not in TAKEN:
            taken = ", ".join(HEADER + each for each in TAKEN)
            raise Refused(400, f"a batch does not accept {name}: it accepts {taken}", param=name)
    given = body.get(BODY) or {}
    if not isinstance(given, Mapping):
        raise Refused(400, f"{BODY} must be an object", param=BODY)
    cache = headers.get(f"{HEADER}cache", given.get("cache") or "use")
    tier = headers.get(f"{HEADER}tier", given.get("tier"))
    if cache not in CACHES:
        raise Refused(400, f"{HEADER}cache must be one of {', '.join(CACHES)}", param=f"{HEADER}cache")
    if tier not in (None, *TIERS):
        raise Refused(400, f"{HEADER}tier must be one of {', '.join(TIERS)}", param=f"{HEADER}tier")
    unknown = {name for name in given if name not in ("cache", "tier")}
    if unknown:
        raise Refused(400, f"{BODY} of a batch has no {min(unknown)!r}: it has cache, tier", param=BODY)
    lifetime = checked_lifetime(body.get("output_expires_after"), "output_expires_after")
    return Wishes(str(cache), tier, lifetime)
