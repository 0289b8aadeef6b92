"""JSON as zstd frames of version 1: all of them share one dictionary.

`dictionary_1.txt` is raw content: text as models write it, and the shapes of providers' bodies. With it an answer of
2 kB takes 36 % of its bytes, without it 50 %; one of 500 bytes 32 and 58 %. It stays as it is: what was compressed with
it can be read with it alone. Another dictionary, or another way to compress, is another version.
"""

from functools import cache
from importlib.resources import files

from askonce.zstd import DecompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdDict, ZstdError

LEVEL = 4
"""45 us for 2.7 kB. Level 3 takes half the time and leaves 5 % more, level 6 twice the time and 2 % less."""
LARGEST = 524_288
"""Bytes of the JSON in a frame: more would hold up an event loop for longer than 10 ms. It stays plain."""
DENSEST = 32
"""A frame holds at most so many times its own bytes: so replies of bounded size are bounded when they are read, too."""
WORTH = 0.9
"""What does not get smaller than this stays plain."""
_WINDOW: dict[int, int] = {DecompressionParameter.window_log_max: 20}
"""A frame may ask for more memory than its content takes."""


def compress(plain: bytes) -> bytes | None:
    """The frame; None where these bytes stay plain."""
    if len(plain) > LARGEST:
        return None
    compressor = _compressor()
    frame = compressor.compress(plain, compressor.FLUSH_FRAME)
    return frame if len(plain) / DENSEST <= len(frame) <= WORTH * len(plain) else None


def decompress(frame: bytes, size: int) -> bytes:
    """The `size` bytes in a frame. Takes no memory for more. Raises ValueError."""
    if not 0 < size <= min(LARGEST, DENSEST * len(frame)):
        raise ValueError("a frame of an impossible size")
    try:
        decompressor = ZstdDecompressor(_dictionary(), _WINDOW)
        plain = decompressor.decompress(frame, size + 1)
    except ZstdError as error:
        raise ValueError("a damaged frame") from error
    if len(plain) != size or not decompressor.eof or decompressor.unused_data:
        raise ValueError("a frame of another size")
    return plain


@cache
def _dictionary() -> ZstdDict:
    return ZstdDict(files(__package__).joinpath("dictionary_1.txt").read_bytes(), is_raw=True)


@cache
def _compressor() -> ZstdCompressor:
    """Made once: a new one costs more than an answer. It locks itself, and each call makes a whole frame."""
    return ZstdCompressor(LEVEL, zstd_dict=_dictionary().as_digested_dict)
