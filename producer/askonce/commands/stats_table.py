"""The tables of `askonce stats`, 80 columns wide unless the terminal is wider."""

from collections.abc import Callable, Sequence
from textwrap import fill
from typing import Any

from askonce.commands.text_table import age, counted, money, number, rate, seconds, size, table
from askonce.commands.wrong_rate_table import wrong_rates
from askonce.contract.counters import PERCENTILES
from askonce.contract.wrong_rates import WrongRates

TITLES = {"hour": "last hour", "day": "last day", "month": "last 30 days", "total": "in all"}
HEADING = "whole hours or days, plus the current one"
WAITED = "from submit to answer, including the queue"
KINDS = {"hit": "cached", "joined": "in flight", "miss": "LLM"}

Report = dict[str, Any]
Cell = Callable[[Report], str]


def tables(report: Report, width: int = 80, hint: str = "", rates: WrongRates | None = None) -> str:
    """What `askonce stats` prints: figures by period and model, wrong hits, the present state, what has no price.

    hint: what to do about models without a price. rates: None if unknown.
    """
    parts = [
        by_period(report, width),
        waits(report, width),
        by_model(report["total"]["by"], report["currency"], width),
        wrong_rates(rates, width, report["currency"]),
        now(report["now"], width),
        unpriced(report["total"]["unpriced_models"], width, hint),
    ]
    return "\n\n".join(part for part in parts if part)


def periods(report: Report) -> list[str]:
    """Leaves out a period with the same figures as the next longer one."""
    names = list(TITLES)
    return [
        name
        for name, longer in zip(names, [*names[1:], None], strict=True)
        if not longer or report[name] != report[longer]
    ]


def by_period(report: Report, width: int) -> str:
    """Leaves out rows that are 0 everywhere, except for the first few."""
    shown, money_rows = periods(report), _money_rows(report["currency"])
    rows = [
        [label, *(cell(report[name]) for name in shown)]
        for label, cell in (*ROWS, *money_rows)
        if label in ALWAYS or any(cell(report[name]) != "0" for name in shown)
    ]
    return table([HEADING, *(TITLES[name] for name in shown)], rows, width=width)


def waits(report: Report, width: int) -> str:
    """Latencies of answers."""
    shown, rows = periods(report), []
    for kind, title in KINDS.items():
        for share in (f"p{each * 100:.0f}" for each in PERCENTILES):
            found = [report[name]["latency"][kind][share] for name in shown]
            if any(each is not None for each in found):
                rows.append([f"{title}, {share}", *map(seconds, found)])
    return table([WAITED, *(TITLES[name] for name in shown)], rows, width=width) if rows else ""


def by_model(parts: Sequence[Report], currency: str, width: int) -> str:
    """Totals for each namespace and model. Empty columns are left out."""
    parts = [part for part in parts if part["questions"] or part["llm_calls"]]  # a cancelled question has no model
    if not parts:
        return ""
    columns: dict[str, Cell] = {
        "namespace": lambda part: part["namespace"],
        "model": lambda part: part["model"],
        "questions": lambda part: number(part["questions"]),
        "LLM calls": lambda part: number(part["llm_calls"]),
        "hit rate": lambda part: rate(part["hit_rate"]),
        f"spent, {currency}": lambda part: _money(part, "money_spent"),
        f"saved, {currency}": lambda part: _money(part, "money_saved"),
    }
    if len({part["namespace"] for part in parts}) == 1:
        del columns["namespace"]
    if all(part["unpriced_models"] for part in parts):
        del columns[f"spent, {currency}"], columns[f"saved, {currency}"]
    left = 2 if "namespace" in columns else 1
    rows = [[cell(part) for cell in columns.values()] for part in parts]
    return table(list(columns), rows, left=left, width=width)


def now(state: Report, width: int) -> str:
    rows = [
        ["workers alive", number(state["workers"])],
        ["entries", f"{number(state['entries'])} (about {size(state['entries_bytes'])})"],
        ["vectors waiting", number(state["vectors_waiting"])],
        ["dead letters", number(state["dead_letters"])],
    ]
    if state["parked"] or state["provider_batches"]:
        batches = state["provider_batches"]
        waiting = f"{counted(state['parked'], 'question')}, {number(batches)} batch{'' if batches == 1 else 'es'}"
        rows.append(["provider's batches", waiting])
    if state["vectors_filling"]:
        filled = f"{number(state['vectors_filled'])} of about {number(state['vectors_filling'])} vectors"
        rows.insert(3, ["collection being filled", filled])
    for lane, queue in state["lanes"].items():
        jobs = _jobs(queue["waiting_jobs"], queue["running_jobs"])
        oldest = "" if queue["oldest_s"] is None else f", oldest {age(queue['oldest_s'])}"
        rows.append([f"{lane} lane", f"{counted(queue['questions'], 'question')}: {jobs}{oldest}"])
    rows += [[f"budget of {budget['namespace']}", _of_budget(budget)] for budget in state["budgets"]]
    return table(["now", ""], rows, left=2, width=width)


def _jobs(waiting: int, running: int) -> str:
    wait, run = ("waits" if waiting == 1 else "wait"), ("runs" if running == 1 else "run")
    return f"{counted(waiting, 'job')} {wait}, {number(running)} {run}"


def _of_budget(budget: Report) -> str:
    share = rate(budget["spent"] / budget["limit"])
    return f"{money(budget['spent'])} of {money(budget['limit'])} a {budget['period']} ({share})"


def unpriced(models: Sequence[str], width: int, hint: str) -> str:
    if not models:
        return ""
    more = f" and {len(models) - 3} more" if len(models) > 3 else ""
    named = ", ".join(models[:3])
    return fill(f"* without what has no price: {named}{more}; {hint}.", width)


def _money(report: Report, name: str) -> str:
    value = report[name]
    if value is None:
        return "no price"
    return money(value) + ("*" if report["unpriced_models"] else "")


def _money_rows(currency: str) -> tuple[tuple[str, Cell], ...]:
    return (
        (f"spent, {currency}", lambda report: _money(report, "money_spent")),
        (f"saved, {currency}", lambda report: _money(report, "money_saved")),
    )


ALWAYS = ("questions", "LLM calls", "calls saved", "hit rate")
ROWS: tuple[tuple[str, Cell], ...] = (
    ("questions", lambda report: number(report["questions"])),
    ("LLM calls", lambda report: number(report["llm_calls"])),
    ("  of these failed", lambda report: number(report["failed_calls"])),
    ("calls saved", lambda report: number(report["calls_saved"])),
    ("  exact", lambda report: number(report["hits"]["exact"])),
    ("  semantic", lambda report: number(report["hits"]["semantic"])),
    ("  in flight", lambda report: number(report["hits"]["inflight"])),
    ("hit rate", lambda report: rate(report["hit_rate"])),
    ("asked without matching", lambda report: number(sum(report["unmatched"].values()))),
    ("waited for a slow server", lambda report: number(report["waited"])),
    ("wrong hits reported", lambda report: number(report["wrong_hits"])),
    ("failed questions", lambda report: number(report["failed"])),
    ("cancelled questions", lambda report: number(report["cancelled"])),
    ("tokens in", lambda report: number(report["tokens"]["input"])),
    ("  read from the provider's cache", lambda report: number(report["tokens"]["cached"])),
    ("tokens out", lambda report: number(report["tokens"]["output"])),
    ("tokens saved", lambda report: number(sum(report["tokens_saved"].values()))),
)
