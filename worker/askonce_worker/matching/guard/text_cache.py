"""A least-recently-used cache by text, filled for many texts at once."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class TextCache(Generic[T]):
    """work_out: computes the values of many texts at once. most: texts that are cached; the least recently used go
    first."""

    def __init__(self, work_out: Callable[[Sequence[str]], Sequence[T]], most: int) -> None:
        self._work_out = work_out
        self._most = most
        self._known: OrderedDict[str, T] = OrderedDict()

    def of(self, text: str) -> T:
        known = self._known.pop(text, None)
        if known is None:
            [known] = self._work_out([text])
        self._add(text, known)
        return known

    def learn(self, texts: Iterable[str]) -> None:
        """Compute the values of texts that `of` will be called with."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for text, found in zip(new, self._work_out(new), strict=True):
            self._add(text, found)

    def _add(self, text: str, found: T) -> None:
        self._known[text] = found
        if len(self._known) > self._most:
            self._known.popitem(last=False)
