"""Questions about now: their answers are only true for a moment and are not cached."""

import re

OFF = "off"

_NEWS = r"(?:prices?|costs?|rates?|scores?|weather|temperature|time|date|news|traffic|version|status)"
# Each begins with a look-ahead at the next letter, because these are tried on every question and rarely match.
_ENGLISH = (
    r"(?=[abcdlnprstvwy])\b(?:today'?s?|todays|tonight|(?:tomorrow|yesterday)(?!'s date)|last night|latest|right now"
    r"|at (?:the|this) moment|as of now|this (?:morning|afternoon|evening)|(?:what|which) (?:day|date|time) is it"
    r"|what(?:'s| is) the (?:time|date) now"
    rf"|breaking news|live scores?|weather (?:now|forecast)|current(?:ly)? (?:\w+ ){{0,2}}{_NEWS}"
    rf"|{_NEWS}(?: of (?:\w+ ){{1,2}}| )(?:now|at present))\b"
)
_CHINESE = (
    r"(?=[今昨明本此实最几当现目])(?:今天|今日|今晚|昨[日晚]|明[日晚]|[昨明]天(?!的?日期)|本周|此刻|实时|最新|几点了|(?:当前|现在|目前)[^,，。?？]{0,6}?"
    r"(?:几点|时间|天气|气温|汇率|利率|价格|股价|金价|油价|房价|行情|版本|路况|多少钱))"
)
ABOUT_NOW = (_ENGLISH, _CHINESE)
"""On by default: a stale answer to such a question is wrong, and they are rare (0.6 % of the questions in QQP, 0.9 % in
LCQMC). A bare 'now', 'current' or 现在 does not count: the answer to 'How do I undo it now?' stays the same."""


def never_cached(setting: str) -> re.Pattern[str] | None:
    """One pattern for all of them; None if there are none.

    setting: '' for the built-in patterns, `off`, or regular expressions that replace them: one per line, or separated
    by commas in a single line. They ignore case. Raises ValueError for a malformed one.
    """
    if setting.strip() == OFF:
        return None
    expressions = [part.strip() for part in setting.split("\n" if "\n" in setting.strip() else ",")]
    chosen = [part for part in expressions if part] or ABOUT_NOW
    for expression in chosen:
        try:
            re.compile(expression)
        except re.error as error:
            raise ValueError(f"{expression!r} is not a regular expression: {error}") from error
    return re.compile("|".join(f"(?:{expression})" for expression in chosen), re.IGNORECASE)
