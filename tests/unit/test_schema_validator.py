"""Looking at answers: what fits, and what hostile schemas and answers come to."""

import contextlib
import math
import signal
import subprocess
import sys
from typing import Optional

import orjson
import psutil
import pytest
from pydantic import BaseModel

from askonce import Question
from askonce_worker.schemas.schemas import Schemas
from askonce_worker.schemas.validator import KEPT, AnswerValidator, BadSchema, NotValidated
from askonce_worker.schemas.validator_process import PROGRAM


@pytest.fixture(autouse=True)
def enough_time(monkeypatch):
    """A second of the processor may take longer on a busy machine than a worker waits for it."""
    monkeypatch.setattr("askonce_worker.schemas.validator_process.WALL_SECONDS", 120)


@pytest.fixture(scope="module")
def validator():
    with contextlib.closing(AnswerValidator()) as made:
        yield made


@pytest.fixture
def errors(validator):
    return lambda schema, value: validator.errors(orjson.dumps(schema), value)


@pytest.fixture
def schemas():
    with contextlib.closing(Schemas()) as made:
        yield made


def processes():
    """That look at answers, of this process's own."""
    return {each.pid for each in psutil.Process().children() if PROGRAM in each.cmdline()}


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
def test_what_fits_and_what_does_not(errors, schema, fits, fits_not):
    assert errors(schema, fits) == []
    assert errors(schema, fits_not)


def test_errors_say_where_and_what_and_are_few_and_short(errors):
    schema = {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "integer"}}}}
    [first, *others] = errors(schema, {"items": ["x" * 5000, "b", "c", "d"]})
    assert first.startswith('$.items[0]: "xxx')
    assert first.endswith('xxx" is not of type "integer"')
    assert len(first) < 350
    assert others == ['$.items[1]: "b" is not of type "integer"', '$.items[2]: "c" is not of type "integer"']


def test_of_a_long_answer_the_first_error_is_told(errors):
    assert errors({"items": {"type": "string"}}, list(range(100_000))) == ['$[0]: 0 is not of type "string"']
    [words] = errors({"type": "string"}, list(range(100_000)))
    assert words.endswith('is not of type "string"')


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


PATTERN = {"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubling(40), {}),
        (branching(), nested(60)),
        ({"allOf": [{"uniqueItems": True}] * 2700}, list(range(100_000))),
        ({"allOf": [{"type": "string"}] * 2700}, [0] * 15_000),  # an error has a copy of what is wrong: gigabytes
        ({"allOf": [{"pattern": f"(.{{1,90}}){{{n}}}x"} for n in range(2, 90)]}, "a"),
    ],
)
def test_what_takes_too_much_time_or_memory_is_stopped_and_costs_nothing_next_time(validator, errors, schema, value):
    with pytest.raises(BadSchema, match="too long"):
        errors(schema, value)
    [next_one] = processes()
    with pytest.raises(BadSchema, match="too long"):
        errors(schema, 1)
    with pytest.raises(BadSchema, match="too long"):
        validator.check(orjson.dumps(schema))
    assert errors({"type": "integer"}, 3) == []
    assert processes() == {next_one}, "it was started after the first, ahead of the next validation, and no other"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$ref": "#"}, {}),
        ({"allOf": [{"$ref": "#"}]}, {}),
    ],
)
def test_a_schema_without_an_end_comes_to_one(errors, schema, value):
    assert errors(schema, value) == []


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 50_000 + "b"),
        ({"pattern": "(.*a){12}"}, "a" * 11 + "b" * 50_000),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {"a" * 5000 + "b": 1}),
        (PATTERN, {"a" * 5000 + "b": 1}),
        ({"properties": {"default": PATTERN}}, {"default": {"a" * 40 + "!": 1}}),
        ({"patternProperties": {f"^{n}(x+)+y$": {} for n in range(1000)}, "additionalProperties": False}, {"x": 1}),
        ({"uniqueItems": True}, [{"a": n} for n in range(3000)] + [{"a": 1}]),
        ({"$ref": "#", "unevaluatedProperties": False}, {"a": 1}),
    ],
)
def test_what_takes_others_for_ever_is_looked_at(errors, schema, value):
    assert errors(schema, value)


class Row(BaseModel):
    # As many write it to this day.
    name: Optional[str] = None  # noqa: UP045
    count: Optional[int] = None  # noqa: UP045
    price: Optional[float] = None  # noqa: UP045
    sold: Optional[bool] = None  # noqa: UP045


class Other(BaseModel):
    title: str
    parts: list[Row]


class Rows(BaseModel):
    rows: list[Row]
    either: list[Other | Row] = []


ROW = {"name": "a", "count": 3, "price": None, "sold": False}


