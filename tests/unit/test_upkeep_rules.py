"""Which entries may stay."""

import orjson
import pytest

from askonce_worker.upkeep.rules import Validity, read_head, read_question

OLD, NEW = "m-2024-07-18", "m-2025-01-31"


def head(epochs="0.0.0.0", model="m", namespace="n", snapshot=OLD, question="why?"):
    facts = {"created_at": 1, "expires_at": 2, "scope": "s", "epochs": epochs, "model": model, "namespace": namespace}
    entry = {**facts, "semantic": True, "snapshot": snapshot, "question": question, "body": {"model": "body"}}
    return read_head(orjson.dumps(entry))


def validity(retired=(), superseded=None, **epochs):
    fields = {name.replace("_", ":"): count for name, count in epochs.items()}
    return Validity(fields, frozenset(retired), superseded or {})


@pytest.mark.parametrize("epochs", [{"all": 1}, {"model_m": 1}, {"namespace_n": 1}, {"both_n_m": 1}])
def test_each_of_the_four_counters_invalidates(epochs):
    assert validity(**epochs).objection(head()) == "invalidated"


@pytest.mark.parametrize("epochs", [{"model_x": 1}, {"namespace_x": 1}, {"both_n_x": 1}, {"both_x_m": 1}])
def test_the_counters_of_others_do_not(epochs):
    assert validity(**epochs).objection(head()) is None


def test_an_entry_newer_than_what_was_read_stays():
    assert validity(all=1).objection(head(epochs="2.0.0.0")) is None


def test_a_retired_model_goes_by_either_name():
    assert validity(retired=["m"]).objection(head()) == "retired"
    assert validity(retired=[OLD]).objection(head()) == "retired"
    assert validity(retired=["other"]).objection(head()) is None


def test_a_superseded_snapshot_goes_under_its_own_alias_alone():
    rules = validity(superseded={"m": frozenset({OLD})})
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
    one = validity(all=1, superseded={"m": frozenset({OLD, NEW})})
    assert one.digest == validity(all=1, superseded={"m": frozenset({NEW, OLD}), "x": frozenset()}).digest
    assert one.digest != validity(all=2, superseded={"m": frozenset({OLD, NEW})}).digest


@pytest.mark.parametrize("question", ["why?", 'the "q" \\ \n', "为什么", ""])
def test_the_question_is_read_where_it_is_whole(question):
    entry = orjson.dumps({"snapshot": ',"question":', "question": question, "body": {"question": "x"}})
    assert read_question(entry) == question
    end = entry.index(b',"body"')
    assert read_question(entry[: end - 1]) is None
