"""What a worker tells Redis of the snapshots that answer."""

from askonce_worker.cache.snapshot_runs import AT_ONCE, PERIOD, SnapshotRuns


def test_each_answer_is_told_once_in_the_order_in_which_they_came():
    now = 0.0
    runs = SnapshotRuns(lambda: now)
    assert [runs.answered("m", "old") for _ in range(AT_ONCE)] == ["1 old"] * AT_ONCE
    assert [runs.answered("m", "old") for _ in range(3)] == ["", "", ""]
    assert runs.answered("m", "new one") == "3 old\n1 new one"
    assert runs.answered("m", "old") == "1 old"
    assert runs.answered("other", "old") == "1 old"
    assert [runs.answered("m", "old") for _ in range(AT_ONCE)] == ["1 old"] * (AT_ONCE - 1) + [""]
    now = PERIOD
    assert runs.answered("m", "old") == "2 old"
