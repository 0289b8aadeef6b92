"""The routes of the page, and what it holds while it runs."""

from contextlib import AsyncExitStack

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from askonce.contract.keys import Keys
from askonce.errors import AskOnceError
from askonce.operator.admin import Admin
from askonce.prices.load import load_prices
from askonce.serve.doorman import Doorman
from askonce.serve.page.assets import Assets
from askonce.serve.page.figures import KeptFigures
from askonce.serve.page.login import Login
from askonce.serve.page.render import Renderer
from askonce.serve.page.savings import Savings
from askonce.serve.page.sessions import Sessions
from askonce.serve.page.viewers import LoginNeeded, Viewers
from askonce.serve.refusals import Refused
from askonce.settings import client_settings
from askonce.store.connection import Store


class Page:
    def __init__(self, doorman: Doorman, store: Store) -> None:
        """Raises ValueError where a setting is malformed."""
        settings = client_settings({})
        self._stack = AsyncExitStack()
        assets = Assets()
        self._renderer = Renderer(assets)
        viewers = Viewers(doorman, Sessions(store, Keys(settings.key_prefix)))
        self._login = Login(viewers, self._renderer)
        admin = Admin()
        self._stack.push_async_callback(admin.aclose)
        savings = Savings(viewers, KeptFigures(Admin), admin, load_prices(settings.prices), self._renderer)
        self._routes = [
            Route("/", savings.show),
            Route("/savings", savings.show),
            Route("/login", self._login.show),
            Route("/login", self._login.log_in, methods=["POST"]),
            Route("/logout", self._login.log_out, methods=["POST"]),
            Route("/static/{name}", assets.serve),
        ]

    def mount(self) -> Mount:
        """All of it, under `/ui`."""
        app = Starlette(
            routes=self._routes,
            exception_handlers={
                LoginNeeded: self._to_login,
                Refused: self._refused,
                AskOnceError: self._failed,
                HTTPException: self._no_route,
            },
        )
        return Mount("/ui", app=app)

    async def aclose(self) -> None:
        await self._stack.aclose()

    async def _to_login(self, request: Request, _: Exception) -> Response:
        address = f"{request.scope.get('root_path', '')}/login"
        if "hx-request" in request.headers:
            return Response(status_code=401, headers={"hx-redirect": address})
        return RedirectResponse(address, 303)

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return self._renderer.page(request, "trouble.html", None, status=error.status, message=error.message, tab="")

    async def _failed(self, request: Request, error: Exception) -> Response:
        return self._renderer.page(request, "trouble.html", None, status=503, message=str(error), tab="")

    async def _no_route(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = f"{request.method} {request.url.path}: {error.detail.lower()}"
        return self._renderer.page(request, "trouble.html", None, status=error.status_code, message=message, tab="")
