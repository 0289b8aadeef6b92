"""Which entries may stay, and when a model has been replaced behind its name."""

import orjson
import pytest

from askonce_worker.upkeep.rules import Standing, read_head, read_question
from askonce_worker.upkeep.snapshots import IN_A_ROW, after, decode, encode, first

OLD, NEW, NEWER = "m-2024-07-18", "m-2025-01-31", "m-2025-06-01"


def head(epochs="0.0.0.0", model="m", namespace="n", snapshot=OLD, question="why?"):
    facts = {"created_at": 1, "expires_at": 2, "scope": "s", "epochs": epochs, "model": model, "namespace": namespace}
    entry = {**facts, "semantic": True, "snapshot": snapshot, "question": question, "body": {"model": "body"}}
    return read_head(orjson.dumps(entry))


def standing(retired=(), superseded=None, **epochs):
    fields = {name.replace("_", ":"): count for name, count in epochs.items()}
    return Standing(fields, frozenset(retired), superseded or {})


@pytest.mark.parametrize("epochs", [{"all": 1}, {"model_m": 1}, {"namespace_n": 1}, {"both_n_m": 1}])
def test_each_of_the_four_counters_invalidates(epochs):
    assert standing(**epochs).objection(head()) == "invalidated"


@pytest.mark.parametrize("epochs", [{"model_x": 1}, {"namespace_x": 1}, {"both_n_x": 1}, {"both_x_m": 1}])
def test_the_counters_of_others_do_not(epochs):
    assert standing(**epochs).objection(head()) is None


def test_an_entry_newer_than_what_was_read_stays():
    assert standing(all=1).objection(head(epochs="2.0.0.0")) is None


def test_a_retired_model_goes_by_either_name():
    assert standing(retired=["m"]).objection(head()) == "retired"
    assert standing(retired=[OLD]).objection(head()) == "retired"
    assert standing(retired=["other"]).objection(head()) is None


def test_a_superseded_snapshot_goes_under_its_own_alias_alone():
    rules = standing(superseded={"m": frozenset({OLD})})
    assert rules.objection(head()) == "superseded"
    assert rules.objection(head(snapshot=NEW)) is None
    assert rules.objection(head(model="another")) is None


def test_a_question_cannot_pose_as_the_end_of_the_head():
    model = 'evil","question":"x'
    assert head(model=model, question=',"question":').model == model


@pytest.mark.parametrize("raw", [b"", b"nonsense", b'{"created_at":1,"question":"?"}'])
def test_what_cannot_be_read_is_no_head(raw):
    assert read_head(raw) is None


def test_equal_rules_have_equal_digests_and_others_do_not():
    one = standing(all=1, superseded={"m": frozenset({OLD, NEW})})
    assert one.digest == standing(all=1, superseded={"m": frozenset({NEW, OLD}), "x": frozenset()}).digest
    assert one.digest != standing(all=2, superseded={"m": frozenset({OLD, NEW})}).digest


def run_of(snapshots, *, invalidate=True):
    """What is known after these (snapshot, how often in a row)."""
    seen = first(*snapshots[0])
    for snapshot, count in snapshots[1:]:
        seen = after(seen, snapshot, count, invalidate=invalidate)
    return seen


def test_a_new_snapshot_that_answers_several_times_in_a_row_supersedes_the_old_one():
    seen = run_of([(OLD, 9), (NEW, IN_A_ROW)])
    assert (seen.current, seen.superseded) == (NEW, {OLD})


def test_one_that_flaps_does_not():
    seen = run_of([(OLD, 9), (NEW, IN_A_ROW - 1), (OLD, 1), (NEW, 1), (OLD, 30)])
    assert (seen.current, seen.superseded) == (OLD, frozenset())


def test_one_that_comes_back_is_no_news_and_its_entries_stand_again():
    seen = run_of([(OLD, 9), (NEW, IN_A_ROW), (OLD, IN_A_ROW)])
    assert (seen.current, seen.superseded) == (OLD, frozenset())


def test_when_the_newest_answers_again_the_older_ones_are_out_of_date_again():
    seen = run_of([(OLD, 9), (NEW, IN_A_ROW), (OLD, IN_A_ROW), (NEW, IN_A_ROW)])
    assert (seen.current, seen.superseded) == (NEW, {OLD})


def test_the_third_supersedes_both():
    assert run_of([(OLD, 9), (NEW, 9), (NEWER, 9)]).superseded == {OLD, NEW}


def test_with_keep_and_warn_nothing_is_superseded():
    seen = run_of([(OLD, 9), (NEW, 9), (NEWER, 9)], invalidate=False)
    assert (seen.current, seen.superseded) == (NEWER, frozenset())


def test_who_answered_once_at_first_is_not_known_for_that():
    seen = run_of([(NEW, 1), (OLD, 7), (NEW, 7)])
    assert (seen.current, seen.superseded) == (NEW, {OLD})
    assert run_of([(OLD, 1), (OLD, IN_A_ROW), (NEW, 7), (OLD, 7)]).superseded == frozenset()


@pytest.mark.parametrize("question", ["why?", 'the "q" \\ \n', "为什么", ""])
def test_the_question_is_read_where_it_is_whole(question):
    entry = orjson.dumps({"snapshot": ',"question":', "question": question, "body": {"question": "x"}})
    assert read_question(entry) == question
    end = entry.index(b',"body"')
    assert read_question(entry[: end - 1]) is None


def test_what_is_known_survives_redis():
    seen = run_of([(OLD, 9), (NEW, 9)])
    assert decode(encode(seen)) == seen
