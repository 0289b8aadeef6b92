"""The server's routes and its state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from askonce.client import Client
from askonce.contract.keys import Keys
from askonce.errors import AskOnceError
from askonce.operator.known_keys import KnownKeys
from askonce.prices.load import load_prices
from askonce.serve.batch_api import BatchApi
from askonce.serve.chat import Chat
from askonce.serve.doorman import Doorman
from askonce.serve.embeddings import Embeddings
from askonce.serve.orphans import end_with_parent
from askonce.serve.page.page import Page
from askonce.serve.provider import Provider
from askonce.serve.refusals import Refused, json_response, refusal_of
from askonce.serve.responses import Responses
from askonce.serve.serve_settings import ServeSettings, serve_settings
from askonce.serve.shutdown import CutOff
from askonce.serve.streaming import EventStreams
from askonce.serve.what_happened import WhatHappened
from askonce.settings import client_settings
from askonce.store.connection import Store
from askonce.tasks import stop

LONGEST_PATH = 200
"""Characters of a path that an error quotes."""


def app_from_environment() -> Starlette:
    """The app that each server process runs. Raises ValueError."""
    return make_app(serve_settings())


def make_app(settings: ServeSettings) -> Starlette:
    shared = client_settings({})
    client = Client(namespace=settings.namespace)
    store = Store(shared.redis_url)
    known = KnownKeys(store, Keys(shared.key_prefix).front_door.access)
    doorman = Doorman(known, anonymous=settings.anonymous, local=not settings.open)
    provider = Provider(doorman, base_url=settings.base_url, api_key=settings.api_key)
    page = Page(client, doorman, store)
    batch_api = BatchApi(settings, shared, client, store, known, doorman)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in (store, client, provider, page):
                stack.push_async_callback(part.aclose)
            await stack.enter_async_context(batch_api.running())
            if settings.processes > 1:
                stack.push_async_callback(stop, asyncio.create_task(end_with_parent()))
            yield

    app = Starlette(
        routes=[
            *_asked(client, doorman, settings),
            *_of_provider(provider),
            *batch_api.routes,
            page.mount(),
            *_own(client),
        ],
        exception_handlers=HANDLERS,
        middleware=[Middleware(CutOff)],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # behind a proxy that terminates TLS it would redirect to http://
    return app


def _asked(client: Client, doorman: Doorman, settings: ServeSettings) -> list[Route]:
    """The routes that ask questions."""
    happened = WhatHappened(load_prices(settings.prices, base_url=settings.base_url))
    streams = EventStreams(happened, quiet=settings.keep_alive)
    chat = Chat(client, doorman, happened, streams, timeout=settings.timeout)
    responses = Responses(client, doorman, happened, streams, timeout=settings.timeout)
    embeddings = Embeddings(client, doorman, happened, timeout=settings.timeout)
    return [
        Route("/v1/chat/completions", chat.complete, methods=["POST"]),
        Route("/v1/responses", responses.create, methods=["POST"]),
        Route("/v1/embeddings", embeddings.create, methods=["POST"]),
    ]


def _of_provider(provider: Provider) -> list[Route]:
    return [
        Route("/v1/responses/{id}", provider.kept, methods=["GET", "DELETE"]),
        Route("/v1/responses/{id}/input_items", provider.kept),
        Route("/v1/responses/{id}/cancel", provider.kept, methods=["POST"]),
        Route("/v1/models", provider.models),
        Route("/v1/models/{name:path}", provider.models),
    ]


def _own(client: Client) -> list[Route]:
    async def ready(_: Request) -> Response:
        """Whether Redis answers, and how many workers are alive."""
        return json_response({"workers": await client.workers_alive()})

    return [
        *(Route(path, _to_the_page) for path in ("/", "/ui")),
        Route("/healthz", _alive),
        Route("/readyz", ready),
    ]


async def _to_the_page(request: Request) -> Response:
    """Redirect people who open the server's bare address to the page."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/ui/")


async def _alive(_: Request) -> Response:
    return json_response({"status": "alive"})


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response()


async def _not_answered(_: Request, error: Exception) -> Response:
    assert isinstance(error, AskOnceError)
    return refusal_of(error)


async def _no_files(_: Request, error: Exception) -> Response:
    """Other code that touches files or sockets translates its own OSErrors."""
    if isinstance(error, FileNotFoundError):
        return Refused(404, "the file is gone", code="file_not_found").response()
    return Refused(503, "the files cannot be reached", code="files_unreachable", retry_after=1).response()


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    hint = "" if error.status_code != 404 or path.startswith("/v1/") else "; the base URL ends in /v1"
    reply = Refused(
        error.status_code, f"{request.method} {path[:LONGEST_PATH]}: {error.detail.lower()}{hint}"
    ).response()
    reply.headers.update(error.headers or {})
    return reply


HANDLERS = {Refused: _refused, AskOnceError: _not_answered, OSError: _no_files, HTTPException: _no_route}
