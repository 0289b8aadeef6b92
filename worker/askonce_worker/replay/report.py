"""The JSON report of a replay: shares of 1, money in the currency of the prices, times in seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from askonce.prices.money import from_nano
from askonce_worker.evaluate.figures import wilson
from askonce_worker.replay.money import TIERS
from askonce_worker.replay.reading import ReadLog
from askonce_worker.replay.sums import Sums
from askonce_worker.replay.tally import Judged, Tally
from askonce_worker.replay.world import Kind

VERSION = 1
MOST_GROUPS = 50
"""Models, templates and namespaces in the report: those with the most calls."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that applied. model: the embedding model. thresholds: one per world; main: index of the configured one.
    templates: as people write them."""

    model: str
    thresholds: Sequence[float]
    main: int
    ttl: float
    templates: Sequence[str]


@dataclass(frozen=True, slots=True)
class Run:
    """files: the log's names. complete: False if it was interrupted. without: number of distinct questions without a
    vector. embedded: number of texts sent to the embedding model."""

    files: Sequence[str]
    complete: bool
    in_order: bool
    without: int
    embedded: int
    currency: str


def report(run: Run, read: ReadLog, sums: Sums, rules: Rules, pairs: Sequence[Record]) -> Record:
    return {
        "version": VERSION,
        "log": _log(run, read, sums),
        "rules": {
            "embedding_model": rules.model if rules.thresholds else None,
            "threshold": rules.thresholds[rules.main] if rules.thresholds else None,
            "cache_ttl": rules.ttl if sums.span is not None else None,
            "templates": list(rules.templates),
        },
        "currency": run.currency,
        "total": _tally(sums.total, rules.main),
        "thresholds": _thresholds(sums.total, rules),
        **{f"{name}s": _groups(groups, rules.main) for name, groups in sums.groups.items()},
        "ages": [{"age": name, **_short(tally)} for name, tally in sums.ages.items()],
        "growth": [_bucket(sums, at, tally) for at, tally in sorted(sums.buckets.items())],
        "questions_without_vector": run.without,
        "texts_embedded": run.embedded,
        "riskiest": list(pairs),
    }


def _log(run: Run, read: ReadLog, sums: Sums) -> Record:
    return {
        "files": list(run.files),
        "formats": dict(read.formats),
        "rows": read.rows,
        "calls": read.calls,
        "replies": read.replies,
        "left_out": dict(read.left_out),
        "malformed": dict(read.bad),
        "examples": read.examples,
        "complete": run.complete,
        "played": sums.total.calls,
        "in_order": run.in_order,
        "first": _moment(sums.span, 0),
        "last": _moment(sums.span, 1),
    }


def _moment(span: tuple[float, float] | None, at: int) -> str | None:
    return None if span is None else datetime.fromtimestamp(span[at], UTC).isoformat(timespec="seconds")


def _short(tally: Tally) -> Record:
    return {
        "calls": tally.calls,
        "exact": tally.kinds[Kind.exact],
        "semantic": tally.kinds[Kind.semantic],
        "inflight": tally.kinds[Kind.inflight],
        "misses": tally.kinds[Kind.miss],
        "hit_rate": tally.hits / tally.calls if tally.calls else 0.0,
        "spent": from_nano(tally.spent),
        "saved": from_nano(tally.saved),
    }


def _tally(tally: Tally, main: int) -> Record:
    by_tier = tally.by_tier or [0] * len(TIERS)
    return {
        **_short(tally),
        **{f"misses_at_{tier}": from_nano(cost) for tier, cost in zip(TIERS, by_tier, strict=True)},
        "calls_without_price": tally.unpriced,
        "wrong": _judged(tally.judged_at[main], tally.matched_at[main], tally.calls),
        "repeats": _judged(tally.repeats, tally.hits - tally.matched_at[main], tally.calls),
        "latency": _latency(tally),
    }


def _latency(tally: Tally) -> Record | None:
    if not tally.timed:
        return None
    return {
        "calls": tally.timed,
        "p50": tally.latencies.quantile(0.5),
        "p95": tally.latencies.quantile(0.95),
        "waited": tally.seconds,
        "saved": tally.seconds_saved,
    }


def _judged(judged: Judged, matches: int, calls: int) -> Record:
    """share, low, high: of the matches; None if none could be judged. of_calls: the same as shares of all calls."""
    share = judged.wrong / judged.matches if judged.matches else None
    low, high = wilson(judged.wrong, judged.matches)
    part = matches / calls if calls else 0.0
    return {
        "matches": matches,
        "judged": judged.matches,
        "wrong": judged.wrong,
        "share": share,
        "low": None if share is None else low,
        "high": None if share is None else high,
        "of_calls": None if share is None else [share * part, low * part, high * part],
    }


def _thresholds(tally: Tally, rules: Rules) -> list[Record]:
    return [
        {
            "threshold": threshold,
            "configured": at == rules.main,
            "hits": tally.hits_at[at],
            "hit_rate": tally.hits_at[at] / tally.calls if tally.calls else 0.0,
            "wrong": _judged(tally.judged_at[at], tally.matched_at[at], tally.calls),
        }
        for at, threshold in enumerate(rules.thresholds)
    ]


def _groups(groups: Mapping[str, Tally], main: int) -> list[Record]:
    largest = sorted(groups.items(), key=lambda each: -each[1].calls)[:MOST_GROUPS]
    return [{"name": name, **_tally(tally, main)} for name, tally in largest]


def _bucket(sums: Sums, at: int, tally: Tally) -> Record:
    start = sums.bucket_start(at)
    moment = _moment((start, start), 0) if sums.span is not None else None
    return {"from": moment, "after_calls": None if moment else round(start), **_short(tally)}
