"""How much looking at an answer may take: schemas of a few lines exist for which it would take for ever."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Check = Callable[[Any, Any, Any, Any], Iterator[Any] | None]
"""What a keyword of JSON Schema does: of a validator, the keyword's value, an instance and the schema around."""

MEMBERS = 8
"""Of a keyword's value, or of what it looks at, that take a step: most are told by a look into a table."""
REPR = 64
"""Characters of an instance that cost one step to write into an error."""


class TooMuchWork(Exception):
    """More steps than there were."""


class Work:
    """Steps: one for each keyword that looks at a value, and more for one with many members."""

    def __init__(self) -> None:
        self._left = 0
        self._error = 0

    def begin(self, steps: int, characters: int) -> None:
        """characters: of the whole instance."""
        self._left, self._error = steps, characters // REPR

    def counted(self, checks: Mapping[str, Check]) -> dict[str, Check]:
        """The same keywords, which take their steps."""
        return {name: self._counted(check) for name, check in checks.items()}

    def _counted(self, check: Check) -> Check:
        def looked(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
            self._take(1 + (_members(value) + _members(instance)) // MEMBERS)
            for error in check(validator, value, instance, schema) or ():
                self._take(self._error)
                yield error

        return looked

    def _take(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise TooMuchWork


def _members(value: Any) -> int:
    return len(value) if isinstance(value, dict | list) else 0
