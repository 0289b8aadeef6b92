"""Logging in, with a key of the front door, and logging out."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from askonce.serve.page.render import Renderer
from askonce.serve.page.sessions import new_token
from askonce.serve.page.viewers import COOKIE, Viewers, csrf_of, forget, remember


class Login:
    def __init__(self, viewers: Viewers, renderer: Renderer) -> None:
        self._viewers, self._renderer = viewers, renderer

    async def show(self, request: Request) -> Response:
        return self._form(request, wrong=False)

    async def log_in(self, request: Request) -> Response:
        """Raises Refused, StoreUnreachable."""
        viewer = await self._viewers.log_in(request)
        if viewer is None:
            return self._form(request, wrong=True)
        response = RedirectResponse(f"{request.scope.get('root_path', '')}/", 303)
        remember(response, request, viewer.token)
        return response

    async def log_out(self, request: Request) -> Response:
        """Raises Refused, StoreUnreachable."""
        await self._viewers.log_out(request)
        response = RedirectResponse(f"{request.scope.get('root_path', '')}/login", 303)
        forget(response, request)
        return response

    def _form(self, request: Request, *, wrong: bool) -> Response:
        token = request.cookies.get(COOKIE) or new_token()
        status = 403 if wrong else 200
        response = self._renderer.page(
            request, "login.html", None, status=status, csrf=csrf_of(token), wrong=wrong, tab=""
        )
        remember(response, request, token)
        return response
