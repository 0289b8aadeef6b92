"""What a worker takes on of each flow."""

from itertools import count

from askonce_worker.queue.flow import Flow
from askonce_worker.queue.leased_job import LeasedJob
from askonce_worker.queue.open_work import UNIT_BYTES, OpenWork

NAMES = count()


def job(namespace="a", questions=64, size=100, lane="bulk"):
    flow = Flow(lane, namespace, "m")
    return LeasedJob(f"job-{next(NAMES)}", lane, "t", 0, 0, b"x" * size, questions=questions, flow=flow)


def fill(work, namespace):
    """As a worker does: until the flow is held back. Returns how many jobs it took."""
    taken = 0
    while Flow("bulk", namespace, "m") not in work.held_back and work.room("bulk") > 0:
        batch = [job(namespace) for _ in range(min(32, work.room("bulk")))]
        for item in batch:
            work.add(item)
        taken += len(batch)
    return taken


def test_one_flow_leaves_room_for_others_and_they_for_more():
    work = OpenWork(4096)
    for namespace in "abcde":
        assert fill(work, namespace), namespace
        assert Flow("bulk", namespace, "m") in work.held_back
    assert work.room("bulk") > 0


def test_a_flow_may_have_more_once_some_of_its_work_has_ended():
    work = OpenWork(4096)
    taken = [job() for _ in range(28)]
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
    assert work.room("bulk") == 0


def test_however_many_flows_fill_the_share_of_bulk_asks_find_room():
    work = OpenWork(4096)
    number = 0
    while work.room("bulk") > 0:
        number += 1
        fill(work, f"n{number}")
    assert number > 4
    assert work.room("interactive") >= 128
    while work.room_for_lapsed:
        work.add(job("n1"))
    assert work.room("bulk") == 0
    assert work.room("interactive") >= 128


def test_asks_fill_the_share_that_is_kept_for_them_and_no_more():
    work = OpenWork(1024)
    while work.room("bulk") > 0:
        work.add(job("a"))
    asks = 0
    while work.room("interactive") > 0:
        work.add(job(f"n{asks}", questions=1, lane="interactive"))
        asks += 1
    assert asks == 128


def test_without_bulk_asks_may_have_everything():
    work = OpenWork(1024)
    assert work.room("interactive") == 512
    for number in range(1000):
        work.add(job(f"n{number}", questions=1, lane="interactive"))
    assert work.room("interactive") > 0
    assert 0 < work.room("bulk") <= 24
