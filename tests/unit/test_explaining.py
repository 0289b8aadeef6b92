"""What is said of a question that is explained: records, scopes in short, reasons, and three lines for a person."""

from dataclasses import replace

import orjson
import pytest

from askonce import Difference, ExactEntry, Explanation, InForce, NearEntry, Question
from askonce.commands.explain_lines import lines
from askonce.contract.explaining import explanation_record, pack_request, read_explanation, unpack_request
from askonce.contract.scope_record import EXCERPT, differences, parts_of, read_scope, scope_record
from askonce.store.kept_scopes import CONVERSATION, REMEMBERED, KeptScopes
from askonce_worker.explaining.reasons import Found, explained

QUESTION = Question("how?", "m", namespace="n", job_id="j")
KNOWN = Explanation("none", "no_entry", "n", "m", QUESTION.scope, QUESTION.fingerprint, "0.0.0.0", ExactEntry())
NEAR = NearEntry("how so?", 0.99, 30, 3600)
FULL = replace(
    KNOWN,
    in_scope=(replace(NEAR, refused_by=("negation",)),),
    elsewhere=(replace(NEAR, refused_by=("scope",), differences=(Difference("system", "Be brief.", None),)),),
    in_force=InForce(0.95, "learnt", 3, 0.05),
    explained_by="worker",
)


def asked(**fields):
    return Question("how?", **{"model": "m", "namespace": "n", **fields})


def differing(one, other):
    return {each.field: (each.asked, each.cached) for each in differences(parts_of(one), parts_of(other))}


@pytest.mark.parametrize("explanation", [KNOWN, FULL])
def test_an_explanation_is_read_as_it_was_written_and_by_older_clients(explanation):
    raw = explanation_record(explanation)
    assert read_explanation(raw) == explanation
    newer = orjson.loads(raw)
    newer["more"] = newer["exact"]["more"] = 1
    assert read_explanation(orjson.dumps(newer)) == explanation


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b'{"v":2}', b'{"v":1}', explanation_record(FULL).replace(b'"exact":{', b'"exact":[{')[:-1] + b"]}"],
)
def test_an_explanation_that_is_none_is_refused(raw):
    with pytest.raises(ValueError, match=r"."):
        read_explanation(raw)


def test_a_request_brings_the_question_as_it_is():
    question = asked(
        params={"temperature": 0.5}, cache="refresh", threshold=0.99, history=({"role": "user", "content": "a"},)
    )
    found = unpack_request(orjson.loads(pack_request("id", question, 5000)))
    assert (found.reply_to, found.timeout_ms) == ("id", 5000)
    assert found.question.with_fields(history=question.history) == question.with_fields(job_id="id")
    assert found.question.fingerprint == question.fingerprint


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"v": 2},
        {"v": 1, "chunk": None},
        {**orjson.loads(pack_request("id", QUESTION, 1)), "reply_to": "other"},
    ],
)
def test_a_request_that_is_none_is_refused(payload):
    with pytest.raises(ValueError, match=r"."):
        unpack_request(payload)


def test_scopes_are_compared_part_by_part():
    one = asked(system="Be brief.", params={"temperature": 0.5, "seed": 1})
    other = asked(template="Say: {text}", params={"temperature": 0, "seed": 1}, model="other")
    assert differing(one, other) == {
        "model": ("m", "other"),
        "system": ("Be brief.", None),
        "template": (None, "Say: {text}"),
        "params.temperature": ("0.5", "0"),
    }
    assert differing(one, one) == {}


def test_long_parts_are_told_apart_by_their_lengths_and_digests():
    long = "You are a helpful assistant who answers in one sentence, and never tells a secret. "
    [(one, other)] = differing(asked(system=long), asked(system=f"{long}Never.")).values()
    assert (one[60:], other[60:]) == (f" ({len(long)} characters)", f" ({len(long) + 6} characters)")
    [(one, other)] = differing(asked(system=f"{long}a"), asked(system=f"{long}b")).values()
    assert one != other
    turns = [{"role": "user", "content": long}]
    [(one, other)] = differing(asked(history=turns), asked(history=[*turns, *turns])).values()
    assert (one.endswith("(1 messages)"), other.endswith("(2 messages)")) == (True, True)


def test_a_record_of_a_scope_is_short_whatever_the_scope():
    tools = [{"type": "function", "function": {"name": "f", "description": "d" * 10_000}}]
    params = {"tools": tools, **{f"p{n}": "x" * 1000 for n in range(100)}}
    raw = scope_record(asked(system="s" * 100_000, params=params))
    assert len(raw) < 5000
    assert max(len(text) for _, _, text in read_scope(raw).values()) <= EXCERPT
    for wrong in (
        b"",
        b"{}",
        b'{"v":2,"parts":{}}',
        b'{"v":1,"parts":{"system":"s"}}',
        b'{"v":1,"parts":{"system":[1,2,3]}}',
    ):
        with pytest.raises(ValueError, match=r"."):
            read_scope(wrong)


