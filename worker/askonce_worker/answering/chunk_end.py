"""Tracks which answer is the last of its chunk, so that the chunk's job ends with it, in the same script.

Answers leave a worker in many places, in tasks of their chunk. Each task inherits its chunk's job. If an answer never
comes (it was given elsewhere), none is the last one, and the job ends by itself once it has run.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from askonce_worker.queue.leased_job import LeasedJob, Seen

_job: ContextVar[LeasedJob | None] = ContextVar("chunk_job", default=None)


@contextmanager
def answers_of(job: LeasedJob, questions: Iterable[str | None]) -> Iterator[None]:
    """Marks the job that is answered inside the block. questions: their ids."""
    job.end.left = {name or "" for name in questions}
    token = _job.set(job)
    try:
        yield
    finally:
        _job.reset(token)


def seen() -> Seen | None:
    """The data read with this job's claim."""
    job = _job.get()
    return None if job is None else job.seen


def left_out(questions: Iterable[str | None]) -> None:
    """Marks questions that need no answer."""
    job = _job.get()
    if job is not None:
        job.end.left.difference_update(name or "" for name in questions)


def handed_over(questions: Iterable[str | None]) -> tuple[LeasedJob | None, bool]:
    """The job of these answers, and whether they are its last."""
    job = _job.get()
    if job is None or not job.end.left:
        return job, False
    left_out(questions)
    return job, not job.end.left
