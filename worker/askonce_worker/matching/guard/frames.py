"""Texts that ask for something to be done with another text: 'Translate into French …', 'Is this spam? …'.

The cosine of two such texts is mostly that of their frame, however short it is, so the content of the frame has to
decide.
"""

import re
from typing import NamedTuple

_COLON = re.compile(r"[^:]{10,}: |[^:\x00-\x7f]{4,}:")
_TASK = re.compile(
    r"(?:please |kindly |can you |could you )*(?:translate|classify|categori[sz]e|summari[sz]e|rewrite|rephrase"
    r"|paraphrase|correct|proofread|extract|detect|identify|label|tag|rate|score|grade|write|draft|compose|answer|reply"
    r"|respond|complete|continue|describe|name|list|give|title|caption|edit|shorten|simplify|turn|convert|fix|spell"
    r"|explain to|sentiment|tone|topic|language|keywords?|headline|subject line|synonyms?|antonyms?)\b.{4}"
    r"|(?:请|请你|帮我)?(?:把.{0,6})?(?:翻译|分类|总结|概括|改写|润色|纠正|提取|识别|判断|标注|打分|评价一下|写一|续写|补全|造句|缩写|扩写).{2}"
)
"""A beginning that states a task."""
_OF_A_TEXT = re.compile(
    r"\b(?:this|the|following|next|user'?s?|customer'?s?) (?:\w+ )?(?:text|sentence|review|message|comment|e-?mail"
    r"|ticket|headline|passage|paragraph|tweet|post|word|phrase|article|story|statement|snippet|utterance|quote|feedback"
    r"|complaint|note|title|caption|lyrics?|chat|transcript|claim)s?\b(?! of\b)"
    r"|(?:这|下面|以下|下列)(?:的|条|段|句|篇|个|则)*(?:文本|句子|评论|消息|留言|文章|段落|话|标题|邮件|内容|文字|单词)"
)
"""Phrases about a text that follows or precedes."""
_OPENINGS = ("this ", "the ", "following ", "next ", "user", "customer", "这", "下", "以")
"""Without one of these there is no frame."""
_SENTENCE = re.compile(r"[^.?!]{8,}+[.?!] ")
"""A complete English sentence."""


class Frame(NamedTuple):
    """Where a folded text's frame ends and begins, in characters.

    opens: a shared beginning is a frame if it is at least this long. sentence: likewise, if no question follows.
    closes: a shared end is a frame if it begins here or earlier.
    """

    opens: int
    sentence: int
    closes: int


NEVER = 10**9


def frame(folded: str) -> Frame:
    colon = _COLON.match(folded) if ":" in folded else None
    ends = [found.end() for found in (colon, _TASK.match(folded)) if found]
    of_a_text = [*_OF_A_TEXT.finditer(folded)] if any(opening in folded for opening in _OPENINGS) else []
    ends += [found.end() for found in of_a_text[:1]]
    sentence = _SENTENCE.match(folded)
    return Frame(
        opens=min(ends, default=NEVER),
        sentence=sentence.end() if sentence and "?" not in folded[sentence.end() :] else NEVER,
        closes=of_a_text[-1].start() if of_a_text else -1,
    )
