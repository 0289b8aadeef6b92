"""Looking at answers: what fits, and what hostile schemas and answers come to."""

import math

import orjson
import pytest

from askonce import Question
from askonce_worker.schemas.looking import BadSchema, Looker
from askonce_worker.schemas.schemas import KEPT, Schemas


def errors(schema, value):
    return Looker(schema, len(orjson.dumps(schema))).errors(value, len(orjson.dumps(value)))


@pytest.mark.parametrize(
    ("schema", "fits", "fits_not"),
    [
        ({"type": "integer"}, 3.0, 3.5),
        ({"type": ["string", "null"]}, None, 1),
        ({"enum": [1, "a", None]}, "a", True),
        ({"const": {"a": [1]}}, {"a": [1]}, {"a": [2]}),
        ({"pattern": "^[A-Z]{2}[0-9]+$"}, "AB12", "ab12"),
        ({"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False}, {"x1": 2}, {"y": 2}),
        ({"patternProperties": {"^x": {"type": "integer"}}}, {"y": "a"}, {"x1": "a"}),
        ({"properties": {"a": {}}, "additionalProperties": {"type": "string"}}, {"a": 1, "b": "c"}, {"b": 1}),
        ({"uniqueItems": True}, [1, "1", True, {"a": 1}, {"a": 2}], [{"a": 1, "b": 2}, {"b": 2, "a": 1}]),
        ({"uniqueItems": True}, [1, True], [1, 1.0]),
        ({"minItems": 1}, [1], []),
        (
            {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}},
            {"n": {"n": {}}},
            {"n": {"n": 3}},
        ),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}, ["a", 1], [1]),
        ({"$schema": "http://json-schema.org/draft-04/schema", "maximum": 3, "exclusiveMaximum": True}, 2, 3),
        ({"unevaluatedProperties": False, "allOf": [{"properties": {"a": {}}}]}, {"a": 1}, {"b": 1}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None, 1),
        ({"not": {"type": "string"}}, 1, "a"),
    ],
)
def test_what_fits_and_what_does_not(schema, fits, fits_not):
    assert errors(schema, fits) == []
    assert errors(schema, fits_not)


def test_errors_say_where_and_what_and_are_few_and_short():
    schema = {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "integer"}}}}
    [first, *others] = errors(schema, {"items": ["x" * 5000, "b", "c", "d"]})
    assert first.startswith("$.items[0]: 'xxx")
    assert len(first) < 350
    assert others == ["$.items[1]: 'b' is not of type 'integer'", "$.items[2]: 'c' is not of type 'integer'"]


def doubling(depth):
    """Each of these asks twice for the next one."""
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(depth)}
    return {"$ref": "#/$defs/d0", "$defs": {**twice, f"d{depth}": {"type": "object"}}}


def branching():
    branches = [{"properties": {"a": {"$ref": "#"}}, "required": [name]} for name in ("b", "c")]
    return {"anyOf": branches}


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$ref": "#"}, {}),
        ({"allOf": [{"$ref": "#"}]}, {}),
        ({"$ref": "#", "unevaluatedProperties": False}, {"a": 1}),
        (doubling(40), {}),
        (branching(), nested(60)),
        ({"$dynamicRef": "#nowhere"}, {}),
        ({"$ref": "#nowhere"}, {}),
    ],
)
def test_a_schema_without_an_end_comes_to_one(schema, value):
    with pytest.raises(BadSchema):
        errors(schema, value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 50_000 + "b"),
        ({"pattern": "(.*a){12}"}, "a" * 11 + "b" * 50_000),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {"a" * 5000 + "b": 1}),
        ({"uniqueItems": True}, [{"a": n} for n in range(3000)] + [{"a": 1}]),
    ],
)
def test_what_takes_others_for_ever_is_looked_at(schema, value):
    assert errors(schema, value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nothing"},
        {"properties": 3},
        {"$ref": "https://example.com/schema.json"},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"items": {"$ref": "#/$defs/gone"}},
        {"pattern": "("},
        {"pattern": "(?<=a)b"},
        {"pattern": r"(a)\1"},
        {"pattern": "((((a{100}){100}){100}){100}){100}"},
        {"patternProperties": {"(": {}}},
        {"patternProperties": {"a": {}}, "unevaluatedProperties": False},
        {"enum": [], "type": [[]]},
    ],
)
def test_a_schema_that_cannot_be_looked_at_is_refused_before_any_answer(schema):
    with pytest.raises(BadSchema):
        Looker(schema, 100)


def test_a_reference_or_pattern_in_a_value_is_none():
    assert (
        errors(
            {"const": {"$ref": "https://example.com", "pattern": "("}}, {"$ref": "https://example.com", "pattern": "("}
        )
        == []
    )
    assert errors({"properties": {"pattern": {"type": "string"}, "$ref": {"type": "string"}}}, {"$ref": "x"}) == []


def body(text, **choice):
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop", **choice}]}


def test_each_choice_has_to_fit():
    schemas, question = Schemas(), Question("q", schema={"type": "integer"})
    both = {"choices": [*body("1")["choices"], *body("x")["choices"]]}
    assert schemas.flaw(question, body("1")) is None
    assert schemas.flaw(question, both).words.startswith("it is not JSON")
    assert schemas.flaw(Question("q"), body("x")) is None


def test_numbers_that_are_none_are_no_json():
    schemas, question = Schemas(), Question("q", schema={"type": "number"})
    for text in ("NaN", "Infinity", "1e", str(math.inf)):
        assert schemas.flaw(question, body(text)).words.startswith("it is not JSON")
    assert schemas.flaw(question, body("123456789012345678901234567890")) is None


def test_schemas_are_remembered_and_not_too_many_of_them():
    schemas = Schemas()
    first = Question("q", schema={"maximum": 0})
    assert schemas.refusal(first) is None
    for most in range(1, 2 * KEPT):
        assert schemas.flaw(Question("q", schema={"maximum": most}), body(str(most))) is None
    assert schemas.refusal(first) is None
