"""What a question asks for: a reason, place, time, person, amount, method, opinion, or yes or no."""

import re

_ENGLISH = re.compile(
    r"\b(?:(why(?! ?\?| not)|how come|how (?:could|did|can) (?:this|that|it) happen)"
    r"|(where)|(when(?= (?:do|does|did|is|are|was|were|will|should|can))|what time"
    r"|what (?:date|day|year))|(who|whom|whose)|(how (?:many|much))"
    r"|(how (?:do|can|to|should|could|would|i|you|one|we)|(?:best|easiest|fastest) ways?)|(^should (?:i|we)))\b"
)
_CHINESE = re.compile(
    r"(为什么|为何|为啥|为甚么)|(哪里|哪儿|什么地方|在哪|去哪|到哪)|(什么时候|什么时间|何时|几时|几点|几月|几号|哪天|哪年|啥时)"
    r"|(谁)|(多少|几)|(怎么(?![样办了会回没不])|怎样(?![呀啊呢?。! ]*$)|如何(?![?。! ]*$)|咋(?!样))"
    r"|(怎么样[?。! ]*$|如何[?。! ]*$|怎样[呀啊呢?。! ]*$|咋样|好不好|好吗)"
)
_ENGLISH_CLASSES = ("reason", "place", "time", "person", "amount", "way", "decision")
_CHINESE_CLASSES = ("reason", "place", "time", "person", "amount", "manner", "opinion")
_APART_FROM = {
    "reason": ("place", "time", "person", "amount", "way", "decision", "opinion"),
    "place": ("time", "amount", "decision", "opinion"),
    "time": ("person", "amount", "way", "manner", "decision"),
    "amount": ("way", "manner", "decision"),
    "way": ("decision",),
    "manner": ("opinion",),
}
"""Pairs of classes whose answers differ. Others often share one: 'Where can I buy it', 'How can I buy it'; and 怎么
asks for a reason as well as a method."""


def asked_for(folded: str) -> frozenset[str]:
    """The classes of questions in a text; empty if none is clear."""
    found = {_ENGLISH_CLASSES[(match.lastindex or 1) - 1] for match in _ENGLISH.finditer(folded)}
    if not folded.isascii():
        found |= {_CHINESE_CLASSES[(match.lastindex or 1) - 1] for match in _CHINESE.finditer(folded)}
    return frozenset(found)


def another_answer(asked: frozenset[str], other: frozenset[str]) -> bool:
    """Whether each asks for one thing, and the two do not go together."""
    if len(asked) != 1 or len(other) != 1:
        return False
    (one,), (two,) = asked, other
    return two in _APART_FROM.get(one, ()) or one in _APART_FROM.get(two, ())
