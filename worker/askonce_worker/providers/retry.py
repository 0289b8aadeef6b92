"""When to retry at a provider, and after how long. Pure: no I/O, no clock, no randomness."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_balance",
        "payment_required",
    }
)
RATE_CODES = frozenset(
    {"rate_limit_exceeded", "rate_limit_error", "rate_limited", "resource_exhausted", "too_many_requests"}
)
REQUEST_CODES = frozenset(
    {
        "invalid_request_error", "invalid_argument", "invalid_api_key", "badrequesterror", "bad_request", "not_found",
        "not_found_error", "notfounderror", "model_not_found", "authentication_error", "permission_denied",
        "context_length_exceeded", "content_filter", "failed_precondition", "unauthenticated",
        "invalid_prompt", "bio_policy", "misalignment_policy_violation", "data_residency_mismatch", "invalid_image",
        "invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large", "image_too_small",
        "image_parse_error", "image_content_policy_violation", "invalid_image_mode", "image_file_too_large",
        "unsupported_image_media_type", "empty_image_file", "image_file_not_found",
    }
)  # fmt: skip
"""What providers call their errors, in lower case: `code`, `type` or `status` of the error object."""
RETRIED_STATUSES = frozenset({408, 409, 429})
LONGEST_PAUSE = 600.0
"""Seconds. A provider that asks for more is asked again after this time."""
KINDS = {402: "quota", 408: "timeout", 429: "rate_limit"}


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """Whether a failed request is worth repeating. kind: as in `LLMError`. final: asking again would not help."""

    kind: str
    final: bool


def judge_status(status: int, *codes: str | None) -> RetryDecision:
    """Decides on a reply other than 2xx. codes: the provider's names for the error, such as `insufficient_quota`."""
    if not QUOTA_CODES.isdisjoint(code.lower() for code in codes if code):
        return RetryDecision("quota", final=True)
    if status >= 500:
        return RetryDecision("server_error", final=False)
    return RetryDecision(KINDS.get(status, "bad_request"), final=status not in RETRIED_STATUSES)


def judge_error(codes: Sequence[str]) -> RetryDecision:
    """Decides on an error object that came with a success status, by its own code and type.

    Routers answer 200 before the model has finished. A code that is an HTTP status counts as that status. An error
    of an unknown name is the server's.
    """
    for code in codes:
        if code.isdecimal() and 400 <= int(code) < 600:
            return judge_status(int(code), *codes)
    names = {code.lower() for code in codes}
    if not names.isdisjoint(QUOTA_CODES):
        return RetryDecision("quota", final=True)
    if not names.isdisjoint(RATE_CODES):
        return RetryDecision("rate_limit", final=False)
    if not names.isdisjoint(REQUEST_CODES):
        return RetryDecision("bad_request", final=True)
    return RetryDecision("server_error", final=False)


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds the provider asks us to wait, from `retry-after-ms` or `Retry-After` (RFC 9110, 10.2.3), else None.

    headers: lower-case names. now: Unix time. A date is compared with the reply's own `date` header if there is one:
    then the two clocks need not agree.
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

    The provider's own pause is obeyed. Up to `least` is added, so that the callers do not return all at once.
    See M. Brooker, "Exponential Backoff And Jitter". The factor is 4: five tries that only double give up within ten
    seconds. put_offs: how often a provider may name a time to come back before that counts as a failure.
    """

    random: Callable[[], float]
    tries: int = 5
    put_offs: int = 100
    least: float = 0.5
    most: float = 30.0
    factor: float = 4.0

    def pause(self, tried: int, asked: float | None) -> float:
        """Seconds until the next try. tried: the tries so far. asked: the provider's Retry-After."""
        if asked:
            return min(asked, LONGEST_PAUSE) + self.least * self.random()
        ceiling = min(self.most, self.least * self.factor**tried)
        return self.least + (ceiling - self.least) * self.random()
