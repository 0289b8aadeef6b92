"""The tables of `askonce stats`: what a team shows its manager. Plain text."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

PERIODS = ("hour", "day", "month", "total")
HEADING = "full hours and this one"
TITLES = {"hour": "last hour", "day": "last day", "month": "last month", "total": "in all"}
Report = dict[str, Any]


def tables(report: Report) -> str:
    currency = report["currency"]
    rows = [[name, *(cell(report[period], currency) for period in PERIODS)] for name, cell in ROWS]
    parts = [table([HEADING, *TITLES.values()], rows), by_model(report["total"]["by"], currency), now(report["now"])]
    return "\n\n".join(part for part in parts if part)


def by_model(parts: Sequence[Report], currency: str) -> str:
    """In all, for each namespace and model."""
    if not parts:
        return ""
    heads = ["namespace", "model", "questions", "LLM calls", "saved", "hit rate", "spent", "saved"]
    return table(
        heads,
        [
            [
                part["namespace"],
                part["model"],
                number(part["questions"]),
                number(part["llm_calls"]),
                number(part["calls_saved"]),
                rate(part["hit_rate"]),
                money(part["money_spent"], currency),
                money(part["money_saved"], currency),
            ]
            for part in parts
            if part["questions"] or part["llm_calls"]  # a cancelled question has no model
        ],
        left=2,
    )


def now(state: Report) -> str:
    rows = [
        ["workers alive", number(state["workers"])],
        ["entries", f"{number(state['entries'])} (about {size(state['entries_bytes'])})"],
        ["vectors waiting", number(state["vectors_waiting"])],
        ["dead letters", number(state["dead_letters"])],
    ]
    for lane, queue in state["lanes"].items():
        jobs = f"{number(queue['waiting_jobs'])} jobs wait, {number(queue['running_jobs'])} run"
        oldest = "" if queue["oldest_s"] is None else f", the oldest for {queue['oldest_s']:.1f} s"
        rows.append([lane, f"{number(queue['questions'])} questions: {jobs}{oldest}"])
    return table(["now", ""], rows, left=2)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """Columns as wide as they must be; the first `left` of them flush left."""
    lines = [list(heads), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(_cells(line, widths, left)).rstrip() for line in lines)


def _cells(line: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    return [
        word.ljust(width) if column < left else word.rjust(width)
        for column, (word, width) in enumerate(zip(line, widths, strict=True))
    ]


def number(value: int) -> str:
    return f"{value:,}"


def rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def money(value: float | None, currency: str) -> str:
    """Two digits, more of a small sum; - where a model has no price."""
    if value is None:
        return "-"
    return f"{value:,.2f} {currency}" if value == 0 or value >= 1 else f"{value:.4f} {currency}"


def size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def waits(report: Report, kind: str) -> str:
    """p50 / p95 / p99."""
    return " / ".join(seconds(report["latency"][kind][name]) for name in ("p50", "p95", "p99"))


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.1f} ms"


ROWS: list[tuple[str, Callable[[Report, str], str]]] = [
    ("questions", lambda report, _: number(report["questions"])),
    ("LLM calls", lambda report, _: number(report["llm_calls"])),
    ("  of these failed", lambda report, _: number(report["failed_calls"])),
    ("calls saved", lambda report, _: number(report["calls_saved"])),
    ("  exact", lambda report, _: number(report["hits"]["exact"])),
    ("  semantic", lambda report, _: number(report["hits"]["semantic"])),
    ("  in flight", lambda report, _: number(report["hits"]["inflight"])),
    ("hit rate", lambda report, _: rate(report["hit_rate"])),
    ("wrong hits reported", lambda report, _: number(report["wrong_hits"])),
    ("failed questions", lambda report, _: number(report["failed"])),
    ("cancelled questions", lambda report, _: number(report["cancelled"])),
    ("tokens in", lambda report, _: number(report["tokens"]["input"])),
    ("tokens out", lambda report, _: number(report["tokens"]["output"])),
    ("tokens saved", lambda report, _: number(sum(report["tokens_saved"].values()))),
    ("spent", lambda report, currency: money(report["money_spent"], currency)),
    ("saved", lambda report, currency: money(report["money_saved"], currency)),
    ("cache hits, p50/p95/p99", lambda report, _: waits(report, "hit")),
    ("in flight, p50/p95/p99", lambda report, _: waits(report, "joined")),
    ("misses, p50/p95/p99", lambda report, _: waits(report, "miss")),
]
