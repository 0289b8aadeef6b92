"""Inputs that are packed, cut off, damaged or in another encoding."""

import gzip
import os

import orjson
import pytest

from askonce.batch.lines import read_lines
from askonce.batch.sampling import survey
from askonce.tables import packed
from askonce.testing import FakeClient
from askonce.zstd import ZstdCompressor
from support.batch_runs import batch, ids

LINES = b"".join(orjson.dumps({"id": f"c{i}", "question": f"Number {i}?"}) + b"\n" for i in range(2000))
PACK = {"gzip": gzip.compress, "zstd": lambda data: ZstdCompressor().compress(data, ZstdCompressor.FLUSH_FRAME)}


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
async def test_a_packed_input_is_read_whatever_it_is_called(files, pack):
    (files / "in.jsonl").write_bytes(pack(LINES[:70_000]) + pack(LINES[70_000:]))
    async with FakeClient() as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--strict") == 0
    assert sorted(ids(files / "out.jsonl")) == sorted(f"c{i}" for i in range(2000))


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
async def test_a_file_packed_otherwise_is_the_same_input(files, pack):
    async with FakeClient() as askonce:
        for content in (LINES, pack(LINES)):
            (files / "in.jsonl").write_bytes(content)
            assert await batch(askonce, "in.jsonl", "out.jsonl") == 0
        assert len(askonce.asked) == 2000


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
async def test_a_packed_stream_in_small_pieces(pack):
    data = pack(LINES)
    plain = packed.PlainInput("stdin")
    parts = [part for at in range(len(data)) for part in plain.feed(data[at : at + 1])]
    assert b"".join([*parts, *plain.end()]) == LINES


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_what_unpacks_to_very_much_comes_in_small_blocks(pack):
    plain = packed.PlainInput("x")
    sizes = [len(block) for block in plain.feed(pack(b"\n" * 50_000_000))]
    assert sum(sizes) > 49_000_000
    assert max(sizes) <= packed.BLOCK


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(LINES)[:-30], "the gzip is cut off"),
        (PACK["zstd"](LINES)[:-30], "the zstd is cut off"),
        (gzip.compress(LINES)[:50] + b"x" * 500, "damaged gzip"),
        (PACK["zstd"](LINES)[:4] + b"\xff" * 500, "damaged zstd"),
        (LINES.decode().encode("utf-16"), "is UTF-16, not UTF-8: convert it with `iconv -f UTF-16 -t UTF-8`"),
        (LINES.decode().encode("utf-16-be"), "is UTF-16"),
        (LINES.decode().encode("utf-32"), "is UTF-32"),
        (gzip.compress(LINES.decode().encode("utf-16")), "is UTF-16"),
    ],
    ids=["cut gzip", "cut zstd", "bad gzip", "bad zstd", "UTF-16", "UTF-16 without a mark", "UTF-32", "packed UTF-16"],
)
async def test_what_cannot_be_read_is_refused_before_anything_is_asked(files, content, words):
    (files / "in.jsonl").write_bytes(content)
    async with FakeClient() as askonce:
        with pytest.raises(ValueError) as refusal:
            await batch(askonce, "in.jsonl", "out.jsonl")
        assert askonce.asked == []
    assert words in str(refusal.value)
    assert str(refusal.value).startswith("in.jsonl")
    assert [path.name for path in files.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize("content", [b"", b"a", b"\n", b"\xef\xbb\xbfa\nb", b"a\r\nb\r\n"])
async def test_short_and_odd_inputs_are_plain(files, content):
    (files / "in.txt").write_bytes(content)
    blocks = [block async for block in read_lines(os.open("in.txt", os.O_RDONLY), "in.txt")]
    lines = [raw.data for block in blocks for raw in block]
    assert lines == [line for line in content.removeprefix(b"\xef\xbb\xbf").split() if line]
    assert survey("in.txt").sample == lines
