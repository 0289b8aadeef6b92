"""The value under a job id from submit until its answer.

    {"fingerprint":"<43 characters>","deadline":1732400000000,"at":1732399000000000,"job":"bulk:<job>",
     "listeners":["<client>"]}

Without listeners the field is left out, which saves 32 bytes per queued question.
Scripts write and compare markers as text, so the order of the fields is part of the contract.
"""

from dataclasses import dataclass

from askonce.readable import read_object, text_of, time_of


@dataclass(frozen=True, slots=True)
class Pending:
    """deadline: Unix ms of Redis's clock. lane and job: where the question waits."""

    fingerprint: str
    deadline: int
    lane: str
    job: str
    listeners: tuple[str, ...] = ()


def read_pending(raw: bytes) -> Pending | None:
    """The marker; None if there is an answer already. Raises ValueError for anything else."""
    record = read_object(raw)
    fingerprint = text_of(record, "fingerprint")
    if "deadline" not in record:
        return None
    listeners = record.get("listeners", [])
    if not isinstance(listeners, list) or not all(isinstance(listener, str) for listener in listeners):
        raise ValueError("malformed listeners")
    lane, _, job = str(record.get("job", "")).partition(":")
    return Pending(fingerprint, time_of(record, "deadline"), lane, job, tuple(listeners))
