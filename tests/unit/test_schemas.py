"""A schema on its way to the provider: strict where it may be."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Literal

import orjson
import pytest
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel, Field

from askonce import InvalidQuestion, Question
from askonce.contract.chunk import pack, unpack
from askonce.schemas.columns import columns_of
from askonce.schemas.strict import keeps_strict, resolved, strict_schema
from askonce.schemas.wanted import format_of, schema_in, with_format, without_format


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    """A part."""

    count: int = 3
    note: str | None = None


class Node(BaseModel):
    value: str
    children: list["Node"] = []


class Thing(BaseModel):
    name: str = Field(description="what it is called")
    part: Part | None = None
    colour: Colour = Field(description="its colour")
    first: Part = Field(description="the first part")
    parts: list[Part]
    kind: Literal["a", "b"] = "a"
    tree: Node
    either: int | str | Part


class Loose(BaseModel):
    counts: dict[str, int]
    note: str = ""


class Told(BaseModel):
    value: str
    child: "Told | None" = Field(None, description="a reference to itself, with words beside it")


@pytest.mark.parametrize("model", [Part, Node, Thing, Told])
def test_a_model_is_sent_as_the_openai_sdk_sends_it(model):
    made = strict_schema(model.model_json_schema())
    assert made == to_strict_json_schema(model)
    assert keeps_strict(made)
    sent = format_of(model)["json_schema"]
    assert sent == {"name": model.__name__, "schema": made, "strict": True}
    assert list(sent["schema"]["properties"]) == list(model.model_fields), "their order shapes the answer"


def test_a_model_that_strict_mode_cannot_express_is_sent_as_it_is():
    assert format_of(Loose)["json_schema"] == {"name": "Loose", "schema": Loose.model_json_schema()}


def test_a_reference_to_itself_with_words_beside_it_comes_to_an_end():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N", "description": "the next one"}}}
    made = strict_schema({"$ref": "#/$defs/N", "$defs": {"N": node}})
    assert made["$defs"]["N"]["properties"]["next"]["properties"]["next"] == {"$ref": "#/$defs/N"}


OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED = {**OPEN, "required": ["a"], "additionalProperties": False}


def test_a_json_schema_is_strict_only_where_it_keeps_the_rules():
    assert format_of(OPEN)["json_schema"] == {"name": "answer", "schema": OPEN}
    assert format_of(CLOSED)["json_schema"] == {"name": "answer", "schema": CLOSED, "strict": True}
    assert not keeps_strict({**CLOSED, "allOf": [{}]})
    assert not keeps_strict({**CLOSED, "properties": {"a": OPEN}})
    assert not keeps_strict({"type": "array", "items": CLOSED})
    assert format_of({**OPEN, "title": "My schema (2)"})["json_schema"]["name"] == "My_schema_2"


@pytest.mark.parametrize("strict", [{}, {"strict": True}, {"strict": False}])
def test_a_schema_may_have_its_name_around_it_or_be_a_whole_format(strict):
    named = {"name": "mine", "schema": OPEN, **strict}
    whole = {"type": "json_schema", "json_schema": named}
    assert format_of(named) == format_of(whole) == whole


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
def test_parameters_get_the_format_and_are_without_it_again(endpoint):
    params = {"temperature": 0, "text": {"verbosity": "low"}} if endpoint == "responses" else {"temperature": 0}
    made = with_format(params, CLOSED, endpoint)
    assert schema_in(made, endpoint) == CLOSED
    assert with_format(made, CLOSED, endpoint) == with_format(made, True, endpoint) == made
    assert without_format(made, endpoint) == params
    if endpoint == "responses":
        assert made["text"]["format"] == {"type": "json_schema", "name": "answer", "schema": CLOSED, "strict": True}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"response_format": None},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": []}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": 3}}},
    ],
)
def test_parameters_without_a_schema_have_none(params: Any):
    assert schema_in(params, "chat") is None


def test_the_wish_travels_with_the_question_and_is_no_part_of_its_identity():
    typed = Question("q", model="m", namespace="n", job_id="1", schema=CLOSED)
    plain = Question("q", model="m", namespace="n", job_id="2", params=typed.params)
    assert typed.fingerprint == plain.fingerprint
    payload = orjson.loads(pack("n", 1000, [typed, plain]))
    assert [item.get("schema") for item in payload["questions"]] == [True, None]
    assert len(payload["scopes"]) == 1
    read = unpack(payload)
    assert read.bad == ()
    assert [question.schema for question in read.questions] == [True, None]
    assert {question.fingerprint for question in read.questions} == {typed.fingerprint}


def test_a_wish_that_a_worker_cannot_grant_is_that_questions_fault_alone():
    payload = orjson.loads(pack("n", 1000, [Question(text, model="m", job_id=text) for text in ("a", "b")]))
    payload["questions"][0]["schema"] = True
    read = unpack(payload)
    assert [(bad.job_id, bad.reason) for bad in read.bad] == [("a", "schema is true, but the parameters have none")]
    assert [question.job_id for question in read.questions] == ["b"]
    payload["questions"][0]["schema"] = "of a newer client"
    assert unpack(payload).bad == ()


class Unsayable(BaseModel, arbitrary_types_allowed=True):
    call: Callable[[], int]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"endpoint": "responses", "params": {"text": "abc"}, "schema": CLOSED}, "text must be an object"),
        ({"endpoint": "responses", "params": {"text": ["abc"]}, "schema": CLOSED}, "text must be an object"),
        ({"schema": Unsayable}, "the schema is not JSON"),
    ],
)
def test_what_is_wrong_with_a_schema_waits_for_the_check(fields, words):
    question = Question("x", model="m", namespace="n", **fields)
    with pytest.raises(InvalidQuestion, match=words):
        question.check()


def test_a_reference_leads_into_lists_and_may_be_percent_encoded():
    root = {"$defs": {"My Model": {"type": "string"}, "a/b": {"type": "null"}}, "anyOf": [{"type": "integer"}]}
    assert resolved(root, "#/$defs/My%20Model") == {"type": "string"}
    assert resolved(root, "#/$defs/a~1b") == resolved(root, "#/%24defs/a~1b") == {"type": "null"}
    assert resolved(root, "#/anyOf/0") == {"type": "integer"}
    assert resolved(root, "#/anyOf/0/type") == "integer"
    for none in ("#/anyOf/1", "#/anyOf/-1", "#/anyOf/00", "#/anyOf/x", "#/anyOf/0/type/0", "anyOf/0"):
        assert resolved(root, none) is None


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"const": 3}, "integer"),
        ({"const": "a"}, "text"),
        ({"enum": [1, 2, None]}, "integer"),
        ({"enum": [1, True]}, "json"),
        ({"enum": ["a", None]}, "text"),
        ({"allOf": [{"$ref": "#/$defs/count"}], "description": "how many"}, "integer"),
        ({"allOf": [{"type": "integer"}, {"minimum": 0}]}, "json"),
        ({"anyOf": [{"$ref": "#/$defs/count"}, {"const": None}, {"type": "null"}]}, "json"),
        ({"anyOf": [{"$ref": "#/$defs/count"}, {"type": "null"}]}, "integer"),
        ({"$ref": "#/$defs/tree"}, "json"),
        ({"$ref": "#/$defs/round"}, "json"),
    ],
)
def test_a_column_has_the_type_of_its_property(part, kind):
    tree = {"anyOf": [{"type": "string"}, *[{"$ref": "#/$defs/tree"}] * 30]}
    named = {"count": {"type": "integer"}, "tree": tree, "round": {"allOf": [{"$ref": "#/$defs/round"}]}}
    assert columns_of({"properties": {"it": part}, "$defs": named}) == {"it": kind}


def test_a_column_of_a_schema_without_an_end_is_json():
    nested = {"type": "string"}
    for _ in range(300):
        nested = {"anyOf": [nested]}
    assert columns_of({"properties": {"it": nested}}) == {"it": "json"}
