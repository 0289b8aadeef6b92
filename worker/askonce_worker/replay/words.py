"""The report in sentences, for the terminal and the page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from askonce.prices.money import amount
from askonce_worker.evaluate.tables import number

Record = Mapping[str, Any]


def money(value: float, currency: str) -> str:
    return f"{amount(value)} {currency}"


def percent(share: float) -> str:
    return f"{number(share)} %"


def interval(judged: Record) -> str:
    return f"{percent(judged['share'])} ({number(judged['low'])} to {number(judged['high'])})"


def sentences(report: Record) -> Iterator[str]:
    """The findings, most important first."""
    total, log, currency = report["total"], report["log"], report["currency"]
    played = f"{counted(log['played'], 'call')}{_span(log)}"
    yield f"{played}: {percent(total['hit_rate'])} would have been answered without the LLM"
    if total["spent"]:
        yield (
            f"{money(total['saved'], currency)} of {money(total['spent'], currency)} saved"
            f" ({percent(total['saved'] / total['spent'])}); {_tiers(total, currency)}"
        )
    yield _wrong(report)
    if total["repeats"]["judged"]:
        yield f"the model itself answers {interval(total['repeats'])} of repeated questions differently"
    if total["latency"]:
        yield _waiting(total["latency"])


def counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def most_of(rows: Sequence[Record], shown: int) -> str:
    """Which of the groups a table shows; nothing if it shows all."""
    return f", the {shown} with the most calls" if len(rows) > shown else ""


def paid(row: Record, name: str) -> str:
    """A sum of money; a dash if no call of the group has a price."""
    return "–" if row["calls_without_price"] == row["calls"] else amount(row[name])


def lasting(seconds: float) -> str:
    """A duration in the largest unit in which it is at least 1, or in seconds."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"


def _span(log: Record) -> str:
    if not log["first"]:
        return ""
    first, last = log["first"][:10], log["last"][:10]
    return f" on {first}" if first == last else f" from {first} to {last}"


def _tiers(total: Record, currency: str) -> str:
    asked = total["spent"] - total["saved"]
    flex, batch = total["misses_at_flex"], total["misses_at_batch"]
    return f"the rest, {money(asked, currency)}, costs {amount(flex)} at flex and {amount(batch)} as batches"


def _wrong(report: Record) -> str:
    wrong, threshold = report["total"]["wrong"], report["rules"]["threshold"]
    if threshold is None:
        return "exact matches only: none of these is another question's answer"
    if not wrong["matches"]:
        return f"no question was answered by a similar one at {threshold:.4g}"
    if not wrong["judged"]:
        return f"{wrong['matches']:,} were answered by a similar question; none of these could be judged"
    matches, judged = f"{wrong['matches']:,}", f"{wrong['judged']:,}"
    return (
        f"{matches} were answered by a similar question, {interval(wrong)} of them wrongly, judging by {judged} answers"
    )


def _waiting(latency: Record) -> str:
    took = f"calls took {latency['p50']:.2g} s (median) and {latency['p95']:.2g} s (95 %)"
    return f"{took}: {lasting(latency['saved'])} of {lasting(latency['waited'])} of waiting would have been saved"


def remarks(report: Record) -> Iterator[str]:
    """The limits of the figures."""
    yield from _of_the_log(report["log"])
    yield from _of_times(report["log"], report["total"])
    unpriced, without, rules = (
        report["total"]["calls_without_price"],
        report["questions_without_vector"],
        report["rules"],
    )
    if unpriced:
        yield f"not included in the costs, for lack of a price or a logged cost: {counted(unpriced, 'call')}"
    if without:
        yield f"{without:,} questions have no vector and were only matched exactly"
    if rules["threshold"] is None:
        yield "exact matches only: --exact, or no threshold is known for the embedding model"


def _of_the_log(log: Record) -> Iterator[str]:
    if not log["complete"]:
        yield f"interrupted: only {log['played']:,} calls were played"
    if log["malformed"]:
        yield f"{sum(log['malformed'].values()):,} malformed rows: {_counted(log['malformed'])}"
    if log["left_out"]:
        yield f"{sum(log['left_out'].values()):,} rows left out: {_counted(log['left_out'])}"


def _of_times(log: Record, total: Record) -> Iterator[str]:
    if log["first"] is None:
        yield "the log has no times: it was played in its own order, and nothing expires or joins a call in flight"
        return
    if not total["latency"]:
        yield "the log has no latencies: nothing joins a call in flight"
    if not log["in_order"]:
        yield "the log was not in chronological order and was sorted"


def _counted(reasons: Mapping[str, int]) -> str:
    largest = sorted(reasons.items(), key=lambda each: -each[1])
    shown = "; ".join(f"{count:,} {reason}" for reason, count in largest[:3])
    return shown if len(largest) <= 3 else f"{shown}; …"