def test_a_scope_is_kept_once_and_again_in_half_its_life():
    now = 0.0
    kept = KeptScopes(lambda: now)
    assert kept.note(QUESTION, 100)[::2] == [QUESTION.scope, 100_000]
    assert kept.note(QUESTION, 100) == []
    now = 51.0
    assert kept.note(QUESTION, 100)[0] == QUESTION.scope
    turn = asked(history=({"role": "user", "content": "a"},))
    assert kept.note(turn, 10 * CONVERSATION)[2] == CONVERSATION * 1000
    for number in range(REMEMBERED):
        kept.note(asked(system=str(number)), 100)
    assert kept.note(QUESTION, 100) != []


def refused(similarity, *rules):
    return replace(NEAR, similarity=similarity, refused_by=rules)


@pytest.mark.parametrize(
    ("known", "found", "expected"),
    [
        ({}, Found(), ("none", "no_entry")),
        ({}, Found("too_long"), ("none", "too_long")),
        ({}, Found(in_scope=(NEAR,)), ("semantic", "semantic")),
        ({}, Found(in_scope=(refused(0.99, "negation"), NEAR)), ("semantic", "semantic")),
        ({}, Found(in_scope=(refused(0.99, "negation"),)), ("none", "refused")),
        ({}, Found(in_scope=(refused(0.8, "threshold", "negation"),)), ("none", "below_threshold")),
        ({}, Found(in_scope=(refused(0.8, "threshold"),), elsewhere=(refused(1.0, "scope"),)), ("none", "other_scope")),
        ({}, Found(in_scope=(refused(0.99, "case"),), elsewhere=(refused(0.98, "scope"),)), ("none", "refused")),
        ({}, Found(elsewhere=(refused(1.0, "epoch"),)), ("none", "invalidated")),
        ({}, Found(elsewhere=(refused(1.0, "scope", "epoch"),)), ("none", "no_entry")),
        ({}, Found(elsewhere=(refused(0.5, "scope", "threshold"),)), ("none", "no_entry")),
        ({"reason": "expired"}, Found("too_long"), ("none", "expired")),
        ({"reason": "expired"}, Found(in_scope=(NEAR,)), ("semantic", "semantic")),
        ({"reason": "refresh"}, Found(in_scope=(NEAR,)), ("none", "refresh")),
        ({"reason": "exact", "outcome": "exact"}, Found("about_now", "now"), ("exact", "exact")),
    ],
)  # fmt: skip
def test_the_nearest_reason_is_told(known, found, expected):
    whole = explained(replace(KNOWN, **known), found, InForce(0.95))
    assert (whole.outcome, whole.reason, whole.explained_by) == (*expected, "worker")


LONG = replace(NEAR, question="what is it " * 30, refused_by=("threshold", "negation", "qualifier"))


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"explained_by": "redis"}, "no hit: its own answer is not cached, and others were not looked for"),
        ({}, "no hit: nothing like it is cached in this namespace"),
        ({"outcome": "exact", "exact": ExactEntry("valid", 9, 604_000)}, "hit, exact: stored 9 s ago, expires in 7 d"),
        ({"outcome": "semantic", "in_scope": (NEAR,)}, "hit, semantic: the answer to another question serves this one"),
        ({"reason": "about_now", "detail": "latest"},
         'no hit: it asks about the present ("latest"), and such answers are not cached'),
        ({"reason": "unmatched", "detail": "qdrant_down"}, "no hit: it could not be compared: qdrant down"),
        ({"reason": "of a later release", "detail": "x"}, "no hit: of a later release"),
        ({"reason": "invalidated", "exact": ExactEntry("invalidated", 1, 1, ("model", "all"))},
         "no hit: what was cached was invalidated (model, all)"),
        ({"reason": "other_scope", "elsewhere": FULL.elsewhere},
         "no hit: cached in another scope: system is Be brief., there none"),
        ({"reason": "below_threshold", "in_scope": (LONG,)}, "no hit: no question is similar enough"),
    ],
)  # fmt: skip
def test_its_lines_fit_in_80_columns(changes, first):
    said = lines(replace(FULL, **{"in_scope": (), "elsewhere": (), **changes}), 80)
    assert said[0] == first
    assert max(map(len, said)) <= 80
    assert said[-1].startswith("in force: threshold 0.95 (learnt), checks 5.0%; epochs 0.0.0.0; scope ")


def test_all_rules_are_told_and_what_a_terminal_obeys_is_not_passed_on():
    rules = ("threshold", "negation", "qualifier", "numbers", "opposite", "case", "scope", "reported", "indistinct")
    said = lines(
        replace(FULL, in_scope=(replace(LONG, question="a\x1b]0;x\x07 b", refused_by=rules),), elsewhere=()), 80
    )
    assert '"a\\u001b]0;x\\u0007 b"' in said[1]
    assert all(rule in " ".join(said[2:-1]) for rule in rules)
    assert max(map(len, said)) <= 80
