"""Says when Redis is away while a run waits for answers, and when it is back."""

import asyncio
from collections.abc import Awaitable, Callable

from askonce.errors import AskOnceError

QUIET = 3.0
"""Seconds without an answer after which Redis is looked at."""
PATIENCE = 2.0
"""Seconds for which its reply is waited for."""
AWAY = "Redis does not answer; waiting for up to a minute. The same command continues from here"
BACK = "Redis answers again"


class RedisWatch:
    """Looks at Redis when nothing comes in.

    Args:
        look: Any call to Redis; what it returns does not matter.
        note: Tells a person something.
    """

    def __init__(self, look: Callable[[], Awaitable[object]], note: Callable[[str], None]) -> None:
        self._look = look
        self._note = note
        self._heard = asyncio.get_running_loop().time()
        self._away = False

    def heard(self) -> None:
        """An answer has come in."""
        self._heard = asyncio.get_running_loop().time()
        self._is_away(False)

    async def check(self) -> None:
        """Looks, unless an answer has come in of late."""
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
