"""`--template`: a text or a file, as people write them; and whether it fits."""

import argparse
import gzip

import orjson
import pytest

from askonce.batch.template_option import template_text, written
from askonce.commands.question_arguments import add_question_arguments, question_from
from askonce.testing import FakeClient
from support.batch_runs import batch, texts

PROMPT = "Classify this message of a customer.\n\nMessage: {text}\n\nCategory:"


@pytest.mark.parametrize(
    "raw",
    [
        PROMPT.encode(),
        f"{PROMPT}\n".encode(),
        PROMPT.replace("\n", "\r\n").encode(),
        f"{PROMPT}\n".replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + PROMPT.encode(),
    ],
    ids=["plain", "a newline at the end", "CRLF", "CRLF at the end", "a byte order mark"],
)
def test_a_file_is_the_text_however_an_editor_saved_it(tmp_path, raw):
    (tmp_path / "prompt.txt").write_bytes(raw)
    assert template_text(str(tmp_path / "prompt.txt")) == PROMPT


def test_a_text_with_a_placeholder_is_the_template():
    assert template_text("Say: {text}") == "Say: {text}"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("Say: {{text}}", "write {text} with single braces, not {{text}}"),
        ("{text} and {text}", "must contain {text} exactly once"),
        ("nowhere.txt", "neither a text with {text} in it nor a file"),
        ("Say it", "neither a text with {text} in it nor a file"),
        (".", "directory"),
        ("a\0b", "null byte"),
    ],
)
def test_what_is_no_template_is_refused_with_a_hint(files, given, words):
    with pytest.raises(ValueError) as refusal:
        template_text(given)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"Say: {{text}}\n", "prompt.txt: write {text} with single braces"),
        (b"Say it\n", "prompt.txt: the template must contain {text} exactly once"),
        ("Say: {text}".encode("utf-16"), "prompt.txt: not UTF-8"),
    ],
)
def test_a_file_without_a_template_is_named(files, raw, words):
    (files / "prompt.txt").write_bytes(raw)
    with pytest.raises(ValueError) as refusal:
        template_text("prompt.txt")
    assert words in str(refusal.value)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_messages_fit_whatever_their_line_ends(ends, last):
    message = (PROMPT + last).replace("\n", ends)
    filled = [found for form in written(PROMPT) if (found := form.take_apart(message.replace("{text}", "Hi")))]
    assert (filled[0].text, filled[0].template) == ("Hi", message)


def requests(messages):
    return b"\n".join(
        orjson.dumps(
            {
                "custom_id": str(n),
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "m", "messages": [{"role": "user", "content": message}]},
            }
        )
        for n, message in enumerate(messages)
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
async def test_a_template_that_fits_no_line_stops_the_run(files, pack):
    (files / "in.jsonl").write_bytes(pack(requests(f"Another prompt: {n}" for n in range(20))))
    (files / "prompt.txt").write_text(PROMPT)
    async with FakeClient() as askonce:
        with pytest.raises(ValueError, match="fits 0 of 20 lines.*--allow-misfits"):
            await batch(askonce, "in.jsonl", "out.jsonl", "--template", "prompt.txt")
        assert askonce.asked == []
        assert not (files / "out.jsonl").exists()
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--template", "prompt.txt", "--allow-misfits") == 0
        assert not any(question.semantic for question in askonce.asked)


async def test_a_template_that_fits_some_lines_says_how_many(files, capsys):
    messages = [PROMPT.replace("{text}", f"Hello {n}") for n in range(15)] + [f"Other {n}" for n in range(5)]
    (files / "in.jsonl").write_bytes(requests(messages))
    async with FakeClient() as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--template", PROMPT) == 0
        assert {question.template for question in askonce.asked} == {PROMPT, None}
    assert "15 of 20 lines in a sample fit; the others are matched exactly only" in capsys.readouterr().err


async def test_lines_that_are_put_into_the_template_always_fit(files, capsys):
    (files / "in.txt").write_text("Where is it?\n\nBroken!\n")
    (files / "prompt.txt").write_bytes(b"\xef\xbb\xbfClassify: {text}\r\nCategory:\r\n")
    async with FakeClient(lambda question: question.prompt()) as askonce:
        assert await batch(askonce, "in.txt", "out.jsonl", "--text", "--template", "prompt.txt") == 0
    assert texts(files / "out.jsonl")["line-3"] == "Classify: Broken!\nCategory:"
    assert "fit" not in capsys.readouterr().err


@pytest.mark.parametrize("given", ["Say: {text}", "prompt.txt"])
def test_ask_takes_what_batch_takes(files, given):
    (files / "prompt.txt").write_bytes(b"\xef\xbb\xbfSay: {text}\r\n")
    parser = argparse.ArgumentParser()
    add_question_arguments(parser)
    question = question_from(parser.parse_args(["Hello", "--template", given]))
    assert (question.template, question.text) == ("Say: {text}", "Hello")


def test_ask_refuses_what_batch_refuses(files):
    parser = argparse.ArgumentParser()
    add_question_arguments(parser)
    with pytest.raises(ValueError, match="single braces"):
        question_from(parser.parse_args(["Hello", "--template", "Say: {{text}}"]))
