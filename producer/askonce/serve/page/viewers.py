"""The page's viewers and their rights.

A cookie identifies the browser: after a login it holds a session, and without keys it only ties forms to the browser.
Each change carries a digest of the cookie, which no other site can know.
"""

import hmac
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from askonce.contract.access_key import AccessKey, digest_of
from askonce.serve.doorman import ANYBODY, Doorman
from askonce.serve.page.forms import Form, read_form
from askonce.serve.page.sessions import LIFETIME, Sessions, new_token
from askonce.serve.refusals import Refused

COOKIE = "askonce_page"
SAME_SITE = {"none", "same-origin"}
"""Values of Sec-Fetch-Site for requests that a person or the page itself makes."""


class LoginNeeded(Exception):
    """Nobody is logged in, or the key lacks the right read."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """key: the viewer's. token: the browser's. named: whether the viewer has logged in."""

    key: AccessKey
    token: str
    named: bool

    @property
    def may_change(self) -> bool:
        return "operator" in self.key.rights

    @property
    def namespace(self) -> str | None:
        """The only namespace that the viewer may see; None for all."""
        return self.key.namespace

    @property
    def csrf(self) -> str:
        return csrf_of(self.token)

    def only(self, wished: str) -> str | None:
        """The namespace to show. wished: '' for all."""
        return self.namespace or wished or None

    def sees(self, namespace: str) -> bool:
        return self.namespace in (None, namespace)


class Viewers:
    def __init__(self, doorman: Doorman, sessions: Sessions) -> None:
        self._doorman, self._sessions = doorman, sessions

    async def reader(self, request: Request) -> Viewer:
        """Raises LoginNeeded, Refused, StoreUnreachable."""
        token = request.cookies.get(COOKIE, "")
        if await self._doorman.lets_in_anybody(request):
            if not self._doorman.is_local:
                raise Refused(403, "with --open, this page requires a key: `askonce keys add NAME --rights ask,read`")
            return Viewer(ANYBODY, token or new_token(), named=False)
        digest = await self._sessions.key_of(token) if token else None
        key = None if digest is None else await self._doorman.key_of(digest)
        if key is None or "read" not in key.rights:
            raise LoginNeeded
        return Viewer(key, token, named=True)

    async def changer(self, request: Request) -> tuple[Viewer, Form]:
        """The viewer of a request that changes something. Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer = await self.reader(request)
        form = await checked_form(request, viewer.token)
        if not viewer.may_change:
            raise Refused(403, f"the key {viewer.key.name!r} lacks the right operator", code="missing_right")
        return viewer, form

    async def log_in(self, request: Request) -> Viewer | None:
        """None if the key is unknown or may not read. Raises Refused, StoreUnreachable."""
        form = await checked_form(request, request.cookies.get(COOKIE, ""))
        key = await self._doorman.key_of(digest_of(form.text("key").strip()))
        if key is None or "read" not in key.rights:
            return None
        return Viewer(key, await self._sessions.begin(key), named=True)

    async def log_out(self, request: Request) -> None:
        """Raises Refused, StoreUnreachable."""
        token = request.cookies.get(COOKIE, "")
        await checked_form(request, token)
        await self._sessions.end(token)


def csrf_of(token: str) -> str:
    return digest_of(f"csrf {token}")[:43]


async def checked_form(request: Request, token: str) -> Form:
    """The form of a request that came from the page itself. Raises Refused."""
    form = await read_form(request)
    if request.headers.get("sec-fetch-site", "none") not in SAME_SITE:
        raise Refused(403, "pages of other sites may not change anything", code="other_site")
    if not token or not hmac.compare_digest(form.text("csrf").encode(), csrf_of(token).encode()):
        raise Refused(403, "this form has expired: reload the page", code="csrf")
    return form


def remember(response: Response, request: Request, token: str) -> None:
    """Sets the cookie, unless the browser has it."""
    if request.cookies.get(COOKIE) == token:
        return
    secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
    root = request.scope.get("root_path") or "/"
    response.set_cookie(COOKIE, token, max_age=LIFETIME, path=root, secure=secure, httponly=True, samesite="strict")


def forget(response: Response, request: Request) -> None:
    response.delete_cookie(COOKIE, path=request.scope.get("root_path") or "/", httponly=True, samesite="strict")
