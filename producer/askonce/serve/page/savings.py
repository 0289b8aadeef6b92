"""Savings: what was asked, what it cost, and what was saved."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from askonce.contract.counters import WAITS
from askonce.contract.wrong_rates import WrongRates
from askonce.operator.admin import Admin, figures_of
from askonce.operator.history import Counts, History
from askonce.prices.load import Prices
from askonce.serve.page.forms import Form, query_of
from askonce.serve.page.kept import Kept
from askonce.serve.page.render import Renderer
from askonce.serve.page.viewers import Viewer, Viewers

PERIODS = ("day", "hour", "month", "total")
"""The first is the default."""
BY_HOUR = ("hour", "day")
"""Periods whose chart has a point per hour; the others have one per day."""
MOST_ROWS = 50
WAITED = tuple(name.encode() for name in WAITS)
KINDS = ("exact", "semantic", "inflight", "llm", "failed")


class Savings:
    def __init__(
        self, viewers: Viewers, figures: Kept[History], admin: Admin, prices: Prices, renderer: Renderer
    ) -> None:
        self._viewers, self._figures, self._admin = viewers, figures, admin
        self._prices, self._renderer = prices, renderer

    async def show(self, request: Request) -> Response:
        """Raises LoginNeeded, Refused, StoreUnreachable."""
        viewer, form = await self._viewers.reader(request), query_of(request)
        history = await self._figures.value()
        facts = await asyncio.to_thread(_facts, history, self._prices, viewer, form)
        facts["wrong_rate"] = _wrong_rate(await self._admin.wrong_rates()) if viewer.namespace is None else None
        return self._renderer.page(request, "savings.html", viewer, tab="savings", **facts)


def _facts(history: History, prices: Prices, viewer: Viewer, form: Form) -> dict[str, Any]:
    period = form.one_of("period", PERIODS)
    namespace, model = viewer.only(form.text("namespace")), form.text("model") or None
    report = figures_of(history.periods[period], prices, namespace=namespace, model=model, most=MOST_ROWS)
    known = {tuple(name.decode().split("|", 2)[1:]) for name in history.periods["total"]}
    seen = [(space, name) for space, name in known if viewer.sees(space)]
    return {
        "period": period,
        "periods": ("hour", "day", "month", "total"),
        "namespace": namespace or "",
        "model": model or "",
        "namespaces": sorted({space for space, _ in seen} | ({namespace} if namespace else set())),
        "models": sorted({name for _, name in seen if name} | ({model} if model else set())),
        "figures": report,
        "counted": {kind: _answers(report, kind) for kind in KINDS},
        "rows": report["by"],
        "more": report["groups"] - MOST_ROWS,
        "currency": prices.currency,
        "at": history.at_ms / 1000,
        "chart": _chart(history.hours if period in BY_HOUR else history.days, prices, namespace, model),
        "by_hour": period in BY_HOUR,
    }


def _wrong_rate(rates: WrongRates | None) -> dict[str, Any] | None:
    """The wrong-hit rate of the whole installation."""
    shares = None if rates is None else rates.all.shares(rates.all.answered)
    return None if rates is None or shares is None else {"shares": shares, "hours": rates.hours}


def _chart(parts: Mapping[int, Counts], prices: Prices, namespace: str | None, model: str | None) -> dict[str, Any]:
    """One column per hour or day. times: when each begins (Unix s)."""
    wanted = (
        None if namespace is None else namespace.encode(),
        None if model is None else model.encode(),
    )
    reports = [figures_of(_by_model(counts, *wanted), prices) for counts in parts.values()]
    columns = {kind: [_answers(report, kind) for report in reports] for kind in KINDS}
    money = {name: [report[f"money_{name}"] or 0 for report in reports] for name in ("spent", "saved")}
    return {"times": list(parts), **columns, **money}


def _by_model(counts: Counts, namespace: bytes | None, model: bytes | None) -> Counts:
    """Figures without namespaces and waits: there are thousands of these, and the chart shows none."""
    found: Counts = Counter()
    for raw, count in counts.items():
        name, space, of = raw.split(b"|", 2)
        if name.partition(b":")[0] not in WAITED and namespace in (None, space) and model in (None, of):
            found[name + b"||" + of] += count
    return found


def _answers(report: Mapping[str, Any], kind: str) -> int:
    if kind in report["hits"]:
        return int(report["hits"][kind])
    if kind == "failed":
        return int(report["failed"])
    return int(report["questions"] - report["failed"] - report["calls_saved"])
