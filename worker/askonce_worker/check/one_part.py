"""One part's answer within a few seconds, or why there is none."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from askonce_worker.check import advice as why
from askonce_worker.check.finding import Finding

TIMEOUT = 5.0
"""Seconds for each part to answer."""


async def answer(part: str, configured: str, ask: Callable[[], Awaitable[Finding]], advice: str) -> Finding:
    """What `ask` found, or a failed finding. Never raises. advice: for a part that does not answer at all."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await ask()
    except TimeoutError:
        return Finding(part, configured, f"no answer within {TIMEOUT:.0f} s", ok=False, advice=advice)
    except Exception as error:  # noqa: BLE001 - Qdrant's client lets its transports' errors through
        return Finding(part, configured, why.reason(error), ok=False, advice=why.advice(error, advice))


def redacted(url: str | None) -> str:
    """A URL without its user, its passwords and its options; a Sentinel URL names several hosts."""
    if not url:
        return "not set"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
