"""What the front door refuses before anybody else sees it."""

import pytest
from starlette.requests import Request

from askonce.contract.access_key import AccessKey
from askonce.serve.batch_routes import wishes_of
from askonce.serve.bodies import read_object
from askonce.serve.file_routes import checked_lifetime, limit_of
from askonce.serve.provider import relayed
from askonce.serve.refusals import Refused
from askonce.serve.wishes import question_of

WRONG = ["", ".", "..", "../files", "a/../../files", "a//b", "a/", "a?b", "a#b", "a\\..\\b", "a\n", "a\x00", "a\x7f"]


@pytest.mark.parametrize("name", WRONG)
def test_a_name_that_leads_elsewhere_is_not_relayed(name):
    with pytest.raises(Refused) as caught:
        relayed(f"models/{name}")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("gpt-4o", "gpt-4o"),
        ("org/model:free", "org/model:free"),
        ("ft:gpt-4o:o::id@1", "ft:gpt-4o:o::id@1"),
        ("..%2Ffiles", "..%252Ffiles"),
        ("a b;c", "a%20b%3Bc"),
    ],
)
def test_a_name_is_relayed_as_one(name, path):
    assert relayed(f"models/{name}") == f"models/{path}"


@pytest.mark.parametrize("given", ["0", "11", "-1", "", "a", "1" * 5000])
def test_a_limit_is_a_small_number(given):
    with pytest.raises(Refused, match="limit"):
        limit_of({"limit": given}, 1, 10)
    assert limit_of({"limit": "10"}, 1, 10) == 10


@pytest.mark.parametrize("seconds", [None, 1, "1", "9" * 5000, 10**4000, 3600.5, [3600]])
def test_a_lifetime_is_a_number_of_seconds(seconds):
    with pytest.raises(Refused, match="seconds"):
        checked_lifetime({"anchor": "created_at", "seconds": seconds}, "expires_after")
    assert checked_lifetime({"anchor": "created_at", "seconds": "3600"}, "expires_after") == 3600
    assert checked_lifetime({"anchor": "created_at", "seconds": 3600}, "expires_after") == 3600


@pytest.mark.parametrize("name", ["threshold", "ttl", "template"])
def test_a_wish_that_no_batch_has_is_refused_by_name(name):
    with pytest.raises(Refused, match=f"x-askonce-{name}"):
        wishes_of({}, {f"x-askonce-{name}": "1"})
    assert wishes_of({}, {"x-askonce-cache": "bypass", "x-askonce-namespace": "n"}).cache == "bypass"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("cache", "yes", "one of use, refresh, bypass"),
        ("cache", "", "one of use, refresh, bypass"),
        ("ttl", "-1", "above 0"),
        ("ttl", "nan", "above 0"),
        ("ttl", "", "is not a number"),
        ("threshold", "2", r"\(0, 1\]"),
        ("namespace", "", "1 to 64"),
        ("namespace", "a b", "1 to 64"),
        ("schema", "", "true or false"),
        ("template", "no place", "{text} once"),
        ("job-id", "x", "there are x-askonce-cache"),
    ],
)
def test_a_header_that_will_not_do_is_named(name, value, says):
    header = f"x-askonce-{name}"
    with pytest.raises(Refused, match=f"{header}.*{says}") as caught:
        question_of(BODY, {header: value}, KEY)
    assert (caught.value.status, caught.value.param) == (400, header)
    with pytest.raises(Refused, match="askonce"):
        question_of({**BODY, "askonce": {name: [value]}}, {}, KEY)
    if name in ("ttl", "namespace", "schema", "template"):
        assert question_of({**BODY, "askonce": {name: None}}, {}, KEY).text == "How many?"


def test_an_empty_header_of_a_batch_is_no_wish_either():
    for name in ("cache", "tier"):
        with pytest.raises(Refused, match=f"x-askonce-{name} must be one of"):
            wishes_of({}, {f"x-askonce-{name}": ""})


def test_a_null_is_no_other_namespace_than_the_keys():
    key = AccessKey("shop", "-", "shop", frozenset(), 0)
    for given in (None, "shop"):
        assert question_of({**BODY, "askonce": {"namespace": given}}, {}, key).namespace == "shop"
    with pytest.raises(Refused, match="only valid for the namespace 'shop'"):
        question_of({**BODY, "askonce": {"namespace": "other"}}, {}, key)


async def test_a_body_that_is_plain_json_is_read_whatever_its_header_calls_it():
    """Some clients name a charset as the encoding."""

    async def receive():
        return {"type": "http.request", "body": b'{"a": 1}', "more_body": False}

    for encoding in (b"utf-8", b"", b"Identity"):
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-encoding", encoding)]}
        assert await read_object(Request(scope, receive)) == {"a": 1}


FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}}
KEY = AccessKey("shop", "-", None, frozenset(), 0)
BODY = {"model": "m", "messages": [{"role": "user", "content": "How many?"}], "response_format": FORMAT}


def test_an_answer_has_to_fit_its_schema_where_the_request_says_so():
    assert question_of(BODY, {}, KEY).schema is None
    assert question_of(BODY, {"x-askonce-schema": "true"}, KEY).schema is True
    assert question_of({**BODY, "askonce": {"schema": True}}, {}, KEY).schema is True
    assert question_of(BODY, {"x-askonce-schema": "false"}, KEY).schema is None
    assert question_of({**BODY, "askonce": {"schema": True}}, {"x-askonce-schema": "false"}, KEY).schema is None
    assert question_of({**BODY, "askonce": {"schema": False}}, {}, KEY).schema is None
    for headers, body in (({"x-askonce-schema": "yes"}, BODY), ({}, {**BODY, "askonce": {"schema": {}}})):
        with pytest.raises(Refused, match="schema must be true or false"):
            question_of(body, headers, KEY)
