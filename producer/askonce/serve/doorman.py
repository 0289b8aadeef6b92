"""Access control: by a bearer token or, if no key was ever added, for anyone on this machine."""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.requests import Request

from askonce.contract.access_key import AccessKey, digest_of
from askonce.operator.known_keys import KnownKeys
from askonce.serve.refusals import Refused

ANYBODY = AccessKey("", "", None, frozenset({"ask", "read", "operator"}), 0)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Doorman:
    """anonymous: whether requests without a key are accepted while there are no keys. local: if so, only from this
    machine."""

    def __init__(self, keys: KnownKeys, *, anonymous: bool, local: bool) -> None:
        self._keys, self._anonymous, self._local = keys, anonymous, local

    async def admit(self, request: Request, right: str = "ask") -> AccessKey:
        """The caller's key. Raises Refused, StoreUnreachable."""
        if await self.lets_in_anybody(request):
            return ANYBODY
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        key = await self.key_of(digest_of(token.strip())) if scheme.lower() == "bearer" else None
        if key is None:
            given = (
                "unknown or removed API key" if token else "an API key is required: create one with `askonce keys add`"
            )
            raise Refused(401, given, code="invalid_api_key")
        if right not in key.rights:
            raise Refused(403, f"the key {key.name!r} lacks the right {right}", code="missing_right")
        return key

    @property
    def is_local(self) -> bool:
        """Whether, without keys, only requests from this machine are accepted."""
        return self._local

    async def lets_in_anybody(self, request: Request) -> bool:
        """Whether requests need no key now. Raises Refused, StoreUnreachable."""
        if await self._keys.by_name() or not self._anonymous:  # keys of a later release count too
            return False
        _refuse_pages_of_others(request, local=self._local)
        return True

    async def key_of(self, digest: str) -> AccessKey | None:
        """The key with this digest. Raises StoreUnreachable."""
        return (await self._keys.by_digest()).get(digest)


@lru_cache(maxsize=16)
def _leads_here(host: str) -> bool:
    """Whether a Host header, with or without a port, names this machine."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _refuse_pages_of_others(request: Request, *, local: bool) -> None:
    """Any website can make its visitors' browsers send requests here, even under its own host name (DNS rebinding)."""
    host = request.headers.get("host", "")
    if local and not _leads_here(host):
        raise Refused(
            403, f"without keys, this server answers only requests to localhost, not to {host!r}", code="other_host"
        )
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "none")
    if site not in {"none", "same-origin"} or (origin is not None and urlsplit(origin).netloc != host):
        raise Refused(403, "without keys, pages of other sites may not send requests", code="other_site")
