"""Input that is no text, and files that are not there: said in words."""

import argparse
import io
import sys

import pytest

from askonce.commands.files import numbered_lines, write_output
from askonce.commands.matches import each_line
from askonce.commands.question_arguments import question_from
from askonce.errors import InvalidQuestion


@pytest.mark.parametrize("text", ["-", "a\udcff"])
def test_a_question_that_is_no_utf_8_names_its_byte(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\xff"), errors="surrogateescape"))
    args = argparse.Namespace(text=text, model=None, system=None, template=None, param=[], cache="use")
    with pytest.raises(InvalidQuestion, match="not UTF-8 .byte 0xff at 2."):
        question_from(args)


async def test_a_binary_file_is_no_flood_of_complaints(tmp_path, capsys):
    (tmp_path / "bin").write_bytes(b"\xff\n" * 200)

    async def judge(_):
        raise AssertionError

    assert await each_line(str(tmp_path / "bin"), judge, as_json=False) == 2
    err = capsys.readouterr().err.splitlines()
    assert (len(err), err[-1]) == (6, "askonce: and 195 more malformed lines")
    assert "save the file as UTF-8" in err[0]


def test_a_file_that_cannot_be_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        list(numbered_lines(str(tmp_path / "none")))
    for file, words in ((tmp_path, "is a directory"), (tmp_path / "no" / "x", "no such directory")):
        with pytest.raises(ValueError, match=words):
            write_output(str(file), b"")
