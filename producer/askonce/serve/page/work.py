"""Work: what is waiting, the workers, and an operator's actions."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from askonce.client import Client
from askonce.errors import AskOnceError
from askonce.operator.admin import Admin
from askonce.operator.dead_letters import DeadLetter, DeadLetters
from askonce.operator.history import History
from askonce.operator.provider_batches import ProviderBatches
from askonce.serve.page.forms import Form
from askonce.serve.page.kept import Kept
from askonce.serve.page.letters import Letter, letter_of
from askonce.serve.page.render import Renderer
from askonce.serve.page.throughput import throughput
from askonce.serve.page.viewers import Viewer, Viewers
from askonce.serve.refusals import Refused

MOST_LETTERS = 50
MOST_BATCHES = 20


class WorkView:
    def __init__(
        self,
        viewers: Viewers,
        client: Client,
        admin: Admin,
        letters: DeadLetters,
        batches: ProviderBatches,
        figures: Kept[History],
        renderer: Renderer,
    ) -> None:
        self._viewers, self._client, self._admin, self._letters = viewers, client, admin, letters
        self._batches, self._figures, self._renderer = batches, figures, renderer

    async def show(self, request: Request) -> Response:
        """Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer = await self._viewers.reader(request)
        letters = await self._dead(viewer)
        batches = [] if viewer.namespace else (await self._batches.all())[:MOST_BATCHES]
        facts: dict[str, Any] = {"letters": letters, "batches": batches, "asked": None, "news": ""}
        return self._renderer.page(request, "work.html", viewer, tab="work", **facts, **await self._now(viewer))

    async def now(self, request: Request) -> Response:
        """Only the parts of the page that change every second."""
        viewer = await self._viewers.reader(request)
        return self._renderer.page(request, "work_now.html", viewer, **await self._now(viewer))

    async def letters(self, request: Request) -> Response:
        """Asks the questions of a dead letter again, or drops it. Raises LoginNeeded, Refused, AskOnceError."""
        viewer, form = await self._viewers.changer(request)
        try:
            [letter] = await self._letters.get([form.text("job")])
        except LookupError:
            raise Refused(404, self._renderer.texts.work.gone) from None
        if not viewer.sees(letter_of(letter).namespace):
            raise Refused(404, self._renderer.texts.work.gone)
        if form.text("what") == "drop":
            await self._letters.drop([letter.job])
        else:
            await self._replay(letter)
        return self._back(request)

    async def cancel(self, request: Request) -> Response:
        """Ends a provider's batch early. Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer, form = await self._viewers.changer(request)
        if viewer.namespace:
            raise Refused(403, self._renderer.texts.work.all_namespaces)
        await self._batches.cancel([form.text("batch")])
        return self._back(request)

    async def count(self, request: Request) -> Response:
        """How much an invalidation would affect. Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer, form = await self._viewers.changer(request)
        model, namespace = _named(viewer, form)
        count = await self._admin.count_entries(model=model, namespace=namespace)
        facts: dict[str, Any] = {"asked": {"model": model or "", "namespace": namespace or ""}, "count": count}
        return self._renderer.page(request, "invalidate.html", viewer, tab="work", **facts)

    async def invalidate(self, request: Request) -> Response:
        """Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer, form = await self._viewers.changer(request)
        model, namespace = _named(viewer, form)
        await self._client.invalidate(model=model, namespace=namespace, all=model is None and namespace is None)
        return self._back(request)

    async def _now(self, viewer: Viewer) -> dict[str, Any]:
        state, waiting, history = await self._admin.now(), await self._admin.waiting(), await self._figures.value()
        return {
            "state": state,
            "waiting": [each for each in waiting if viewer.sees(each.namespace)],
            "pace": throughput(history, viewer.namespace),
        }

    async def _dead(self, viewer: Viewer) -> Sequence[Letter]:
        """The first dead letters found: there may be 10,000, of 64 MB in all."""
        found = []
        async for each in self._letters.all():
            letter = letter_of(each)
            if viewer.sees(letter.namespace):
                found.append(letter)
            if len(found) == MOST_LETTERS:
                break
        return sorted(found, key=lambda letter: -letter.at)

    async def _replay(self, letter: DeadLetter) -> None:
        try:
            await self._letters.replay(letter)
        except AskOnceError:
            raise
        except ValueError as error:
            raise Refused(409, f"{self._renderer.texts.work.not_replayed} {error}") from None

    def _back(self, request: Request) -> Response:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/work", 303)


def _named(viewer: Viewer, form: Form) -> tuple[str | None, str | None]:
    """Model and namespace of an invalidation; neither means all."""
    return form.text("model").strip() or None, viewer.only(form.text("namespace").strip())
