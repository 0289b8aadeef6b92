"""Flat replies of Redis as rows with named fields."""

from collections.abc import Sequence
from typing import Any, TypeVar

R = TypeVar("R", bound=tuple[Any, ...])


def rows(kind: type[R], reply: Sequence[Any]) -> list[R]:
    """The rows in a reply that holds them one after the other.

    Args:
        kind: A NamedTuple. As many values in turn as it has fields make a row.
        reply: Of `ZRANGE ... WITHSCORES`, `HGETALL` and such, or of a pipeline that asks the same of several keys.
    """
    width = len(kind.__annotations__)
    return [kind(*reply[at : at + width]) for at in range(0, len(reply), width)]
