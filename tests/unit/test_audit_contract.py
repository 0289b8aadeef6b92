"""The records of what workers learn of their hits."""

from dataclasses import asdict, replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.contract.audit import (
    Label,
    UnreadableAudit,
    corrections,
    decode_group,
    decode_label,
    decode_record,
    encode_group,
    encode_label,
    encode_record,
    group_id,
    ledger_fields,
    pair_id,
)
from askonce_worker.audit.ledger import slices_of

numbers = st.floats(-1e6, 1e6)
texts = st.text(max_size=20)
labels = st.builds(
    Label,
    *(texts for _ in range(5)),
    *(numbers for _ in range(4)),
    st.integers(0, 2**40),
    st.integers(0, 47),
    st.sampled_from(["check", "late", "miss", "served"]),
    st.sampled_from([True, False, None]),
    st.sampled_from(["answers", "judge", "person", ""]),
    st.floats(1, 100),
    st.sampled_from([True, False, None]),
)


@given(labels)
def test_a_label_is_read_as_it_was_written(label):
    assert decode_label(encode_label(label)) == label


@given(labels, st.booleans())
def test_a_record_is_its_label_without_texts(label, right):
    record = decode_record(encode_record(replace(label, right=right)))
    known = {**asdict(label), "right": right}
    assert asdict(record) == {name: known[name] for name in asdict(record)}


@given(st.dictionaries(texts, st.one_of(st.none(), st.booleans(), st.integers(0, 9), texts, st.lists(texts))), texts)
def test_what_is_no_record_is_refused_by_name(fields, word):
    for data in (orjson.dumps({"format": 1, **fields}), orjson.dumps({**fields, "format": 2}), word.encode()):
        for decode in (decode_label, decode_record, decode_group):
            with pytest.raises(UnreadableAudit):
                decode(data)


def test_a_group_is_known_by_all_of_its_template_and_shown_by_its_beginning():
    long = "x" * 500
    assert group_id("n", "m", long) != group_id("n", "m", long + "y")
    assert group_id("n", "m", None) != group_id("n", "m", "")
    assert decode_group(encode_group("n", "m", long)).template == "x" * 200
    assert pair_id("a", "b") != pair_id("b", "a")


@given(labels, st.booleans())
def test_a_persons_verdict_leaves_the_ledger_as_if_it_had_been_known_at_once(label, right):
    known = ledger_fields(replace(label, right=right, by="person"))
    late = ledger_fields(label)
    for name, value in corrections(ledger_fields(label), known).items():
        late[name] = late.get(name, 0.0) + value
    assert {name: value for name, value in late.items() if value} == known
    assert slices_of(late)[0].first == label.version
