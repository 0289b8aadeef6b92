"""Parked questions go back to the queue many to a job."""

from askonce import Question
from askonce_worker.parked.records import Waiter
from askonce_worker.parked.returning import jobs_of


def waiter(number, namespace, deadline):
    question = Question("q", model="m", namespace=namespace, job_id=f"j{number}", tier="batch")
    return Waiter(question, deadline, None, b"")


def test_a_job_has_one_namespace_and_one_deadline_and_not_too_many_questions():
    waiters = [waiter(n, "shop" if n % 2 else "default", 9_000) for n in range(200)]
    jobs = jobs_of([*waiters, waiter(200, "shop", 8_000)], 1_000)
    sizes = sorted((jobs[at + 2], jobs[at + 3]) for at in range(0, len(jobs), 5))
    assert sizes == [(1, 7_000), (36, 8_000), (36, 8_000), (64, 8_000), (64, 8_000)]
    names = [name for at in range(0, len(jobs), 5) for name in jobs[at + 4].split("\n")]
    assert len(set(names)) == len(names) == 201
    assert all(b'"tier":"standard"' in jobs[at + 1] for at in range(0, len(jobs), 5))
