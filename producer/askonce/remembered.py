"""A property that is worked out once."""

from collections.abc import Callable
from typing import Generic, Self, TypeVar, overload

T = TypeVar("T")


class Remembered(Generic[T]):
    """`cached_property` of a text, without its lock, which takes longer than the work on Python 3.11."""

    def __init__(self, work: Callable[[T], str]) -> None:
        self._work, self._name = work, work.__name__
        self.__doc__ = work.__doc__

    @overload
    def __get__(self, of: None, owner: type) -> Self: ...
    @overload
    def __get__(self, of: T, owner: type) -> str: ...
    def __get__(self, of: T | None, owner: type) -> Self | str:
        if of is None:
            return self
        found = of.__dict__[self._name] = self._work(of)
        return found
