"""The columns the output adds to the input's: the answer, and how each row got it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from askonce.contract.completion import verdict
from askonce.prices.load import Prices, cost_of_reply
from askonce.prices.money import from_nano
from askonce.readable import message_text
from askonce.replies.shapes import messages_of
from askonce.schemas.columns import Columns, columns_of
from askonce.schemas.reading import answer_value

ANSWER: Columns = {"answer": "text"}
FACTS: Columns = {"source": "text", "similarity": "number", "error": "text", "cost": "number"}

Added = dict[str, Any]
"""The cells the output adds to a row."""


@dataclass(frozen=True, slots=True)
class Adding:
    """Turns the records of a batch's output into cells of their rows.

    Attributes:
        answers: The columns of the answer.
        asked: The model used for pricing if the reply names none with a price.
    """

    answers: Columns
    prices: Prices
    asked: str

    @property
    def columns(self) -> Columns:
        return {**self.answers, **FACTS}

    def cells(self, record: dict[str, Any]) -> Added:
        """The cells for a record's row."""
        facts, response, error = record["askonce"], record["response"], record["error"]
        none: Added = dict.fromkeys(self.columns)
        if error is None and response["status_code"] != 200:
            error = response["body"]["error"]
        if error is not None:
            return {**none, "error": f"{facts['kind']}: {error.get('message')}", "cost": facts.get("cost", 0.0)}
        text = message_text(next(iter(messages_of(response["body"])), {}))
        return {
            **none,
            **cells_of(text, self.answers),
            "source": facts["source"],
            "similarity": facts["similarity"],
            "error": None if (found := verdict(response["body"]).value) == "good" else found,
            "cost": self._cost(facts, response["body"]),
        }

    def _cost(self, facts: dict[str, Any], body: dict[str, Any]) -> float | None:
        """The cost of the call this row made; None if its model has no price."""
        if not facts["billed"]:
            return 0.0
        if "cost" in facts and not self.prices.own:
            return float(facts["cost"])
        cost = cost_of_reply(self.prices, body, self.asked, tier=facts.get("tier"))
        return None if cost is None else from_nano(cost)


def answer_columns(schema: Mapping[str, Any] | None, option: str = "--schema") -> Columns:
    """`answer`, or the schema's properties instead. Raises ValueError. option: its name in messages."""
    if schema is None:
        return ANSWER
    columns = columns_of(schema)
    taken = next((name for name in columns if name in FACTS), None)
    if taken is not None:
        raise ValueError(f"{option}: the output has a column {taken} of its own: rename the property")
    return columns


def cells_of(text: str | None, columns: Columns) -> dict[str, Any]:
    """The answer's values for the columns; none if it does not fit the schema."""
    if columns is ANSWER:
        return {"answer": text}
    try:
        found = answer_value(text or "")
    except ValueError:  # the provider broke it off
        return {}
    return {name: found.get(name) for name in columns} if isinstance(found, dict) else {}


def refuse_taken(answers: Columns, columns: Collection[str], what: str) -> None:
    """Raises ValueError if the output would have two columns of the same name. what: what has the columns."""
    taken = next((name for name in (*answers, *FACTS) if name in columns), None)
    if taken is not None:
        raise ValueError(f"{what} has a column {taken} already, which the output adds: rename it")
