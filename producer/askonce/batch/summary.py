"""The report at the end of a run, as a table or JSON, and what to do next."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from askonce.batch.totals import MALFORMED, SOURCES, RunTotals, TokenCount
from askonce.contract.unmatched import Unmatched
from askonce.prices.money import amount

FLAWS = {
    "truncated": "{} answers are truncated (not cached): allow more tokens by max_tokens or max_completion_tokens",
    "empty": "{} answers are empty (not cached)",
    "refused": "{} answers are refusals of the model (not cached)",
}
NOT_IN_BATCHES = (
    "{} LLM calls were not paid in the tier batch: the deadline was near, no batch had an answer, "
    "or the provider has no batches"
)
REASONS = {
    Unmatched.EMBEDDINGS_SLOW: "the embedding server is too slow for it; fewer at once (--in-flight) may help",
    Unmatched.EMBEDDINGS_DOWN: "the embedding server failed, or could not be reached",
    Unmatched.EMBEDDINGS_REFUSED: "the embedding server refused their texts",
    Unmatched.EMBEDDINGS_IDENTICAL: "the embedding server gives different texts the same vector",
    Unmatched.TOO_LONG: "their texts are longer than SEMANTIC_MAX_CHARS, and no template was found",
    Unmatched.QDRANT_DOWN: "Qdrant failed, or could not be reached",
    Unmatched.QDRANT_SLOW: "Qdrant is too slow for it",
    Unmatched.QDRANT_REFUSED: "Qdrant refuses; `askonce-worker check` says why",
}


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended.

    Attributes:
        totals: Counts of all lines that are done, earlier starts included.
        seconds: Of this start.
        hint: What to do about a model without a price.
        errors_file: The file of failed lines.
        retry: The command that runs the failed lines again. None if the input is a stream, which cannot be read again.
        stopped: Why some lines were not asked.
        tier: The tier requested for the calls.
        retried: How many lines `--retry-failed` ran again; None without it.
    """

    totals: RunTotals
    seconds: float
    currency: str
    hint: str
    errors_file: str
    retry: str | None
    retried: int | None = None
    stopped: str | None = None
    tier: str | None = None

    def record(self) -> dict[str, Any]:
        """For `--json`."""
        totals = self.totals
        return {
            "lines": totals.done,
            "answered": totals.answered,
            "failed": totals.failed,
            "sources": {source: totals.sources[source] for source in SOURCES},
            "errors": dict(totals.errors),
            "not_cached": dict(totals.flaws),
            "unmatched": dict(totals.unmatched),
            "waited": totals.waited.total(),
            "llm_calls": totals.sources["llm"],
            "tiers": dict(totals.tiers),
            "calls_saved": totals.calls_saved,
            "spent": _account(totals.spent, self.currency),
            "saved": _account(totals.saved, self.currency),
            "models_without_price": sorted(totals.unpriced),
            "retried": self.retried,
            "stopped": self.stopped,
            "errors_file": self.errors_file if totals.failed else None,
            "seconds": round(self.seconds, 3),
        }

    def table(self) -> str:
        totals = self.totals
        rows = [("lines", f"{totals.done:,}"), ("answered", f"{totals.answered:,}")]
        rows += [(f"  {source}", f"{totals.sources[source]:,}") for source in SOURCES]
        rows += [("failed", f"{totals.failed:,}")]
        rows += [(f"  {code}", f"{count:,}") for code, count in totals.errors.most_common()]
        rows += [(flaw, f"{count:,}") for flaw, count in totals.flaws.most_common()]
        if totals.unmatched:
            rows.append(("without matching", f"{totals.unmatched.total():,}"))
        rows += [("LLM calls saved", f"{totals.calls_saved:,}")]
        for name, tokens in (("spent", totals.spent), ("saved", totals.saved)):
            rows.append((f"tokens {name}", f"{tokens.total:,}"))
            if tokens.cached and name == "spent":
                rows.append(("  read from cache", f"{tokens.cached:,}"))
            if tokens.cost:
                rows.append((f"money {name}", money(tokens.cost, self.currency)))
        rows.append(("time", f"{self.seconds:.1f} s"))
        return "\n".join(f"{name:<18} {value:>14}" for name, value in rows)

    def notes(self) -> Iterator[str]:
        """What the user should know or do, one line each."""
        totals = self.totals
        if self.stopped is not None:
            yield self.stopped
        if self.retried is not None:
            left = min(totals.failed, self.retried)
            yield f"{self.retried:,} failed lines were run again: {self.retried - left:,} are answered, {left:,} failed"
        if totals.failed:
            yield f"{totals.failed:,} failed lines are in {self.errors_file}"
            yield from self._next_steps()
        for flaw, count in totals.flaws.items():
            yield FLAWS.get(flaw, f"{{}} answers are {flaw}").format(f"{count:,}")
        for reason, count in totals.unmatched.items():
            why = next((words for known, words in REASONS.items() if known == reason), reason)
            yield f"{count:,} questions were asked without matching: {why}"
        if totals.waited:
            yield f"{totals.waited.total():,} questions waited for a slow embedding server or Qdrant"
        yield from self._not_in_batches()
        if totals.unpriced:
            yield f"no price is known of {', '.join(sorted(totals.unpriced))}: money leaves it out; {self.hint}"

    def _not_in_batches(self) -> Iterator[str]:
        others = self.totals.tiers.total() - self.totals.tiers["batch"]
        if self.tier == "batch" and others:
            yield NOT_IN_BATCHES.format(f"{others:,}")

    def _next_steps(self) -> Iterator[str]:
        malformed = self.totals.errors[MALFORMED]
        if self.totals.failed > malformed and self.retry:
            yield f"run them again: {self.retry}"
        if malformed:
            yield f"{malformed:,} lines are malformed: fix them, and add --restart (answers come from the cache)"


def money(cost: float, currency: str) -> str:
    return f"{amount(cost)} {currency}"


def _account(tokens: TokenCount, currency: str) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens.prompt,
        "cached_tokens": tokens.cached,
        "completion_tokens": tokens.completion,
        "cost": round(tokens.cost, 6),
        "currency": currency,
    }
