"""Matches: which question got which other question's answer, and whether that was right."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from askonce.contract.matches import ServedMatch
from askonce.operator.matches import Matches, SeenMatch
from askonce.serve.page.forms import Form, query_of
from askonce.serve.page.kept import Kept
from askonce.serve.page.render import HEADERS, Renderer
from askonce.serve.page.texts_differ import marked
from askonce.serve.page.viewers import Viewer, Viewers
from askonce.serve.refusals import Refused

SHOWN = ("open", "waiting", "judged", "all")
ORDERS = ("risk", "new")
SOURCES = ("", "semantic", "inflight")
VERDICTS = ("right", "wrong", "drop")
PAGE = 30


class MatchesView:
    """kept: the matches that can be browsed."""

    def __init__(self, viewers: Viewers, matches: Matches, kept: Kept[list[SeenMatch]], renderer: Renderer) -> None:
        self._viewers, self._matches, self._kept, self._renderer = viewers, matches, kept, renderer

    async def show(self, request: Request) -> Response:
        """Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer, form = await self._viewers.reader(request), query_of(request)
        every = [match for match in await self._kept.value() if viewer.sees(match.match.namespace)]
        found = _chosen(every, viewer, form)
        first = max(0, int(form.text("first"))) if form.text("first").isdecimal() else 0
        facts = {
            "found": [_facts(match) for match in found[first : first + PAGE]],
            "number": len(found),
            "first": first,
            "next": first + PAGE if first + PAGE < len(found) else 0,
            "newest": max((match.match.at or 0 for match in every), default=0),
            "waiting": sum(match.waits for match in every),
            "namespaces": sorted({match.match.namespace for match in every}),
            "form": form.fields,
            **_choices(form),
        }
        template = "matches_list.html" if first else "matches.html"
        return self._renderer.page(request, template, viewer, tab="matches", **facts)

    async def news(self, request: Request) -> Response:
        """How many matches have come in since the page was shown."""
        viewer, form = await self._viewers.reader(request), query_of(request)
        newest = int(form.text("newest")) if form.text("newest").isdecimal() else 0
        found = _chosen([match for match in await self._kept.value() if (match.match.at or 0) > newest], viewer, form)
        query = urlencode({name: value for name, value in form.fields.items() if name != "newest"})
        return self._renderer.page(request, "matches_news.html", viewer, count=len(found), query=query, newest=newest)

    async def judge(self, request: Request) -> Response:
        """Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer, form = await self._viewers.changer(request)
        verdict = form.text("verdict")
        known = {match.id: match for match in await self._kept.value() if viewer.sees(match.match.namespace)}
        seen = known.get(form.text("match"))
        if seen is None or verdict not in VERDICTS:
            raise Refused(404, self._renderer.texts.matches.gone)
        await self._matches.judge(seen.match, right=verdict == "right", drop_entry=verdict == "drop")
        self._kept.forget()
        if "hx-request" not in request.headers:
            return RedirectResponse(f"{request.scope.get('root_path', '')}/matches", 303)
        said = SeenMatch(seen.match, waits=False, said="right" if verdict == "right" else "wrong")
        facts = {**_facts(said), "dropped": verdict == "drop"}
        return self._renderer.page(request, "match.html", viewer, each=facts)

    async def export(self, request: Request) -> Response:
        """Rows for `askonce-worker evaluate`. Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer = await self._viewers.reader(request)
        rows = [row for row in await self._matches.labelled() if viewer.sees(row["namespace"])]
        content = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
        headers = {**HEADERS, "content-disposition": 'attachment; filename="labels.jsonl"'}
        return Response(content, headers=headers, media_type="application/x-ndjson")


def _choices(form: Form) -> dict[str, Any]:
    named = {"show": SHOWN, "order": ORDERS, "source": SOURCES}
    chosen = {name: form.one_of(name, known) for name, known in named.items()}
    texts = {name: form.text(name) for name in ("namespace", "text")}
    return {**chosen, **texts, "shown": SHOWN, "orders": ORDERS, "sources": SOURCES}


def _chosen(every: Sequence[SeenMatch], viewer: Viewer, form: Form) -> list[SeenMatch]:
    chosen = _choices(form)
    wanted = form.text("text").casefold().strip()
    found = [
        seen
        for seen in every
        if _is_shown(seen, chosen["show"])
        and viewer.sees(seen.match.namespace)
        and chosen["namespace"] in ("", seen.match.namespace)
        and chosen["source"] in ("", seen.match.source)
        and (wanted in seen.match.question.casefold() or wanted in seen.match.matched.casefold())
    ]
    return found if chosen["order"] == "new" else sorted(found, key=lambda seen: seen.match.similarity)


def _is_shown(seen: SeenMatch, show: str) -> bool:
    return {"open": not seen.said, "waiting": seen.waits, "judged": bool(seen.said)}.get(show, True)


def _facts(seen: SeenMatch) -> dict[str, Any]:
    """why: a name in `texts.toml`."""
    match = seen.match
    question, matched = marked(match.question, match.matched)
    return {
        "id": seen.id,
        "match": match,
        "question": question,
        "matched": matched,
        "why": _why(match),
        "waits": seen.waits,
        "said": seen.said,
        "dropped": False,
    }


def _why(match: ServedMatch) -> str:
    if match.threshold is None:
        return "waiting"
    if match.scorer != "cosine":
        return "learnt"
    return "judged" if match.similarity < match.threshold else match.source
