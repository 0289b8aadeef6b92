"""The jobs that return parked questions to the queue, at the standard price. Pure."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from askonce.contract.chunk import pack
from askonce_worker.parked.records import Waiter

IN_A_JOB = 64


def jobs_of(waiters: Iterable[Waiter], now_ms: int) -> list[Any]:
    """Jobs in the form of requeued.lua. A job has one namespace and one deadline."""
    alike: dict[tuple[str, int], list[Waiter]] = {}
    for waiter in waiters:
        alike.setdefault((waiter.question.namespace or "", waiter.deadline), []).append(waiter)
    args: list[Any] = []
    for (_, deadline), some in alike.items():
        for at in range(0, len(some), IN_A_JOB):
            args += _job(some[at : at + IN_A_JOB], max(1, deadline - now_ms))
    return args


def _job(waiters: Sequence[Waiter], timeout_ms: int) -> tuple[Any, ...]:
    questions = [waiter.question.with_fields(tier="standard") for waiter in waiters]
    reads = min(question.reads for question in questions)
    chunk = pack(questions[0].namespace or "", timeout_ms, questions, reads=reads)
    names = "\n".join(f"{question.namespace}:{question.job_id}" for question in questions)
    return secrets.token_hex(12), chunk, len(questions), timeout_ms, names
