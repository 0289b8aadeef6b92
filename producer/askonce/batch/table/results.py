"""What came of each row, out of the output and the error file of a batch."""

from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from askonce.batch.table.added import FACTS, cells_of
from askonce.contract.completion import verdict
from askonce.prices.load import Prices, cost_of_reply
from askonce.prices.money import from_nano
from askonce.readable import message_text
from askonce.replies.shapes import messages_of
from askonce.schemas.columns import Columns

Added = dict[str, Any]
"""The cells that the output adds to a row."""


class Results:
    """Found by the number of a row, in any order: eight bytes of memory for each.

    Args:
        paths: The output and the error file.
        asked: The model of rows whose reply names none that has a price.
        answers: The columns of what is answered.
    """

    def __init__(self, paths: tuple[Path, Path], prices: Prices, asked: str, answers: Columns) -> None:
        self._prices = prices
        self._asked = asked
        self._answers = answers
        self._none: Added = dict.fromkeys((*answers, *FACTS))
        self._places = array("q")
        self._closing = ExitStack()
        self._files: list[BinaryIO] = [self._closing.enter_context(path.open("rb")) for path in paths]
        for index, file in enumerate(self._files):
            for number, place in _records(file):
                if number >= len(self._places):
                    self._places.extend([-1] * (number + 1024 - len(self._places)))
                self._places[number] = place * 2 + index

    def of(self, number: int) -> Added:
        """Raises ValueError for a row that has no record."""
        place = self._places[number] if number < len(self._places) else -1
        if place < 0:
            raise ValueError(f"row {number} has no answer on disk: --restart starts over")
        file = self._files[place % 2]
        file.seek(place // 2)
        return self._added(orjson.loads(file.readline()))

    def _added(self, record: dict[str, Any]) -> Added:
        facts, response, error = record["askonce"], record["response"], record["error"]
        if error is None and response["status_code"] != 200:
            error = response["body"]["error"]
        if error is not None:
            return {**self._none, "error": f"{facts['kind']}: {error.get('message')}", "cost": facts.get("cost", 0.0)}
        text = message_text(next(iter(messages_of(response["body"])), {}))
        return {
            **self._none,
            **cells_of(text, self._answers),
            "source": facts["source"],
            "similarity": facts["similarity"],
            "error": None if (found := verdict(response["body"]).value) == "good" else found,
            "cost": self._cost(facts, response["body"]),
        }

    def _cost(self, facts: dict[str, Any], body: dict[str, Any]) -> float | None:
        """Of the call that this row made; None where its model has no price."""
        if not facts["billed"]:
            return 0.0
        if "cost" in facts and not self._prices.own:
            return float(facts["cost"])
        cost = cost_of_reply(self._prices, body, self._asked, tier=facts.get("tier"))
        return None if cost is None else from_nano(cost)

    def close(self) -> None:
        self._closing.close()


def _records(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """The row's number and the place of each record."""
    place = 0
    for line in file:
        yield orjson.loads(line)["askonce"]["line"], place
        place += len(line)
