"""The identity of a question: golden hashes, since entries outlive releases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce import Question
from askonce.fingerprint import normalised, scope_id


def asked(text="q", **fields):
    return Question(text, **{"model": "m", "namespace": "default", **fields})


HISTORY = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"})
ALL = {
    "system": "be brief",
    "template": "Q: {text}",
    "history": HISTORY,
    "params": {"temperature": 0, "seed": 7, "stop": ["\n"]},
    "namespace": "tenant-1",
}


@pytest.mark.parametrize(
    ("question", "scope", "fingerprint"),
    [
        (
            asked("How do I read a CSV file?", model="gpt-4o-mini"),
            "By8UgwugwTidDVzjeUo10kjynT_SqpyPur3REm5WJOs",
            "To2hcLmNDmEFpuXybTGZvgA_w5oDhT9wYk-2kT9LG20",
        ),
        (
            asked("Grüße 你好", **ALL),
            "xUeGI4-dxppahxvGQlB7rooGOu7YRaC-aQLz2nrzZos",
            "BzTMNBvuNl_YJ9DCknSlpuCGunOXSCIRmjtjXgUBQMg",
        ),
        (
            asked("q", params={"temperature": 0.5, "user": "x"}),
            "2AbD9BrW64W8-W4DiU_HCnXWICD58hmTeskWzcsO4EY",
            "Qup5Xj_bCysou7rgkljVQoV6z6RMXof8isDjlnjpCl0",
        ),
    ],
    ids=["plain", "all", "params"],
)
def test_the_hashes_are_what_they_were(question, scope, fingerprint):
    assert (question.scope, question.fingerprint) == (scope, fingerprint)


@pytest.mark.parametrize(
    "fields",
    [
        {"namespace": "other"},
        {"model": "other"},
        {"system": ""},
        {"system": "be brief"},
        {"template": "{text}"},
        {"history": HISTORY},
        {"params": {"temperature": 0}},
        {"params": {"logprobs": True}},
        {"params": {"n": 2}},
        {"params": {"tools": [{"type": "function"}]}},
        {"messages": ({"role": "user", "content": "q"},)},
    ],
    ids=str,
)
def test_whatever_shapes_the_answer_is_scope(fields):
    assert asked(**fields).scope != asked().scope


@pytest.mark.parametrize(
    "fields",
    [
        {"params": {"user": "u1"}},
        {"params": {"n": 1}},
        {"params": {"stream": False}},
        {"params": {"service_tier": "flex"}},
        {"metadata": {"row": 1}},
        {"job_id": "x"},
        {"cache": "refresh"},
        {"ttl": 5},
        {"threshold": 0.99},
    ],
    ids=str,
)
def test_what_only_shapes_the_delivery_is_not(fields):
    assert asked(**fields).fingerprint == asked().fingerprint


def test_one_and_one_point_nought_are_the_same_parameter_and_true_is_not():
    assert asked(params={"temperature": 1.0}).scope == asked(params={"temperature": 1}).scope
    assert asked(params={"temperature": True}).scope != asked(params={"temperature": 1}).scope


def test_the_order_of_parameters_does_not_matter():
    assert asked(params={"a": 1, "b": [1, 2]}).scope == asked(params={"b": [1, 2], "a": 1}).scope
    assert asked(params={"b": [2, 1]}).scope != asked(params={"b": [1, 2]}).scope


def test_white_space_around_and_unicode_forms_do_not_matter_but_words_do():
    assert asked(" caf\u00e9\n").fingerprint == asked("cafe\u0301").fingerprint
    assert asked("a  b").fingerprint != asked("a b").fingerprint
    assert asked("A").fingerprint != asked("a").fingerprint


def test_a_copy_with_another_text_or_scope_has_another_fingerprint():
    question = asked("q")
    before = question.fingerprint
    assert question.with_fields(text="other").fingerprint == asked("other").fingerprint
    assert question.with_fields(model="other").fingerprint == asked("q", model="other").fingerprint
    assert question.with_fields(job_id="x").fingerprint == before == question.fingerprint


PROPERTIES = {"thoughts": {"type": "string"}, "verdict": {"type": "string"}}
SORTED = {"a": {"type": "string"}, "b": {"type": "object", "properties": PROPERTIES}}


def schema(properties, **more):
    return {"type": "json_schema", "json_schema": {"name": "r", "schema": {"properties": properties}, **more}}


def tool(properties, **more):
    return [{"type": "function", "function": {"name": "f", "parameters": {"properties": properties}, **more}}]


def backwards(properties):
    return dict(reversed(properties.items()))


@pytest.mark.parametrize(
    ("params", "same"),
    [
        ({"temperature": None, "tools": None, "stop": None, "max_tokens": None, "vendor": None}, {}),
        ({"tools": [], "functions": [], "logit_bias": {}, "stop": [], "tool_choice": "none"}, {}),
        ({"n": 1, "logprobs": False, "top_logprobs": 0, "response_format": {"type": "text"}}, {}),
        ({"modalities": ["text"], "parallel_tool_calls": True}, {}),
        ({"stop": "a"}, {"stop": ["a"]}),
        ({"tools": tool({}), "tool_choice": "auto"}, {"tools": tool({})}),
        ({"tools": tool({}, strict=None, description=None)}, {"tools": tool({}, strict=False)}),
        ({"response_format": schema(SORTED, strict=None)}, {"response_format": schema(SORTED)}),
        ({"response_format": backwards(schema(SORTED))}, {"response_format": schema(SORTED)}),
        ({"logit_bias": {5: 1}}, {"logit_bias": {"5": 1}}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_null_empty_or_the_default_is_the_same_as_none(params, same):
    assert asked(params=params).scope == asked(params=same).scope


@pytest.mark.parametrize(
    ("params", "other"),
    [
        ({"response_format": schema(PROPERTIES)}, {"response_format": schema(backwards(PROPERTIES))}),
        ({"tools": tool(PROPERTIES)}, {"tools": tool(backwards(PROPERTIES))}),
        (
            {"tools": tool({"x": {"items": {"properties": PROPERTIES}}})},
            {"tools": tool({"x": {"items": {"properties": backwards(PROPERTIES)}}})},
        ),
        ({"guided_json": {"properties": PROPERTIES}}, {"guided_json": {"properties": backwards(PROPERTIES)}}),
        ({"tools": tool({"a": {"default": None}})}, {"tools": tool({"a": {}})}),
        ({"tools": tool({}, strict=True)}, {"tools": tool({})}),
        ({"tools": tool({}), "tool_choice": "none"}, {"tools": tool({})}),
        ({"temperature": 1}, {}),
        ({"presence_penalty": 0}, {}),
        ({"frequency_penalty": 0}, {}),
        ({"stop": "ab"}, {"stop": ["a", "b"]}),
        ({"logprobs": True}, {"logprobs": 1}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_shapes_the_answer_is_told_apart(params, other):
    assert asked(params=params).scope != asked(params=other).scope


def test_a_schema_in_the_order_of_its_names_has_the_hash_that_it_always_had():
    assert asked(params={"response_format": schema(SORTED)}).with_fields(rule=1).scope != (
        asked(params={"response_format": schema(backwards(SORTED))}).scope
    )
    properties = {"a": {"type": "string"}, "b": {"type": "string"}}
    question = asked(params={"tools": tool(properties)})
    assert question.scope == question.with_fields(rule=1).scope


DUMPED = {"refusal": None, "tool_calls": None, "audio": None, "annotations": []}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    ("history", "same"),
    [
        ([{**HISTORY[1], **DUMPED}], [HISTORY[1]]),
        ([{"role": "user", "content": [{"type": "text", "text": "hi"}]}], [HISTORY[0]]),
        ([{"role": "user", "content": [{"type": "text", "text": "hi", "annotations": []}]}], [HISTORY[0]]),
        ([{name: value for name, value in CALL.items() if name != "content"}], [CALL]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_messages_that_say_the_same_are_the_same(history, same):
    question, other = asked(history=history), asked(history=same)
    assert question.scope == other.scope
    assert question.exact_only == other.exact_only
    whole = asked(messages=history)
    assert whole.scope == asked(messages=same).scope != question.scope


def test_a_call_of_a_tool_has_the_hash_that_it_always_had():
    question = asked(history=[CALL])
    assert question.scope == question.with_fields(rule=1).scope


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), json, max_size=4))
def test_the_remembered_scope_is_the_computed_one(params):
    try:
        scope = asked(params=params).scope
    except TypeError:  # a lone surrogate: such a question is refused before it has a scope
        return
    assert scope == scope_id(namespace="default", model="m", system=None, template=None, history=(), params=params)


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalised(normalised(text)) == normalised(text)
