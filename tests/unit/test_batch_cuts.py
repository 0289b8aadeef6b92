"""Prompts with several variable parts: one is compared by similarity, the others must be equal."""

import time

import pytest

from askonce import Question
from askonce.templates.find_templates import find_templates
from askonce.templates.template import dumped, loaded

THINGS = ["lamp", "garden chair", "sofa", "writing desk", "kettle", "blue carpet", "mirror", "oven", "shelf", "clock"]
REVIEWS = [
    text.format(thing)
    for thing in THINGS
    for text in (
        "I bought this {} in May; it broke at once.",
        "What a lovely {}! My whole family likes it",
        "Not worth the money, this {}, and far too small",
        "{} came late, no word of excuse",
    )
]
READERS = ["child", "lawyer"]
PROMPTS = {
    "in a sentence, then a label": "Summarise the following review in one short sentence for a {a}.\n\nReview: {b}",
    "in a sentence, then a colon": "Summarise the following review in one short sentence for a {a}: {b}",
    "in a line of its own, then a colon": "You are an editor of a large newspaper.\nSummarise for a {a}: {b}",
    "labels": "You are an editor of a large newspaper. Summarise.\nReader: {a}\nReview: {b}",
    "headings": "You are an editor of a large newspaper. Summarise.\n## Reader\n{a}\n## Review\n{b}",
    "at the end": "Summarise this review for the reader named below it.\n{b}\nReader: {a}",
    "in brackets at the end": "You are an editor of a large newspaper. Summarise this: {b} (for a {a})",
    "in words at the end": "You are an editor of a large newspaper.\nExplain {b} to a {a}",
    "a table's row": "Summarise for the reader in the first column what the second says.\n{a} | {b}",
    "tags": "You are an editor. Summarise the review for this reader.\n<reader>{a}</reader>\n<review>{b}</review>",
}


def found_in(messages):
    return find_templates(Question(message, model="m") for message in messages)


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_the_same_text_for_two_readers_is_in_two_scopes(prompt):
    messages = {(a, b): prompt.format(a=a, b=b) for b in REVIEWS for a in READERS}
    found = found_in(messages.values())
    fitted = {key: found.fit(Question(message, model="m")) for key, message in messages.items()}
    for (reader, _), question in fitted.items():
        assert question.prompt() == messages[reader, _]
        assert question.semantic
        assert reader not in question.text
    for review in REVIEWS:
        child, lawyer = (fitted[reader, review] for reader in READERS)
        assert child.text == lawyer.text
        assert child.template != lawyer.template


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_texts_for_one_reader_share_a_scope(prompt):
    found = found_in([prompt.format(a=a, b=b) for b in REVIEWS for a in READERS])
    fitted = [found.fit(Question(prompt.format(a="child", b=b), model="m")) for b in REVIEWS]
    assert len({question.template for question in fitted}) == 1


def test_the_part_that_varies_most_is_compared():
    prompt = "You translate for a bookshop, with care.\nFrom: {}\nTo: {}\nText:\n{}\nTranslation:"
    found = found_in([prompt.format(a, b, text) for a in ("en", "fr") for b in ("de", "it") for text in REVIEWS])
    fitted = found.fit(Question(prompt.format("en", "it", "Good day"), model="m"))
    assert (fitted.text, fitted.template) == ("Good day", prompt.format("en", "it", "{text}"))


SIZES = ["red", "blue", "old", "new", "small"]
PEOPLE = ["young students", "busy parents", "retired nurses", "farmers", "airline pilots", "cooks", "singers", "coders"]


@pytest.mark.parametrize("before", ["", "You are an editor of a large newspaper, and you like lists.\n"])
def test_two_parts_that_both_vary_freely_within_a_sentence_are_matched_exactly_only(before):
    prompt = before + "Write a short comparison of {} for {} in a friendly tone, with three points and a summary."
    things = [f"{size} {thing}" for size in SIZES for thing in THINGS]
    pairs = [(thing, f"{PEOPLE[n % 8]} of {n + 30}") for n, thing in enumerate(things)]
    found = found_in([prompt.format(*pair) for pair in pairs])
    fitted = [found.fit(Question(prompt.format(*pair), model="m")) for pair in pairs]
    assert [question.prompt() for question in fitted] == [prompt.format(*pair) for pair in pairs]
    alike = [question.template for question in fitted if question.semantic]
    assert len(alike) == len(set(alike)), "no two of them are in one scope"
    assert loaded(dumped(found)) == found


def test_free_texts_within_a_sentence_are_compared():
    prompt = "Put the following review of one of our customers {} into the right one of our seven departments."
    found = found_in([prompt.format(review) for review in REVIEWS])
    assert all(found.fit(Question(prompt.format(review), model="m")).semantic for review in REVIEWS)


def test_a_short_prompt_in_chinese_is_a_template():
    prompt = "请用{}能懂的语言总结评论：{}"
    reviews = [f"{thing}{word}" for thing in ("台灯", "沙发", "书桌", "镜子") for word in ("坏了", "很好", "太小")]
    found = found_in([prompt.format(reader, review) for reader in ("儿童", "律师", "医生") for review in reviews])
    child, lawyer = (found.fit(Question(prompt.format(reader, "台灯坏了"), model="m")) for reader in ("儿童", "律师"))
    assert child.text == lawyer.text == "台灯坏了"
    assert child.template != lawyer.template


def test_what_lacks_the_mark_between_the_parts_is_matched_exactly_only():
    prompt = PROMPTS["in a sentence, then a label"]
    found = found_in([prompt.format(a=a, b=b) for b in REVIEWS for a in READERS])
    other = found.fit(Question("Summarise the following review in one short sentence for a child, please", model="m"))
    assert not other.semantic


@pytest.mark.parametrize(
    "before", ["one sentence.\n", "one sentence.\n### Question\n", "one sentence\nQuestion\n", "a word: "]
)
def test_texts_in_two_wordings_are_not_cut(before):
    """'How do I get to' and 'How can I get to' are two wordings, not two values of a variable."""
    head = f"Answer the customer of our shop kindly and in {before}"
    for wordings in (
        ("How do I get to the {}", "How can I get to the {}", "Please, how do I get to the {} from here"),
        ("Tell me of subject {} please", "Please tell me of subject {}"),
    ):
        [template] = found_in([head + text.format(thing) for thing in THINGS for text in wordings]).groups["m", None]
        assert (template.head, template.cuts) == (head, ())


def test_cuts_survive_the_journal():
    found = found_in([PROMPTS["labels"].format(a=a, b=b) for b in REVIEWS for a in READERS])
    assert any(template.cuts for template in found.groups["m", None])
    assert loaded(dumped(found)) == found


def test_long_messages_are_searched_in_a_moment():
    words = [thing * (1 + number % 3) for number, thing in enumerate(THINGS * 20)]
    texts = [" ".join(words[n % 17 : 180 + n % 13] * 40) + f" {n}" for n in range(300)]
    began = time.process_time()
    found_in([f"Summarise this report of our shop in one short sentence.\n\n{text}\n\nSummary:" for text in texts])
    assert time.process_time() - began < 20
