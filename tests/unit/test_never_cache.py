"""Which questions are about now."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce_worker.matching.never_cache import never_cached


@pytest.mark.parametrize(
    "text",
    [
        "What is the weather in Oslo today?",
        "What's the current price of gold?",
        "current gold price",
        "Which is the latest iPhone?",
        "What is open right now?",
        "What time is it in Tokyo?",
        "今天北京天气怎么样",
        "最新的新闻",
        "现在几点",
        "当前油价是多少",
        "What is the weather tomorrow?",
        "Who won last night?",
        "What happened yesterday?",
        "What is Apple's stock price now?",
        "What is the current US interest rate?",
        "what is todays date",
        "what's the time now",
        "明天天气怎么样",
        "昨天的比赛谁赢了",
        "本周天气",
        "现在比特币多少钱",
        "现在的美元汇率",
        "当前黄金价格",
    ],
)
def test_the_built_in_patterns_find_questions_about_now(text):
    assert never_cached("").search(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "How do I undo it now?",
        "How does electric current work?",
        "my current account",
        "现在怎么申请退款",
        "How do I get yesterday's date in Python?",
        "昨天的日期怎么计算",
    ],
)
def test_the_built_in_patterns_leave_lasting_questions_alone(text):
    assert never_cached("").search(text) is None


PATTERN = never_cached("").pattern
SLOW = re.compile(re.sub(r"\(\?=\[[^]]+\]\)", "", PATTERN), re.IGNORECASE)
"""Without the looks ahead at the first letter."""


@given(st.from_regex(SLOW))
def test_a_look_at_the_first_letter_rules_nothing_out(text):
    assert len(SLOW.pattern) < len(PATTERN)
    assert never_cached("").search(text).span() == SLOW.search(text).span()


def test_patterns_are_parted_by_commas_or_lines():
    assert never_cached("lunch, Dinner").search("what is for dinner")
    by_lines = never_cached("lunch\nroom \\d{2,3}\n")
    assert by_lines.search("who is in room 12")
    assert not by_lines.search("who is in room 1")
    assert not by_lines.search("the weather today")


def test_off_is_no_pattern():
    assert never_cached("off") is None


def test_a_malformed_pattern_is_refused():
    with pytest.raises(ValueError, match="not a regular expression"):
        never_cached("fine,(not")
