"""The cheaper tier, and the provider's prompt cache: what is sent, what is refused, and what is done then."""

import time

import pytest

from askonce.question import Question
from askonce_worker.answering.ports import LLMError
from askonce_worker.providers.additions import REMEMBERED, Additions, takes_cache_keys
from support.adapters import llm_for

PROMPT = "How do I read a CSV file in Python?"
QUESTION = Question(PROMPT, model="gpt-5.4-mini", namespace="default", system="Be brief.")
PRICES = {"gpt-5.4-mini": {"default": [750_000, 75_000, 4_500_000], "flex": [375_000, 37_500, 2_250_000]}}
UNSUPPORTED = {
    "error": {"message": "Unsupported service_tier: flex", "type": "invalid_request_error", "param": None, "code": None}
}
UNKNOWN = {"detail": [{"type": "extra_forbidden", "loc": ["body", "prompt_cache_key"], "msg": "not permitted"}]}


@pytest.fixture
async def server(llm_server):
    await llm_server.control(chat={"prices": PRICES})
    return llm_server


@pytest.fixture
async def llm_of(server):
    made = []

    def make(**options):
        made.append(llm_for(server, **options))
        return made[-1]

    yield make
    for llm in made:
        await llm.close()


async def sent(server):
    """The `service_tier` of each request."""
    requests = (await server.stats())["chat"]["requests"]
    return [request["body"].get("service_tier") for request in requests]


async def test_flex_is_asked_for_and_paid_as_the_reply_says(server, llm_of):
    completion = await llm_of().complete(QUESTION, timeout=60, tier="flex")
    assert (completion.tier, await sent(server)) == ("flex", ["flex"])
    completion = await llm_of().complete(QUESTION, timeout=60)
    assert (completion.tier, await sent(server)) == ("standard", ["flex", None])


@pytest.mark.parametrize(
    "refusal",
    [
        {"kind": "status", "status": 429, "code": "resource_unavailable", "retry_after": "60"},
        {"kind": "status", "status": 429, "message": "Resource unavailable: no capacity for flex now"},
        {"kind": "status", "status": 498, "code": "capacity_exceeded"},
        {"kind": "hang"},
        {"kind": "status", "status": 500},
    ],
    ids=["code", "words", "groq", "slow", "failing"],
)
async def test_where_flex_has_no_room_the_standard_tier_is_asked_at_once(server, llm_of, refusal):
    told = []
    await server.control(chat={"fail": {**refusal, "tier": "flex"}})
    llm = llm_of(flex_timeout=0.3, on_rate_limit=lambda *pause: told.append(pause))
    completion = await llm.complete(QUESTION, timeout=60, tier="flex")
    assert (completion.tier, await sent(server), told) == ("standard", ["flex", None], [])
    await llm.complete(QUESTION, timeout=60, tier="flex")
    assert await sent(server) == ["flex", None] * 2, "it may have room the next time"


async def test_a_rate_limit_is_no_refusal_of_flex(server, llm_of):
    limit = {"kind": "status", "status": 429, "code": "rate_limit_exceeded", "headers": {"retry-after-ms": "1"}}
    await server.control(chat={"fail": {**limit, "times": 2}})
    completion = await llm_of().complete(QUESTION, timeout=60, tier="flex")
    assert (completion.tier, await sent(server)) == ("flex", ["flex"] * 3)


async def test_a_model_without_flex_is_not_asked_for_it_again_for_an_hour(server, llm_of):
    await server.control(chat={"fail": {"kind": "status", "status": 400, "body": UNSUPPORTED, "tier": "flex"}})
    now = [0.0]
    llm = llm_of(additions=Additions(cache_keys=False, clock=lambda: now[0]))
    for _ in range(3):
        assert (await llm.complete(QUESTION, timeout=60, tier="flex")).tier == "standard"
    assert await sent(server) == ["flex", None, None, None]
    now[0] += REMEMBERED + 1
    await llm.complete(QUESTION, timeout=60, tier="flex")
    assert await sent(server) == ["flex", None, None, None, "flex", None]


async def test_what_is_wrong_with_a_question_is_not_taken_for_a_refusal_of_flex(server, llm_of):
    await server.control(chat={"fail": {"kind": "status", "status": 400, "message": "flexible words"}})
    with pytest.raises(LLMError) as raised:
        await llm_of().complete(QUESTION, timeout=60, tier="flex")
    assert (raised.value.kind, await sent(server)) == ("bad_request", ["flex"])


async def test_a_question_with_little_time_left_is_not_asked_in_flex(server, llm_of):
    completion = await llm_of(timeout=30).complete(QUESTION, timeout=20, tier="flex")
    assert (completion.tier, await sent(server)) == ("standard", [None])


async def test_questions_of_one_scope_have_one_key_at_the_providers_cache(server, llm_of):
    llm = llm_of(additions=Additions(cache_keys=True, clock=time.monotonic))
    other = QUESTION.with_fields(text="And a JSON file?")
    own = QUESTION.with_fields(params={"prompt_cache_key": "mine"})
    for question in (QUESTION, other, own):
        await llm.complete(question, timeout=60)
    keys = [request["body"].get("prompt_cache_key") for request in (await server.stats())["chat"]["requests"]]
    assert keys == [QUESTION.scope, QUESTION.scope, "mine"]
    assert len(QUESTION.scope) <= 64, "OpenAI refuses longer ones"


async def test_a_provider_that_refuses_the_key_is_asked_without_it(server, llm_of):
    await server.control(chat={"fail": {"kind": "status", "status": 422, "body": UNKNOWN, "times": 1}})
    llm = llm_of(additions=Additions(cache_keys=True, clock=time.monotonic))
    for _ in range(2):
        assert (await llm.complete(QUESTION, timeout=60, tier="flex")).tier == "flex"
    bodies = [request["body"] for request in (await server.stats())["chat"]["requests"]]
    assert ["prompt_cache_key" in body for body in bodies] == [True, False, False]


@pytest.mark.parametrize(
    ("url", "takes"),
    [
        (None, True),
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://me.openai.azure.com/openai/v1", True),
        ("https://api.mistral.ai/v1", False),
        ("http://localhost:8000/v1", False),
        ("https://api.openai.com.example/v1", False),
    ],
)
def test_only_providers_that_are_known_to_take_it_get_a_key(url, takes):
    assert takes_cache_keys(url) == takes
