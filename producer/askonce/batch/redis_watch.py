"""Reports when Redis becomes unreachable while a run waits for answers, and when it is back."""

import asyncio
from collections.abc import Awaitable, Callable

from askonce.errors import AskOnceError

QUIET = 3.0
"""Seconds without an answer after which Redis is probed."""
PATIENCE = 2.0
"""Seconds to wait for its reply."""
AWAY = "Redis does not answer; waiting for up to a minute. The same command continues from here"
BACK = "Redis answers again"


class RedisWatch:
    """Probes Redis when no answers arrive.

    Args:
        look: Any call to Redis; its result is ignored.
        note: Shows the user a message.
    """

    def __init__(self, look: Callable[[], Awaitable[object]], note: Callable[[str], None]) -> None:
        self._look = look
        self._note = note
        self._heard = asyncio.get_running_loop().time()
        self._away = False

    def heard(self) -> None:
        """An answer has arrived."""
        self._heard = asyncio.get_running_loop().time()
        self._is_away(False)

    async def check(self) -> None:
        """Probes, unless an answer arrived recently."""
        if asyncio.get_running_loop().time() - self._heard < QUIET:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._look()
        except (AskOnceError, TimeoutError):
            self._is_away(True)
        else:
            self._is_away(False)

    def _is_away(self, away: bool) -> None:
        if away != self._away:
            self._away = away
            self._note(AWAY if away else BACK)
