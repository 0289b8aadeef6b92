"""What workers keep of their matches for people to look through: little, the riskiest, and each pair once."""

import pytest

from askonce import Answer, Question
from askonce.contract.keys import Keys
from askonce.contract.matches import MOST_SHOWN
from askonce.operator.matches import Matches
from askonce_worker.answering.ports import Finished
from askonce_worker.answering.serving import FirstMatch
from askonce_worker.auditing.match_feed import MatchFeed
from askonce_worker.matching.match import Matcher


@pytest.fixture
def feed(redis, prefix):
    matcher = Matcher(threshold=0.9, max_chars=1000)
    return MatchFeed(redis, Keys(prefix), matcher, FirstMatch(matcher), most=3)


@pytest.fixture
async def matches(valkey_url, prefix):
    async with Matches(valkey_url, key_prefix=prefix) as matches:
        yield matches


def served(text, matched, similarity, source="semantic"):
    question = Question(text, model="m", job_id="j").checked(namespace="n", model=None)
    answer = Answer("j", "answered", source=source, similarity=similarity, matched_question=matched)
    return Finished(question, answer)


async def test_of_an_hour_the_least_similar_are_kept_each_pair_once(feed, matches, redis, prefix):
    feed.published([served(f"question {n}", f"other {n}", 0.9 + n / 100) for n in range(6)])
    feed.published([served("question 0", "other 0", 0.9)])
    await feed.aclose()
    feed.published([served("question 1", "other 1", 0.91, "inflight"), served("safe", "and sound", 0.99)])
    await feed.aclose()
    found = sorted(await matches.all(), key=lambda seen: seen.match.similarity)
    assert [seen.match.question for seen in found] == ["question 0", "question 1", "question 2"]
    first = found[0].match
    assert (first.matched, first.threshold, first.source, first.namespace) == ("other 0", 0.9, "semantic", "n")
    for key in [key async for key in redis.scan_iter(f"{prefix}:audit:*")]:
        assert 0 < await redis.ttl(key) <= 25 * 3600


async def test_its_own_answer_is_no_match_and_long_texts_are_cut(feed, matches):
    feed.published([served("same", "same", 1.0), served("x" * 5000, "y", 0.95)])
    await feed.aclose()
    [seen] = await matches.all()
    assert len(seen.match.question) == MOST_SHOWN


async def test_a_verdict_is_shown_and_kept_as_a_label(feed, matches):
    feed.published([served("the red tower", "the road tower", 0.95), served("a", "b", 0.97)])
    await feed.aclose()
    found = {seen.match.question: seen.match for seen in await matches.all()}
    assert await matches.judge(found["the red tower"], right=False)
    assert not await matches.judge(found["the red tower"], right=False)
    assert await matches.judge(found["a"], right=True)
    said = {seen.match.question: seen.said for seen in await matches.all()}
    assert said == {"the red tower": "wrong", "a": "right"}
    rows = {row["a"]: (row["same"], row["namespace"]) for row in await matches.labelled()}
    assert rows == {"the red tower": (False, "n"), "a": (True, "n")}


async def test_a_record_that_cannot_be_read_hides_no_other(feed, matches, redis, prefix):
    feed.published([served("a", "b", 0.95)])
    await feed.aclose()
    [key] = [key async for key in redis.scan_iter(f"{prefix}:audit:matches:*")]
    await redis.hset(key, mapping={"x": b"{", "y": b'{"at":1,"format":99}'})
    assert [seen.match.question for seen in await matches.all()] == ["a"]
