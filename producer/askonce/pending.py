"""What stands under a job id from submit until its answer.

    {"fingerprint":"<43 characters>","deadline":1732400000000,"at":1732399000000000,"job":"bulk:<job>",
     "listeners":["<client>"]}

Scripts write and compare markers as text, so the order of the fields is part of the contract.
"""

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Pending:
    """deadline: Unix ms of Redis's clock. lane and job: where the question waits."""

    fingerprint: str
    deadline: int
    lane: str
    job: str
    listeners: tuple[str, ...] = ()


def read_pending(raw: bytes) -> Pending | None:
    """The marker; None where an answer stands already. Raises ValueError for anything else."""
    record: Any = orjson.loads(raw)
    if not isinstance(record, dict) or not isinstance(record.get("fingerprint"), str):
        raise ValueError("neither a pending marker nor an answer")
    if "deadline" not in record:
        return None
    lane, _, job = str(record.get("job", "")).partition(":")
    return Pending(record["fingerprint"], int(record["deadline"]), lane, job, tuple(record.get("listeners", ())))
