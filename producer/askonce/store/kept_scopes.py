"""Tracks which scopes this process has stored in Redis: each is written once, and again after half its lifetime."""

import time
from collections import OrderedDict
from collections.abc import Callable

from askonce.contract.scope_record import scope_record
from askonce.question import Question
from askonce.store.scripts import Script

KEEP_SCOPES = Script("askonce", "keep_scopes")
REMEMBERED = 4096
CONVERSATION = 3600.0
"""Maximum seconds for which a conversation's scope is kept, because each turn has its own."""


class KeptScopes:
    """clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    def note(self, question: Question, ttl: float) -> list[str | bytes | int]:
        """The arguments of keep_scopes.lua for this question's scope; empty if it is already kept. ttl: seconds for
        which an answer of this scope is kept."""
        scope, now = question.scope, self._clock()
        seconds = min(ttl, CONVERSATION) if question.history or question.messages is not None else ttl
        if self._until.get(scope, 0.0) > now + seconds / 2:
            return []
        self._until[scope] = now + seconds
        self._until.move_to_end(scope)
        if len(self._until) > REMEMBERED:
            self._until.popitem(last=False)
        return [scope, scope_record(question), max(1000, int(seconds * 1000))]
