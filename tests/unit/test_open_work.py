"""What a worker takes on of each flow."""

from itertools import count

from askonce_worker.queue.flow import Flow
from askonce_worker.queue.leased_job import LeasedJob
from askonce_worker.queue.open_work import UNIT_BYTES, OpenWork

NAMES = count()


def job(namespace="a", questions=64, size=100):
    flow = Flow("bulk", namespace, "m")
    return LeasedJob(f"job-{next(NAMES)}", "bulk", "t", 0, 0, b"x" * size, questions=questions, flow=flow)


def fill(work, namespace):
    """As a worker does: until the flow is held back. Returns how many jobs it took."""
    taken = 0
    while Flow("bulk", namespace, "m") not in work.held_back and work.room > 0:
        batch = [job(namespace) for _ in range(min(32, work.room))]
        for item in batch:
            work.add(item)
        taken += len(batch)
    return taken


def test_one_flow_leaves_room_for_others_and_they_for_more():
    work = OpenWork(4096)
    for namespace in "abcde":
        assert fill(work, namespace), namespace
        assert Flow("bulk", namespace, "m") in work.held_back
    assert work.room > 0


def test_a_flow_may_have_more_once_some_of_its_work_has_ended():
    work = OpenWork(4096)
    taken = [job() for _ in range(32)]
    for item in taken:
        work.add(item)
    assert work.held_back
    work.remove(taken[0])
    assert not work.held_back


def test_large_records_count_for_more_than_their_questions():
    work = OpenWork(100)
    work.add(job(questions=1, size=60 * UNIT_BYTES))
    assert work.held_back
    work.add(job("b", questions=1, size=60 * UNIT_BYTES))
    assert work.room == 0
