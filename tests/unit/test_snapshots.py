"""When a model has been replaced behind its name, and when a router only answers from several in turn."""

import random

import pytest

from askonce_worker.upkeep.snapshots import FAR_LONGER, IN_A_ROW, STAYS, Run, after, decode, encode, first

OLD, NEW, NEWER = "m-2024-07-18", "m-2025-01-31", "m-2025-06-01"


def seen_after(*runs, invalidate=True):
    """What is known after these runs, each looked at once it has stayed, or not."""
    (snapshot, count), *further = runs[0], *runs[1:]
    seen = first(Run(snapshot, count, 0))
    for run, stays in further:
        seen = after(seen, run, stays=stays, invalidate=invalidate)
    return seen


def test_a_new_snapshot_that_stays_supersedes_the_old_one():
    seen = seen_after((OLD, 99), (Run(NEW, 99, 0), True))
    assert (seen.current, seen.superseded, seen.flapping) == (NEW, {OLD}, False)


def test_one_that_has_not_stayed_yet_changes_nothing():
    seen = seen_after((OLD, 99), (Run(NEW, 5, 0), False))
    assert (seen.current, seen.superseded, seen.flapping) == (OLD, frozenset(), False)


def test_once_an_old_one_comes_back_the_name_flaps_and_all_entries_stand():
    seen = seen_after((OLD, 99), (Run(NEW, 99, 0), True), (Run(OLD, 1, 0, longest=99), False))
    assert (seen.superseded, seen.flapping) == (frozenset(), True)


def test_a_name_that_flapped_may_settle_in_the_end():
    seen = seen_after((OLD, 99), (Run(OLD, 3, 0, longest=2), False), (Run(NEW, 999, 0, longest=20), True))
    assert (seen.current, seen.superseded, seen.flapping) == (NEW, {OLD}, False)


def test_the_third_supersedes_both():
    assert seen_after((OLD, 99), (Run(NEW, 99, 0), True), (Run(NEWER, 99, 0), True)).superseded == {OLD, NEW}


def test_with_keep_and_warn_nothing_is_superseded():
    seen = seen_after((OLD, 99), (Run(NEW, 99, 0), True), invalidate=False)
    assert (seen.current, seen.superseded) == (NEW, frozenset())


@pytest.mark.parametrize(
    ("run", "now", "stays"),
    [
        (Run(NEW, IN_A_ROW, 0), STAYS, True),
        (Run(NEW, IN_A_ROW - 1, 0), 9 * STAYS, False),
        (Run(NEW, 1_000_000, 0), STAYS - 1, False),
        (Run(NEW, FAR_LONGER * 20 - 1, 0, longest=20), 9 * STAYS, False),
        (Run(NEW, FAR_LONGER * 20, 0, longest=20), STAYS, True),
    ],
)
def test_a_change_stays_by_time_by_number_and_against_what_came_before(run, now, stays):
    assert run.stays(now) is stays


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("between", [0.01, 1.0, 60.0, 3600.0])
def test_a_router_never_looks_like_an_upgrade_whatever_the_traffic(share, between):
    """share: of the answers that the first snapshot gives. between: seconds from one to the next."""
    draw = random.Random(f"{share} {between}")
    run, known, longest, upgrades = Run(OLD, 1, 0), {OLD}, 0, 0
    seen = first(run)
    for number in range(20_000):
        now, snapshot = number * between, OLD if draw.random() < share else NEW
        if snapshot == run.snapshot:
            run = Run(snapshot, run.count + 1, run.since, longest)
        else:
            longest = max(longest, run.count) if snapshot in known else longest
            known.add(snapshot)
            run = Run(snapshot, 1, int(now), longest)
        found = after(seen, run, stays=run.stays(now), invalidate=True)
        upgrades += bool(found.superseded)
        seen = found
    assert upgrades == 0
    assert seen.flapping


def test_what_is_known_survives_redis_and_the_last_release():
    seen = seen_after((OLD, 99), (Run(NEW, 99, 0), True))
    assert decode(encode(seen)) == seen
    assert decode(b'{"current":"a","known":["a"],"superseded":[]}').flapping is False
