"""Whether two answers say the same, as far as that can be told without a judge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.contract.completion import text_body
from askonce_worker.audit.comparing import compare, is_plain, text_of_answer


def said(text):
    return text_body(text, model="m")


def called(name, arguments, call="c1"):
    body = said("")
    calls = [{"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}]
    body["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": calls}
    return body


@pytest.mark.parametrize(("one", "other"), [
    ("Positive", " positive.\n"),
    ("**B**", "b"),
    ("42", "42.0"),
    ("1,200", "1200"),
    ('{"a": 1, "b": [1, "Yes"]}', '```json\n{"b": [1.0, "yes"], "a": 1}\n```'),
    ("「是」", "是"),
    ("", ""),
    ("A whole sentence that says quite a lot of things.", "a whole sentence that says quite a lot of things"),
])  # fmt: skip
def test_what_differs_in_form_alone_says_the_same(one, other):
    assert compare(said(one), said(other)) is True


@pytest.mark.parametrize(("fresh", "cached"), [
    ("negative", "positive"),
    ("-5", "5"),
    ("$5", "€5"),
    ("<5", "5"),
    ("1.5", "15"),
    ("12345678901234567890", "12345678901234567891"),
    ('{"a": 1}', '{"a": 2}'),
    ('{"a": true}', '{"a": 1}') ,
    ("I am sorry, but that depends on a great many things.", "yes"),
    ("不是", "是"),
    ("", "yes"),
    ("👎", "👍"),
    ("↓", "↑"),
    ("-", "+"),
    ("✗", "✓"),
    ("★★★", "★★★★★"),
    ("***", "*****"),
    ("!", "."),
    ("100 $", "100 €"),
    ("5€", "5%"),
    ("C#", "C++"),
    ("A-", "A+"),
    ("A*", "A"),
    ('{"trend": "↓"}', '{"trend": "↑"}'),
])  # fmt: skip
def test_labels_numbers_and_json_that_differ_say_something_else(fresh, cached):
    assert compare(said(fresh), said(cached)) is False


@pytest.mark.parametrize("cached", [
    "Use the csv module of the standard library, or pandas.",
    '{"reason": "because the customer has not paid the bill of last month"}',
    "请使用标准库中的 csv 模块来读取文件",
])  # fmt: skip
def test_of_sentences_that_differ_nothing_is_told(cached):
    assert compare(said("no"), said(cached)) is None
    assert not is_plain(said(cached))


@pytest.mark.parametrize("text", ["-" * 200_000, "*" * 200_000, "e" + "\u0323\u0301" * 100_000, "[" * 400 + "]" * 400])
def test_a_text_that_is_no_label_takes_no_time_whatever_it_is_made_of(text):
    assert not is_plain(said(text))
    assert compare(said(text), said(text)) is True
    assert not is_plain(said("!" + text))


def test_tool_calls_are_compared_by_name_and_by_the_value_of_their_arguments():
    assert compare(called("find", '{"id": 7}', "x"), called("find", '{ "id": 7.0 }', "y")) is True
    assert compare(called("find", '{"id": 8}'), called("find", '{"id": 7}')) is False
    assert compare(called("drop", '{"id": 7}'), called("find", '{"id": 7}')) is False
    assert "find" in text_of_answer(called("find", '{"id": 7}'))


@given(st.text(max_size=60), st.text(max_size=60))
def test_whether_it_can_be_told_depends_on_the_cached_answer_alone(fresh, cached):
    told = compare(said(fresh), said(cached))
    assert told is True or (told is False) == is_plain(said(cached))
    assert compare(said(cached), said(cached)) is True


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_no_message_breaks_it(content):
    body = {"choices": [{"message": {"content": content, "tool_calls": content}}]}
    assert compare(body, body) is True
    text_of_answer(body)
