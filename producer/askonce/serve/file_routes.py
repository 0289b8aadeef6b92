"""/v1/files"""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from askonce.serve.refusals import Refused, json_response
from askonce.serve.tenant import Tenants
from askonce.serve.upload import AGAIN, AT_ONCE, blocks_of, too_large, uploaded
from askonce.served.batches import TooMany
from askonce.served.checking import PACKED
from askonce.served.file_record import FileRecord
from askonce.served.files import Files, InUse, TooLarge
from askonce.tables.packed import LONGEST_MARK, is_packed

PURPOSE = "batch"
MOST_LISTED = 10_000
LEAST_LIFETIME, MOST_LIFETIME = 3600, 2_592_000
"""OpenAI's limits, in seconds."""
LONGEST_NAME = 255
DIGITS = 10
"""Maximum digits of a number."""


class FileRoutes:
    def __init__(self, tenants: Tenants, files: Files) -> None:
        self._tenants, self._files = tenants, files
        self._uploads = 0

    def routes(self) -> list[Route]:
        return [
            Route("/v1/files", self.create, methods=["POST"]),
            Route("/v1/files", self.list),
            Route("/v1/files/{name}", self.get),
            Route("/v1/files/{name}", self.delete, methods=["DELETE"]),
            Route("/v1/files/{name}/content", self.content),
        ]

    async def create(self, request: Request) -> Response:
        """Raises Refused, StoreUnreachable, OSError."""
        _, namespace = await self._tenants.of(request)
        if self._uploads >= AT_ONCE:
            raise Refused(
                429,
                f"{AT_ONCE} uploads are already in progress on this server",
                code="rate_limit_exceeded",
                retry_after=AGAIN,
            )
        self._uploads += 1
        try:
            await self._files.check_room(namespace)
            async with uploaded(request, self._files.most) as form:
                record = await self._keep(namespace, form)
        except TooLarge:
            raise too_large(self._files.most) from None
        except TooMany:
            most = f"{namespace!r} has {self._files.count} files, the maximum"
            raise Refused(400, f"You have exceeded your file storage quota: {most}. Delete old ones.") from None
        finally:
            self._uploads -= 1
        return json_response(record.shown())

    async def _keep(self, namespace: str, form: FormData) -> FileRecord:
        """Raises Refused, TooLarge, TooMany, StoreUnreachable, OSError."""
        file, lifetime = form.get("file"), _lifetime(form)
        if not isinstance(file, UploadFile):
            raise Refused(400, "the form has no file", param="file")
        if form.get("purpose") != PURPOSE:
            raise Refused(400, f"the purpose of a file must be {PURPOSE}", param="purpose")
        if is_packed(await file.read(LONGEST_MARK)):
            raise Refused(400, PACKED, param="file")
        await file.seek(0)
        filename = (file.filename or "input.jsonl")[:LONGEST_NAME]
        return await self._files.upload(namespace, filename, PURPOSE, blocks_of(file), lifetime=lifetime)

    async def list(self, request: Request) -> Response:
        """Raises Refused, StoreUnreachable."""
        _, namespace = await self._tenants.of(request)
        asked = request.query_params
        order = asked.get("order", "desc")
        if order not in ("asc", "desc"):
            raise Refused(400, "order must be asc or desc", param="order")
        found, more = await self._files.page(
            namespace,
            purpose=asked.get("purpose"),
            after=asked.get("after"),
            limit=limit_of(asked, MOST_LISTED, MOST_LISTED),
            newest_first=order == "desc",
        )
        return json_response(page_of([each.shown() for each in found], more))

    async def get(self, request: Request) -> Response:
        """Raises Refused, StoreUnreachable."""
        return json_response((await self._file(request)).shown())

    async def content(self, request: Request) -> Response:
        """Raises Refused, StoreUnreachable, OSError."""
        record = await self._file(request)
        blocks = self._files.content(record)
        first = await anext(blocks, b"")  # afterwards it is too late for an error status

        async def all_of_it() -> Any:
            yield first
            async for block in blocks:
                yield block

        headers = {"content-length": str(record.size), "x-content-type-options": "nosniff"}
        return StreamingResponse(all_of_it(), media_type="application/octet-stream", headers=headers)

    async def delete(self, request: Request) -> Response:
        """Raises Refused, StoreUnreachable, OSError."""
        record = await self._file(request)
        try:
            await self._files.delete(record)
        except InUse as reader:
            message = f"{reader} is reading this file: cancel it first, or wait until it ends"
            raise Refused(409, message, code="file_in_use") from None
        return json_response({"id": record.id, "object": "file", "deleted": True})

    async def _file(self, request: Request) -> FileRecord:
        _, namespace = await self._tenants.of(request)
        name = request.path_params["name"]
        record = await self._files.get(namespace, name)
        if record is None:
            raise Refused(404, f"No such File object: {name}", param="id")
        return record


def limit_of(asked: Mapping[str, str], default: int, most: int) -> int:
    """Raises Refused."""
    given = _whole(asked.get("limit", default))
    if not 1 <= given <= most:
        raise Refused(400, f"limit must be a whole number from 1 to {most}", param="limit")
    return given


def page_of(shown: list[Mapping[str, Any]], more: bool) -> Mapping[str, Any]:
    ids = [each["id"] for each in shown]
    ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return {"object": "list", "data": shown, **ends, "has_more": more}


def _lifetime(form: FormData) -> int | None:
    """Raises Refused."""
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    return checked_lifetime({"anchor": anchor, "seconds": seconds}, "expires_after")


def checked_lifetime(given: Any, param: str) -> int | None:
    """Raises Refused."""
    if given is None:
        return None
    if not isinstance(given, Mapping) or given.get("anchor") != "created_at" or given.get("seconds") is None:
        raise Refused(400, f"{param} has an anchor, created_at, and seconds", param=param)
    seconds = _whole(given["seconds"])
    if not LEAST_LIFETIME <= seconds <= MOST_LIFETIME:
        raise Refused(400, f"{param}: seconds are from {LEAST_LIFETIME} to {MOST_LIFETIME}", param=param)
    return seconds


def _whole(given: Any) -> int:
    """The whole number; -1 if it is not one or has too many digits."""
    if isinstance(given, str) and len(given) <= DIGITS and given.isdecimal():
        return int(given)
    return given if isinstance(given, int) else -1
