"""Answers that are to fit a schema, as a client sees them: objects, or failures."""

from dataclasses import dataclass

import orjson
import pytest

from askonce import InvalidQuestion, Question, QuestionFailed

SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}


@dataclass
class Label:
    """As much of a pydantic model as is needed: it demands more than its schema says."""

    label: str

    @classmethod
    def model_json_schema(cls):
        return {**SCHEMA, "title": "Label"}

    @classmethod
    def model_validate_json(cls, text):
        label = orjson.loads(text)["label"]
        if label not in ("refund", "order"):
            raise ValueError(f"{label!r} is no label")
        return cls(label)


def labelling(question):
    return f'{{"label": "{question.text}"}}'


async def test_an_answer_is_an_object_of_the_model_and_so_is_its_cached_copy(client, service):
    service.answering = labelling
    first = await client.ask("refund", schema=Label)
    again = await client.ask("refund", schema=Label)
    assert (first.source, again.source) == ("llm", "exact")
    assert first.parsed == again.parsed == Label("refund")
    assert first.text == '{"label": "refund"}'
    [asked] = service.asked
    sent = asked.params["response_format"]["json_schema"]
    assert (sent["name"], sent["strict"], sent["schema"]["additionalProperties"]) == ("Label", True, False)


async def test_of_a_json_schema_it_is_the_value_of_the_json(client, service):
    service.answering = labelling
    assert (await client.ask("order", schema=SCHEMA)).parsed == {"label": "order"}
    assert (await client.ask("order", params={"response_format": FORMAT}, schema=True)).source == "exact"
    assert (await client.ask("order", params={"response_format": FORMAT})).parsed is None
    assert (await client.lookup("order", schema=SCHEMA)).parsed == {"label": "order"}


async def test_many_questions_have_their_objects_in_order(client, service):
    service.answering = labelling
    questions = [Question(label, schema=Label) for label in ("refund", "order", "refund")]
    assert [answer.parsed async for _, answer in client.map(questions)] == [Label(each.text) for each in questions]
    ids = await client.submit_many(questions)
    found = [answer.parsed.label async for answer in client.as_completed(ids, schema=Label, timeout=60)]
    assert sorted(found) == ["order", "refund", "refund"]
    assert (await client.result(ids[1], schema=Label)).parsed == Label("order")
    assert (await client.result(ids[1])).parsed is None


async def test_what_is_no_json_or_no_object_of_the_model_fails(client, service):
    service.answering = lambda question: "a refund, I think"
    with pytest.raises(QuestionFailed) as failed:
        await client.ask("What is it?", schema=SCHEMA)
    assert failed.value.answer.error.kind == "invalid_answer"
    service.answering = lambda question: '{"label": 3}'
    with pytest.raises(QuestionFailed, match="does not fit its schema"):
        await client.ask("And this?", schema=SCHEMA)
    service.answering = labelling
    with pytest.raises(QuestionFailed, match="'other' is no label"):
        await client.ask("other", schema=Label)
    questions = [Question("order", schema=Label), Question("other", schema=Label)]
    order, other = [answer async for _, answer in client.map(questions)]
    assert (order.parsed, other.status, other.parsed) == (Label("order"), "failed", None)
    assert "no label" in other.error.message


async def test_an_entry_that_nobody_has_looked_at_is_no_hit_for_who_wants_a_schema(client, service):
    service.answering = labelling
    as_ever = Question("order", params={"response_format": FORMAT})
    await client.store(as_ever, "an order, I think")
    assert (await client.ask(as_ever)).text == "an order, I think"
    assert await client.lookup(as_ever, schema=True) is None
    answer = await client.ask(as_ever, schema=True)
    assert (answer.source, answer.parsed) == ("llm", {"label": "order"})
    assert (await client.ask(as_ever)).text == '{"label": "order"}', "it is replaced for all"


@pytest.mark.parametrize("around", ["\u00a0", "\u3000", "\f", "\ufeff"])
async def test_json_stands_alone_for_the_client_too(client, service, around):
    service.answering = lambda question: f'{around}{{"label": "order"}}'
    with pytest.raises(QuestionFailed) as failed:
        await client.ask("order", schema=SCHEMA)
    assert failed.value.answer.error.kind == "invalid_answer"


@pytest.mark.parametrize("schema", [SCHEMA, Label])
async def test_what_is_said_beside_a_call_of_a_tool_is_no_answer_yet(client, service, schema):
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Let me look.", "tool_calls": [call]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    service.answering = lambda question: body
    answer = await client.ask("order", schema=schema)
    assert (answer.status, answer.parsed, answer.text) == ("answered", None, "Let me look.")


async def test_another_schema_takes_the_place_of_a_questions_own(client, service):
    service.answering = lambda question: '{"n": 1}'
    other = {"type": "object", "properties": {"n": {"type": "integer"}}}
    question = Question("order", schema=Label, params={"temperature": 0})
    assert (await client.ask(question, schema=other)).parsed == {"n": 1}
    assert service.asked[0].params["response_format"]["json_schema"]["schema"] == other
    assert service.asked[0].params["temperature"] == 0


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"schema": 3}, "a pydantic model"),
        ({"schema": int}, "a pydantic model"),
        ({"schema": {1: b""}}, "not JSON"),
        ({"schema": {"enum": ["x" * 70_000]}}, "over 65536 bytes"),
        ({"schema": True}, "the parameters have none"),
        ({"schema": True, "params": {"response_format": {"type": "json_object"}}}, "the parameters have none"),
        ({"schema": SCHEMA, "params": {"response_format": {"type": "text"}}}, "two different answer formats"),
        ({"schema": SCHEMA, "endpoint": "embeddings"}, "embeddings have no schema"),
    ],
)
async def test_a_schema_that_is_none_is_refused_before_anything_is_asked(client, service, fields, words):
    with pytest.raises(InvalidQuestion, match=words):
        await client.ask(Question("q", **fields))
    [(_, answer)] = [each async for each in client.map([Question("q", **fields)])]
    assert answer.error.kind == "invalid_question"
    assert service.asked == []