def test_long_lists_of_ordinary_rows_are_looked_at(errors):
    schema = Rows.model_json_schema()
    assert errors(schema, {"rows": [ROW] * 1000, "either": [ROW, {"title": "t", "parts": [ROW] * 9}] * 100}) == []
    [flaw] = errors(schema, {"rows": [*[ROW] * 999, {"count": "three"}]})
    assert flaw.startswith('$.rows[999].count: "three" is not valid under any')


def test_answers_of_a_megabyte_are_looked_at(errors):
    assert errors({"type": "array"}, [[]] * 349_000) == []
    assert errors({"type": "string"}, "x" * 1_000_000) == []


def test_the_next_look_works_after_somebody_killed_the_process(errors):
    assert errors({"type": "integer"}, 3) == []
    [pid] = processes()
    psutil.Process(pid).kill()
    assert errors({"type": "integer"}, "3")
    assert errors({"type": "integer"}, 3) == []
    assert processes().isdisjoint({pid})


def test_a_process_that_does_not_answer_is_replaced_and_its_schema_is_not_blamed(monkeypatch, schemas):
    monkeypatch.setattr("askonce_worker.schemas.validator_process.WALL_SECONDS", 0.001)
    question = Question("q", schema={"type": "integer"})
    assert "cannot check answers at the moment" in schemas.refusal(question)
    assert schemas.mismatch(question, body("1")).repairable is False
    assert len(processes()) >= 1
    monkeypatch.setattr("askonce_worker.schemas.validator_process.WALL_SECONDS", 120)
    assert schemas.mismatch(question, body("1")) is None


def test_a_process_that_cannot_start_is_no_fault_of_a_schema(tmp_path, monkeypatch):
    (tmp_path / "jsonschema_rs.py").write_text("raise ImportError")
    with contextlib.closing(AnswerValidator()) as validator:
        with monkeypatch.context() as patch:
            patch.setenv("PYTHONPATH", str(tmp_path))
            with pytest.raises(NotValidated, match="cannot check answers"):
                validator.check(b'{"type":"integer"}')
        assert validator.errors(b'{"type":"integer"}', 1) == []


def test_it_ends_with_its_worker_even_if_that_one_is_killed():
    code = (
        "import sys, time; from askonce_worker.schemas.validator import AnswerValidator\n"
        "validator = AnswerValidator(); print(validator.errors(b'true', 3), flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as worker:
        assert worker.stdout.readline() == b"[]\n"
        [child] = psutil.Process(worker.pid).children()
        worker.send_signal(signal.SIGKILL)
        child.wait(timeout=60)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nothing"},
        {"properties": 3},
        {"$ref": "https://example.com/schema.json"},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"properties": {"default": {"$ref": "https://example.com/schema.json"}}},
        {"items": {"$ref": "#/$defs/gone"}},
        {"$dynamicRef": "#nowhere"},
        {"$ref": "#nowhere"},
        {"pattern": "("},
        {"pattern": "(?<=a)b"},
        {"pattern": r"(a)\1"},
        {"pattern": "((((a{100}){100}){100}){100}){100}"},
        {"patternProperties": {"(": {}}},
        {"enum": [], "type": [[]]},
    ],
)
def test_a_schema_that_cannot_be_looked_at_is_refused_before_any_answer(validator, schema):
    with pytest.raises(BadSchema):
        validator.check(orjson.dumps(schema))


def test_a_reference_or_pattern_in_a_value_is_none(errors):
    assert (
        errors(
            {"const": {"$ref": "https://example.com", "pattern": "("}}, {"$ref": "https://example.com", "pattern": "("}
        )
        == []
    )
    assert errors({"properties": {"pattern": {"type": "string"}, "$ref": {"type": "string"}}}, {"$ref": "x"}) == []


def body(text, **choice):
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop", **choice}]}


def test_each_choice_has_to_fit(schemas):
    question = Question("q", schema={"type": "integer"})
    both = {"choices": [*body("1")["choices"], *body("x")["choices"]]}
    assert schemas.mismatch(question, body("1")) is None
    assert schemas.mismatch(question, both).message.startswith("it is not JSON")
    assert schemas.mismatch(Question("q"), body("x")) is None


def test_numbers_that_are_none_are_no_json(schemas):
    question = Question("q", schema={"type": "number"})
    for text in ("NaN", "Infinity", "1e", str(math.inf)):
        assert schemas.mismatch(question, body(text)).message.startswith("it is not JSON")
    assert schemas.mismatch(question, body("123456789012345678901234567890")) is None


def test_schemas_are_remembered_and_not_too_many_of_them(schemas):
    first = Question("q", schema={"maximum": 0})
    assert schemas.refusal(first) is None
    for most in range(1, 2 * KEPT):
        assert schemas.mismatch(Question("q", schema={"maximum": most}), body(str(most))) is None
    assert schemas.refusal(first) is None
