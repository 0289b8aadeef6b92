"""The tenant whose files and batches a request is about."""

from starlette.requests import Request

from askonce.contract.access_key import AccessKey
from askonce.question_checks import check_namespace
from askonce.serve.doorman import Doorman
from askonce.serve.refusals import Refused
from askonce.serve.wishes import HEADER


class Tenants:
    """default: namespace for requests that name none."""

    def __init__(self, doorman: Doorman, *, default: str) -> None:
        self._doorman, self._default = doorman, default

    async def of(self, request: Request) -> tuple[AccessKey, str]:
        """The caller's key and namespace. Raises Refused, InvalidQuestion, StoreUnreachable."""
        key = await self._doorman.admit(request)
        wished = request.headers.get(f"{HEADER}namespace")
        if wished is not None:
            check_namespace(wished)
        if key.namespace is not None and wished not in (None, key.namespace):
            raise Refused(403, f"this key is only valid for the namespace {key.namespace!r}", code="namespace")
        return key, key.namespace or wished or self._default
