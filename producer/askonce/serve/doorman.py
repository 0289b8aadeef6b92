"""Who is let in: by a bearer token, or, where no key was ever added, whoever is on this machine."""

import asyncio
import ipaddress
import time
from collections.abc import Mapping

from starlette.requests import Request

from askonce.contract.access_key import AccessKey, digest_of
from askonce.contract.keys import Keys
from askonce.operator.access_keys import read_keys
from askonce.serve.refusals import Refused
from askonce.store.connection import Store

FRESH = 2.0
"""Seconds for which the keys are taken as they were read."""
ANYBODY = AccessKey("", "", None, frozenset({"ask", "read", "operator"}), 0)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Doorman:
    """anonymous: whether anybody gets in while there are no keys."""

    def __init__(self, store: Store, keys: Keys, *, anonymous: bool) -> None:
        self._store, self._where, self._anonymous = store, keys.access, anonymous
        self._known: Mapping[str, AccessKey] = {}
        self._read_at = -FRESH
        self._reading = asyncio.Lock()

    async def admit(self, request: Request, right: str = "ask") -> AccessKey:
        """The key of whoever asks. Raises Refused, StoreUnreachable."""
        known = await self._keys()
        if not known and self._anonymous:
            _refuse_other_sites(request)
            return ANYBODY
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        key = known.get(digest_of(token.strip())) if scheme.lower() == "bearer" else None
        if key is None:
            raise Refused(401, "this needs a key: `askonce keys add` makes one", code="invalid_api_key")
        if right not in key.rights:
            raise Refused(403, f"the key {key.name!r} has no right to {right}", code="missing_right")
        return key

    async def _keys(self) -> Mapping[str, AccessKey]:
        if time.monotonic() - self._read_at >= FRESH:
            async with self._reading:
                if time.monotonic() - self._read_at >= FRESH:
                    found = await read_keys(self._store, self._where)
                    self._known, self._read_at = {key.digest: key for key in found}, time.monotonic()
        return self._known


def _refuse_other_sites(request: Request) -> None:
    """A page of any site can make a browser on this machine send requests here, under our own name too."""
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise Refused(403, "a page of another site asked", code="cross_site")
    if "sec-fetch-site" in request.headers and not is_loopback(request.url.hostname or ""):
        raise Refused(403, "without keys this is for pages of this machine alone", code="cross_site")
