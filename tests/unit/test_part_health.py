"""When a part of the worker counts as failing."""

from askonce_worker.health.parts import PartHealth


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def fail(health, clock, part, times, every=5.0, **options):
    for _ in range(times):
        health.failed(part, **options)
        clock.now += every


def test_a_part_is_failing_after_several_failures_in_a_row_over_some_time():
    clock = Clock()
    health = PartHealth(clock)
    fail(health, clock, "outbox", 2)
    assert health.failing == []
    fail(health, clock, "outbox", 1)
    assert health.failing == ["outbox"]
    health.succeeded("outbox")
    assert health.failing == []
    assert health.failures == {"outbox": 3}


def test_many_failures_at_once_are_one_trouble():
    clock = Clock()
    health = PartHealth(clock)
    fail(health, clock, "jobs", 100, every=0.01)
    assert health.failing == []


def test_failures_of_a_part_that_is_seldom_at_work_are_forgotten():
    clock = Clock()
    health = PartHealth(clock)
    fail(health, clock, "jobs", 4, forget=60)
    assert health.failing == ["jobs"]
    clock.now += 60
    assert health.failing == []


def test_what_makes_a_worker_unfit_shows_at_once_and_until_it_is_over():
    health = PartHealth(Clock())
    health.set_unfit("Redis evicts keys", unfit=True)
    assert health.failing == ["Redis evicts keys"]
    health.set_unfit("Redis evicts keys", unfit=False)
    assert health.failing == []
