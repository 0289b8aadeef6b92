"""Entries: what is cached, and why a question would or would not be answered from it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from askonce.client import Client
from askonce.errors import InvalidQuestion
from askonce.operator.entries import Entries, Entry
from askonce.question import Question
from askonce.serve.page.asked import FIELDS, question_of
from askonce.serve.page.forms import Form, query_of
from askonce.serve.page.render import Renderer
from askonce.serve.page.viewers import Viewer, Viewers, checked_form
from askonce.serve.refusals import Refused

PATIENCE = 8.0
"""Seconds to wait for a worker's explanation of a question."""


class EntriesView:
    def __init__(self, viewers: Viewers, client: Client, entries: Entries, renderer: Renderer) -> None:
        self._viewers, self._client, self._entries, self._renderer = viewers, client, entries, renderer

    async def show(self, request: Request) -> Response:
        """Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer, form = await self._viewers.reader(request), query_of(request)
        return await self._list(request, viewer, form)

    async def why(self, request: Request) -> Response:
        """Why no hit? The question is sent in the body, so that it appears in no URL. Raises LoginNeeded, Refused."""
        viewer = await self._viewers.reader(request)
        form = await checked_form(request, viewer.token)
        try:
            found = await self._client.explain(question_of(form, viewer), timeout=PATIENCE)
        except InvalidQuestion as error:
            return await self._list(request, viewer, form, trouble=str(error))
        return await self._list(request, viewer, form, found=found)

    async def one(self, request: Request) -> Response:
        """Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer = await self._viewers.reader(request)
        entry = await self._entry(request, viewer)
        again = _bare(entry) is not None
        return self._renderer.page(request, "entry.html", viewer, tab="entries", entry=entry, again=again, job_id="")

    async def delete(self, request: Request) -> Response:
        """Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer, _ = await self._viewers.changer(request)
        entry = await self._entry(request, viewer)
        await self._entries.drop(entry.head.fingerprint)
        return RedirectResponse(f"{request.scope.get('root_path', '')}/entries", 303)

    async def refresh(self, request: Request) -> Response:
        """Raises LoginNeeded, Refused, AskOnceError."""
        viewer, _ = await self._viewers.changer(request)
        entry = await self._entry(request, viewer)
        question = _bare(entry)
        if question is None:
            raise Refused(409, self._renderer.texts.entries.not_again)
        job_id = await self._client.submit(question.with_fields(cache="refresh"))
        facts: dict[str, Any] = {"entry": entry, "again": False, "job_id": job_id}
        return self._renderer.page(request, "entry.html", viewer, tab="entries", **facts)

    async def _list(
        self, request: Request, viewer: Viewer, form: Form, *, found: Any = None, trouble: str = ""
    ) -> Response:
        search = form if request.method == "GET" else Form({})
        spaces, model = viewer.only(search.text("namespace")), search.text("model") or None
        latest = await self._entries.latest(search.text("text").strip(), namespace=spaces, model=model)
        asked = form if request.method == "POST" else Form({})
        facts = {"latest": latest, "search": {name: search.text(name) for name in FIELDS}, "trouble": trouble}
        facts |= {"found": found, "asked": {name: asked.text(name) for name in FIELDS}}
        status = 400 if trouble else 200
        return self._renderer.page(request, "entries.html", viewer, status=status, tab="entries", **facts)

    async def _entry(self, request: Request, viewer: Viewer) -> Entry:
        entry = await self._entries.get(request.path_params["fingerprint"])
        if entry is None or not viewer.sees(entry.head.namespace):
            raise Refused(404, self._renderer.texts.entries.gone)
        return entry


def _bare(entry: Entry) -> Question | None:
    """The question if it consists only of text: of the rest of a question the cache keeps only an id."""
    question = Question(entry.question, model=entry.head.model, namespace=entry.head.namespace)
    try:
        same = question.checked(namespace="default", model=None).fingerprint == entry.head.fingerprint
    except InvalidQuestion:
        return None
    return question if same else None
