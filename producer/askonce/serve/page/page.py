"""The routes of the page, and its state."""

from contextlib import AsyncExitStack
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from askonce.client import Client
from askonce.closing import Closing
from askonce.contract.keys import Keys
from askonce.errors import AskOnceError
from askonce.operator.admin import Admin
from askonce.operator.dead_letters import DeadLetters
from askonce.operator.entries import Entries
from askonce.operator.history import History
from askonce.operator.matches import Matches, SeenMatch
from askonce.operator.provider_batches import ProviderBatches
from askonce.prices.load import load_prices
from askonce.serve.doorman import Doorman
from askonce.serve.page.assets import Assets
from askonce.serve.page.entries import EntriesView
from askonce.serve.page.kept import Kept
from askonce.serve.page.login import Login
from askonce.serve.page.matches import MatchesView
from askonce.serve.page.render import Renderer
from askonce.serve.page.savings import Savings
from askonce.serve.page.sessions import Sessions
from askonce.serve.page.viewers import LoginNeeded, Viewers
from askonce.serve.page.work import WorkView
from askonce.serve.refusals import Refused, refusal_of
from askonce.settings import client_settings
from askonce.store.connection import Store

C = TypeVar("C", bound=Closing)
FRESH, LATELY = 10.0, 3.0
"""Seconds for which figures, and matches, are kept."""


class Page:
    def __init__(self, client: Client, doorman: Doorman, store: Store) -> None:
        """Raises ValueError if a setting is malformed."""
        settings = client_settings({})
        self._stack = AsyncExitStack()
        self._client, self._prices = client, load_prices(settings.prices)
        self._assets = Assets()
        self._renderer = Renderer(self._assets)
        self._viewers = Viewers(doorman, Sessions(store, Keys(settings.key_prefix)))

    def mount(self) -> Mount:
        """All routes, under `/ui`."""
        handlers = {LoginNeeded: _to_login, Refused: self._refused, AskOnceError: self._failed}
        routes = [*self._own(), *self._views(), Route("/static/{name}", self._assets.serve)]
        app = Starlette(routes=routes, exception_handlers={**handlers, HTTPException: self._no_route})
        app.router.redirect_slashes = False
        return Mount("/ui", app=app)

    def _own(self) -> list[Route]:
        login = Login(self._viewers, self._renderer)
        return [
            Route("/login", login.show),
            Route("/login", login.log_in, methods=["POST"]),
            Route("/logout", login.log_out, methods=["POST"]),
        ]

    def _views(self) -> list[Route]:
        viewers, renderer, admin = self._viewers, self._renderer, self._closed(Admin())
        figures = Kept(_read_history, FRESH)
        savings = Savings(viewers, figures, admin, self._prices, renderer)
        matches = MatchesView(viewers, self._closed(Matches()), Kept(_read_matches, LATELY), renderer)
        entries = EntriesView(viewers, self._client, self._closed(Entries()), renderer)
        letters, batches = self._closed(DeadLetters(self._client)), self._closed(ProviderBatches())
        work = WorkView(viewers, self._client, admin, letters, batches, figures, renderer)
        post = ["POST"]
        return [
            Route("/", savings.show),
            Route("/savings", savings.show),
            Route("/matches", matches.show),
            Route("/matches/news", matches.news),
            Route("/matches/judge", matches.judge, methods=post),
            Route("/matches/labels.jsonl", matches.export),
            Route("/entries", entries.show),
            Route("/entries/why", entries.why, methods=post),
            Route("/entries/{fingerprint}", entries.one),
            Route("/entries/{fingerprint}/delete", entries.delete, methods=post),
            Route("/entries/{fingerprint}/refresh", entries.refresh, methods=post),
            Route("/work", work.show),
            Route("/work/now", work.now),
            Route("/work/letters", work.letters, methods=post),
            Route("/work/cancel", work.cancel, methods=post),
            Route("/work/count", work.count, methods=post),
            Route("/work/invalidate", work.invalidate, methods=post),
        ]

    async def aclose(self) -> None:
        await self._stack.aclose()

    def _closed(self, part: C) -> C:
        """Closes it when the page is closed."""
        self._stack.push_async_callback(part.aclose)
        return part

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return self._trouble(request, error.status, error.message)

    async def _failed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, AskOnceError)
        return self._trouble(request, refusal_of(error).status_code, str(error))

    async def _no_route(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self._trouble(request, error.status_code, f"{request.method} {request.url.path}: {error.detail.lower()}")

    def _trouble(self, request: Request, status: int, message: str) -> Response:
        template = "trouble_part.html" if "hx-request" in request.headers else "trouble.html"
        return self._renderer.page(request, template, None, status=status, message=message, tab="")


async def _to_login(request: Request, _: Exception) -> Response:
    address = f"{request.scope.get('root_path', '')}/login"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"hx-redirect": address})
    return RedirectResponse(address, 303)


async def _read_history() -> History:
    async with Admin() as admin:
        return await admin.history()


async def _read_matches() -> list[SeenMatch]:
    async with Matches() as matches:
        return await matches.all()
