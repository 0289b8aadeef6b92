"""The columns that the output adds to those of the input: what was answered, and how each row came to that."""

from collections.abc import Mapping
from typing import Any

from askonce.json_values import loads
from askonce.schemas.columns import Columns, columns_of

ANSWER: Columns = {"answer": "text"}
FACTS: Columns = {"source": "text", "similarity": "number", "error": "text", "cost": "number"}


def answer_columns(schema: Mapping[str, Any] | None) -> Columns:
    """`answer`, or the properties of the schema in its place. Raises ValueError."""
    if schema is None:
        return ANSWER
    columns = columns_of(schema)
    taken = next((name for name in columns if name in FACTS), None)
    if taken is not None:
        raise ValueError(f"--schema: the output has a column {taken} of its own: rename the property")
    return columns


def cells_of(text: str | None, columns: Columns) -> dict[str, Any]:
    """What an answer has for the columns: none for one that is no answer to the schema."""
    if columns is ANSWER:
        return {"answer": text}
    try:
        found = loads(text or "")
    except ValueError:  # the provider broke it off
        return {}
    return {name: found.get(name) for name in columns} if isinstance(found, dict) else {}
