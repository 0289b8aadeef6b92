"""Asks one part, which has a few seconds to answer."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from askonce_worker.check import advice as why
from askonce_worker.check.finding import Finding

TIMEOUT = 5.0
"""Seconds for each part to answer."""


async def answer(part: str, configured: str, ask: Callable[[], Awaitable[Finding]], advice: str) -> Finding:
    """What `ask` found, or a failed finding. Never raises. advice: used if the part does not respond at all."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await ask()
    except TimeoutError:
        return Finding(part, configured, f"no answer within {TIMEOUT:.0f} s", ok=False, advice=advice)
    except Exception as error:  # noqa: BLE001 - Qdrant's client passes on the errors of its transports
        return Finding(part, configured, why.reason(error), ok=False, advice=why.advice(error, advice))


def redacted(url: str | None) -> str:
    """A URL without user, passwords and options. A Sentinel URL has several hosts."""
    if not url:
        return "not set"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
