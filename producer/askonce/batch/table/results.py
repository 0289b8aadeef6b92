"""The result of each row, from the output and the error file of a batch."""

from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import orjson

from askonce.batch.table.added import Added, Adding


class Results:
    """Results by row number, in any order, with eight bytes of memory per row.

    Args:
        paths: The output and the error file.
        adding: Turns a record into cells.
    """

    def __init__(self, paths: tuple[Path, Path], adding: Adding) -> None:
        self._adding = adding
        self._places = array("q")
        self._closing = ExitStack()
        self._files: list[BinaryIO] = [self._closing.enter_context(path.open("rb")) for path in paths]
        for index, file in enumerate(self._files):
            for number, place in _records(file):
                if number >= len(self._places):
                    self._places.extend([-1] * (number + 1024 - len(self._places)))
                self._places[number] = place * 2 + index

    def of(self, number: int) -> Added:
        """The cells of a row. Raises ValueError if it has no record."""
        place = self._places[number] if number < len(self._places) else -1
        if place < 0:
            raise ValueError(f"row {number} has no answer on disk: --restart starts over")
        file = self._files[place % 2]
        file.seek(place // 2)
        return self._adding.cells(orjson.loads(file.readline()))

    def close(self) -> None:
        self._closing.close()


def _records(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """The row number and offset of each record."""
    place = 0
    for line in file:
        yield orjson.loads(line)["askonce"]["line"], place
        place += len(line)
