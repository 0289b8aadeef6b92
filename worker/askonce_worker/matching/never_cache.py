"""Questions about now: their answers are true for a moment, and are not kept."""

import re

OFF = "off"

_NEWS = r"(?:prices?|costs?|rates?|scores?|weather|temperature|time|date|news|traffic|version|status)"
# Each begins with a look at the next letter: most have a chance nowhere in a text, and this is asked of every question.
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
"""On by default: a stale answer to such a question is a wrong one, and they are few (0.6 % of the questions in QQP,
0.9 % in LCQMC). A bare 'now', 'current' or 现在 is left alone: 'How do I undo it now?' has one answer for long."""


def never_cached(setting: str) -> re.Pattern[str] | None:
    """One pattern for all of them; None if there are none.

    setting: '' for the built-in ones, `off`, or regular expressions instead of them, one a line or, all in one line,
    with commas between them. Letters match in either case. Raises ValueError for one that is malformed.
    """
    if setting.strip() == OFF:
        return None
    expressions = [part.strip() for part in setting.split("\n" if "\n" in setting.strip() else ",")]
    chosen = [part for part in expressions if part] or ABOUT_NOW
    for expression in chosen:
        try:
            re.compile(expression)
        except re.error as error:
            raise ValueError(f"{expression!r} is no regular expression: {error}") from error
    return re.compile("|".join(f"(?:{expression})" for expression in chosen), re.IGNORECASE)
