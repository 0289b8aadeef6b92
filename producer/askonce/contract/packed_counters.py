"""Counters of closed hours, packed: one field per namespace and model instead of one per counter. Pure.

A live hour (`hour:N`) has a field `name|namespace|model` for each counter. Once it is over, a worker moves it into
`packed:hour:N` and `packed:day:D` (pack_hour.lua). There a field `namespace|model` holds all its counters:

    calls=12;exact=40;hit:31=9;hit:33=31;llm=12
"""

from collections import Counter
from collections.abc import Mapping

HOURS_IN_A_DAY = 24


def live_hour(hour: int) -> str:
    return f"hour:{hour}"


def packed_hour(hour: int) -> str:
    return f"packed:hour:{hour}"


def packed_day(day: int) -> str:
    return f"packed:day:{day}"


def day_of(hour: int) -> int:
    """Unix days, of Unix hours."""
    return hour // HOURS_IN_A_DAY


def unpacked(fields: Mapping[bytes, bytes]) -> Counter[bytes]:
    """The counters `name|namespace|model` of a packed bucket. Raises ValueError if it is malformed."""
    counts: Counter[bytes] = Counter()
    for owner, packed in fields.items():
        for pair in packed.split(b";"):
            name, equals, count = pair.partition(b"=")
            if not equals:
                raise ValueError("a malformed bucket of counters")
            counts[name + b"|" + owner] += int(count)
    return counts
