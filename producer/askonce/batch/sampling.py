"""What is known of an input before anything is asked: a sample of lines and, for a file, their number."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from askonce.tables.lines import RawLine, Splitter
from askonce.tables.packed import BLOCK, PlainInput

SAMPLE = 1000
MAX_SAMPLED = 64 * 1024
"""Lines with more bytes are left out of the sample."""
SAMPLE_BYTES = 8 * 1024 * 1024
SAMPLE_SECONDS = 1.0
"""Maximum read from a stream before anything is asked, and how long its first lines wait for more."""

Blocks = AsyncIterator[list[RawLine]]


@dataclass(frozen=True, slots=True)
class Survey:
    """A summary of a file.

    Attributes:
        digest: Of its uncompressed bytes, so that it is the same however it is compressed.
        lines: The number of lines that are not blank.
        sample: Lines sampled from the whole file.
    """

    digest: str
    lines: int
    sample: list[bytes]


def survey(path: str) -> Survey:
    """Reads a file once. Raises OSError, and ValueError if it is damaged or not UTF-8."""
    digest, splitter, reservoir, plain = hashlib.sha256(), Splitter(), Reservoir(), PlainInput(path)

    def take(block: bytes) -> None:
        digest.update(block)
        for line in splitter.feed(block):
            reservoir.add(line)

    with Path(path).open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            for part in plain.feed(block):
                take(part)
    for part in plain.end():
        take(part)
    for line in splitter.end():
        reservoir.add(line)
    return Survey(digest.hexdigest(), reservoir.seen, reservoir.sample)


class Reservoir:
    """A uniform sample of SAMPLE lines, always the same for the same file."""

    def __init__(self) -> None:
        self.seen = 0
        self.sample: list[bytes] = []
        self._random = random.Random(0)

    def add(self, line: RawLine) -> None:
        self.seen += 1
        if line.data is None or len(line.data) > MAX_SAMPLED:
            return
        if len(self.sample) < SAMPLE:
            self.sample.append(line.data)
        elif (place := int(self._random.random() * self.seen)) < SAMPLE:
            self.sample[place] = line.data


async def sampled(blocks: Blocks) -> tuple[list[bytes], Blocks]:
    """The first lines of a stream, and the whole stream.

    What writes the stream may wait for answers before it writes more, so the first lines do not wait for long.
    """
    first: list[RawLine] = []
    clock = asyncio.get_running_loop().time
    size, until = 0, None

    async def following() -> list[RawLine] | None:
        return await anext(blocks, None)

    coming = asyncio.create_task(following())
    while len(first) < SAMPLE and size < SAMPLE_BYTES:
        await asyncio.wait({coming}, timeout=None if until is None else max(0.0, until - clock()))
        block = coming.result() if coming.done() else None
        if block is None:
            break
        first += block
        size += sum(len(raw.data or b"") for raw in block)
        until = until or (clock() + SAMPLE_SECONDS if first else None)
        coming = asyncio.create_task(following())

    async def all_blocks() -> Blocks:
        yield first
        block = await coming
        while block is not None:
            yield block
            block = await following()

    return [raw.data for raw in first if raw.data is not None and len(raw.data) <= MAX_SAMPLED], all_blocks()
