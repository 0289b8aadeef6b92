"""When to ask a provider again, and after how long. Pure: no I/O, no clock, no randomness of its own."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
RETRIED_STATUSES = frozenset({408, 409, 429})
LONGEST_PAUSE = 600.0
"""Seconds. A provider that asks for more is asked again after so long."""
KINDS = {402: "quota", 408: "timeout", 429: "rate_limit"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """kind: as in `LLMError`. final: asking again would not help."""

    kind: str
    final: bool


def judge_status(status: int, code: str | None) -> Verdict:
    """What a reply other than 2xx means. code: the provider's word for it, such as `insufficient_quota`."""
    if code in QUOTA_CODES:
        return Verdict("quota", final=True)
    if status >= 500:
        return Verdict("server_error", final=False)
    return Verdict(KINDS.get(status, "bad_request"), final=status not in RETRIED_STATUSES)


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds the provider asks us to wait, from `retry-after-ms` or `Retry-After` (RFC 9110, 10.2.3), else None.

    headers: lower-case names. now: Unix time; a date is compared with the reply's own `date` where it has one, so that
    the two clocks need not agree.
    """
    millis = _number(headers.get("retry-after-ms"))
    if millis is not None:
        return millis / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    until = _http_date(value)
    if until is None:
        return None
    since = _http_date(headers.get("date"))
    return max(0.0, until - (now if since is None else since))


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _http_date(value: str | None) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value is not None else None
    except (ValueError, OverflowError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: after the n-th try a pause between `least` and `least * factor**n`, at most `most` seconds.

    What the provider asks for is obeyed, plus at most `least`, so that not all come back at once.
    (M. Brooker, "Exponential Backoff And Jitter". A factor of 4, since five tries that only double give up within ten
    seconds.) put_offs: how often a provider may say when to come back before that counts as a failure too.
    """

    random: Callable[[], float]
    tries: int = 5
    put_offs: int = 100
    least: float = 0.5
    most: float = 30.0
    factor: float = 4.0

    def pause(self, tried: int, asked: float | None) -> float:
        """Seconds until the next try. tried: how often it has been tried. asked: the provider's Retry-After."""
        if asked:
            return min(asked, LONGEST_PAUSE) + self.least * self.random()
        ceiling = min(self.most, self.least * self.factor**tried)
        return self.least + (ceiling - self.least) * self.random()
