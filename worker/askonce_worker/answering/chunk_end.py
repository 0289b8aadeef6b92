"""Which answer is the last of its chunk: the chunk's job ends with it, in the same script.

Answers leave a worker in many places, in tasks of the chunk's own. Each task inherits its chunk's job. Where an answer
never comes (somebody else has given it) none is the last one: then the job ends by itself, as soon as it has run.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from askonce_worker.queue.leased_job import LeasedJob, Seen

_job: ContextVar[LeasedJob | None] = ContextVar("chunk_job", default=None)


@contextmanager
def answers_of(job: LeasedJob, questions: Iterable[str | None]) -> Iterator[None]:
    """Inside the block this job is answered. questions: their ids."""
    job.end.left = {name or "" for name in questions}
    token = _job.set(job)
    try:
        yield
    finally:
        _job.reset(token)


def seen() -> Seen | None:
    """What was read with the claim of this job."""
    job = _job.get()
    return None if job is None else job.seen


def left_out(questions: Iterable[str | None]) -> None:
    """These need no answer."""
    job = _job.get()
    if job is not None:
        job.end.left.difference_update(name or "" for name in questions)


def handed_over(questions: Iterable[str | None]) -> tuple[LeasedJob | None, bool]:
    """The job that these belong to, and whether no answer comes after theirs."""
    job = _job.get()
    if job is None or not job.end.left:
        return job, False
    left_out(questions)
    return job, not job.end.left
