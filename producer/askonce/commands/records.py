"""Shared by commands on named records: selecting and showing them."""

from collections.abc import Awaitable, Iterable
from dataclasses import asdict
from typing import Any, TypeVar

import orjson

from askonce.commands.output import complain, say, say_json

T = TypeVar("T")


async def known(found: Awaitable[list[T]]) -> list[T] | None:
    """The named records. None if one is unknown, which is reported."""
    try:
        return await found
    except LookupError as error:
        complain(str(error))
        return None


def show(chosen: Iterable[Any], *, as_json: bool) -> None:
    """Shows all fields of these dataclasses."""
    shown = [asdict(each) for each in chosen]
    if as_json:
        say_json(shown)
    for facts in [] if as_json else shown:
        say(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode())
