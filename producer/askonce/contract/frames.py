"""JSON as zstd frames, version 1: all frames share one dictionary.

`dictionary_1.txt` is raw content: typical model output and the structure of providers' bodies. It compresses a 2 kB
answer to 36 % (50 % without it), and 500 bytes to 32 % (58 %). It must never change, because frames can only be read
with the dictionary that made them. Another dictionary or compression method is another version.
"""

from functools import cache
from importlib.resources import files

from askonce.zstd import DecompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdDict, ZstdError

LEVEL = 4
"""45 us for 2.7 kB. Level 3 takes half the time and leaves 5 % more, level 6 twice the time and 2 % less."""
LARGEST = 524_288
"""Maximum bytes of JSON in a frame: more would block an event loop for over 10 ms, so larger values stay plain."""
DENSEST = 32
"""Maximum compression ratio of a frame: a reply of bounded size then stays bounded once decompressed."""
WORTH = 0.9
"""Values that do not shrink below this ratio stay plain."""
_CONTENT = files(__package__).joinpath("dictionary_1.txt").read_bytes()
_WINDOW: dict[int, int] = {DecompressionParameter.window_log_max: 20}
"""A frame may ask for more memory than its content takes."""


def compress(plain: bytes) -> bytes | None:
    """The frame; None if these bytes stay plain."""
    if len(plain) > LARGEST:
        return None
    compressor = _compressor()
    frame = compressor.compress(plain, compressor.FLUSH_FRAME)
    return frame if len(plain) / DENSEST <= len(frame) <= WORTH * len(plain) else None


def decompress(frame: bytes, size: int) -> bytes:
    """The `size` bytes in a frame. Never allocates more. Raises ValueError."""
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
    return ZstdDict(_CONTENT, is_raw=True)


@cache
def _compressor() -> ZstdCompressor:
    """Created once: a new one costs more than compressing an answer. It locks itself, and each call makes a whole
    frame."""
    return ZstdCompressor(LEVEL, zstd_dict=_dictionary().as_digested_dict)
