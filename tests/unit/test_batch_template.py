"""The beginning and the end that the messages of a file share."""

import random

import pytest

from askonce import Question
from askonce.templates.find_templates import find_templates
from askonce.templates.template import Filled, Template, Templates, dumped, loaded

HEAD = "Classify the message of a customer into one of refund, order or other. Answer in one word.\n\nMessage: "
TAIL = "\n\nThe category of this message is:"
OTHER = "Translate the following sentence into French, and keep every name in it as it is.\n\nSentence: "
SUBJECTS = ["my parcel", "the invoice", "a refund", "this account", "their shop", "our contract", "the red shoes"]
VERBS = ["never arrived", "was damaged", "is late again", "costs too much", "has a wrong name on it", "broke at once"]
WISHES = [
    "help",
    "please call",
    "who pays?",
    "since May",
    "why",
    "send another",
    "no reply yet",
    "at last",
    "twice",
    "oh",
]
MESSAGES = [f"{s} {v} {w}" for s in SUBJECTS for v in VERBS for w in WISHES][:400]
random.Random(5).shuffle(MESSAGES)


def questions(texts, **fields):
    return [Question(text, model="m", **fields) for text in texts]


def templates(texts, **fields):
    return find_templates(questions(texts, **fields)).groups.get(("m", fields.get("system")), [])


def test_the_shared_beginning_and_end_are_the_template():
    assert templates([HEAD + text + TAIL for text in MESSAGES]) == [Template(HEAD, TAIL)]


def test_a_beginning_alone_and_an_end_alone():
    assert templates([HEAD + text for text in MESSAGES]) == [Template(HEAD, "")]
    ends = templates([text + TAIL + HEAD for text in MESSAGES])
    assert [template.head for template in ends] == [""]
    assert ends[0].tail.endswith(TAIL + HEAD)


@pytest.mark.parametrize("count", [5, 40, 400])
def test_every_message_comes_back_whole(count):
    found = find_templates(questions([HEAD + text + TAIL for text in MESSAGES[:count]]))
    for text in MESSAGES:
        question = found.fit(Question(HEAD + text + TAIL, model="m"))
        if question.semantic:
            assert question.prompt() == HEAD + text + TAIL
            assert len(question.text) <= len(text)


def test_a_few_odd_lines_do_not_hide_it_and_are_matched_exactly_only():
    odd = [f"Something else entirely, number {i}" for i in range(30)]
    found = find_templates(questions([HEAD + text + TAIL for text in MESSAGES] + odd))
    assert found.groups["m", None] == [Template(HEAD, TAIL)]
    assert found.fit(Question(odd[0], model="m")).semantic is False
    fitted = found.fit(Question(HEAD + "Hello" + TAIL, model="m"))
    assert (fitted.text, fitted.template, fitted.semantic) == ("Hello", HEAD + "{text}" + TAIL, True)


def test_most_texts_beginning_alike_does_not_make_that_part_of_it():
    greeted = [f"Hello, {text}" for text in MESSAGES[:380]] + MESSAGES[380:]
    assert templates([HEAD + text for text in greeted]) == [Template(HEAD, "")]


def test_two_templates_in_one_file():
    found = templates([HEAD + text + TAIL for text in MESSAGES[:200]] + [OTHER + text for text in MESSAGES[200:]])
    assert {(template.head, template.tail) for template in found} == {(HEAD, TAIL), (OTHER, "")}


def test_one_for_each_model_and_system_prompt():
    mixed = questions([HEAD + text for text in MESSAGES[:50]]) + questions(MESSAGES[:50], system="Be brief.")
    found = find_templates(mixed)
    assert set(found.groups) == {("m", None)}
    assert found.fit(Question(MESSAGES[0], model="m", system="Be brief.")).semantic is True
    assert found.fit(Question(MESSAGES[0], model="another")).semantic is True


@pytest.mark.parametrize(
    "texts",
    [
        MESSAGES,
        [f"How do I {text}?" for text in MESSAGES],
        [HEAD + "the same"] * 100,
        [HEAD + text for text in MESSAGES[:4]],
        ["请问" + text for text in MESSAGES],
        [],
    ],
    ids=["bare", "a short beginning", "one message", "four messages", "short in Chinese", "nothing"],
)
def test_no_template_where_there_is_none(texts):
    assert templates(texts) == []


@pytest.mark.parametrize("label", ["", "ticket ", "тикет ", "ticket n° "])
def test_no_word_and_no_number_is_cut_in_two(label):
    head = "Say which of our seven departments answers this"
    [found] = templates([f"{head} {label}10{i}, {name}" for i in range(10) for name in ("Ann", "Anna", "Andrea")])
    assert (found.head, found.tail) == (f"{head} {label}", "")


BEFORE = "Answer the question of our customer in one short sentence."
SHAPES = {
    "a blank line": ("\n\n", ""),
    "a heading": ("\n### Question\n", ""),
    "a heading in words": ("\n## The question of the customer\n", "\n## Answer\n"),
    "a bare label": ("\nQuestion\n", ""),
    "a label": ("\nQuestion:\n", "\nAnswer:"),
    "a code fence": ("\n```\n", "\n```"),
    "a code fence with a language": ("\n```text\n", "\n```\nAnswer:"),
    "a tag": ("\n<question>", "</question>"),
    "a quotation": (' The question: "', '"'),
    "nothing": (" ", ""),
}
ASKED = [
    f"{way} {thing}{end}" for thing in WISHES + SUBJECTS for way, end in (("How do I get", "?"), ("what about", ""))
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "wordings", [ASKED, MESSAGES[:40], ASKED[::2]], ids=["two wordings", "messages", "one wording"]
)
def test_the_text_is_found_whatever_comes_before_it(shape, wordings):
    between, after = SHAPES[shape]
    [found] = templates([BEFORE + between + text + after for text in wordings])
    for text in wordings:
        filled = found.take_apart(BEFORE + between + text + after)
        assert filled == (Filled(text, BEFORE + between + "{text}" + after))


def test_a_beginning_of_half_of_the_texts_is_no_template():
    """What follows a short prompt would be matched in two halves."""
    texts = [
        f"Answer it.\n### Question\n{way} {text}?"
        for text in MESSAGES[:40]
        for way in ("How do I", "What is the way to")
    ]
    assert templates(texts) == []


def test_a_placeholder_in_the_prompt_itself_makes_no_template():
    assert templates(["Fill {text} in: " + HEAD + text for text in MESSAGES]) == []


def test_what_is_no_plain_text_has_none():
    found = Templates(everywhere=[Template(HEAD, TAIL)])
    parts = [{"type": "text", "text": HEAD}, {"type": "image_url"}]
    picture = Question.from_body({"model": "m", "messages": [{"role": "user", "content": parts}]})
    assert found.fit(picture) is picture
    own = Question("x", model="m", template="Own: {text}")
    assert found.fit(own) is own


def test_templates_survive_the_journal():
    found = find_templates(questions([HEAD + text + TAIL for text in MESSAGES]))
    assert loaded(dumped(found)) == found


def test_rows_of_a_journal_of_the_first_release_are_read():
    assert loaded([["m", None, HEAD, TAIL]]) == Templates({("m", None): [Template(HEAD, TAIL)]})
