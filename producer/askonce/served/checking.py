"""Validates the whole input before any of it is asked: a batch fails for what OpenAI's Batch API rejects."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from askonce.batch.journal import Journal
from askonce.batch.line_format import Form, read_line
from askonce.batch.lines import divided
from askonce.batch.sampling import Reservoir
from askonce.json_values import loads
from askonce.tables.lines import RawLine
from askonce.tables.packed import LONGEST_MARK, is_packed
from askonce.templates.find_templates import find_templates
from askonce.templates.template import Templates

SHOWN = 100
"""Maximum number of errors that are listed."""
PACKED = "the file is compressed (gzip or zstd): a batch requires plain JSON lines"
OWN = "askonce"
Fault = tuple[str, str, str | None]
"""Code, message and parameter, worded as OpenAI does where it has such an error."""


@dataclass
class Checked:
    """lines: number of non-blank lines. last: the number of the last one. errors: in OpenAI's format."""

    lines: int = 0
    last: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    sample: Reservoir = field(default_factory=Reservoir)

    def templates(self, form: Form) -> Templates:
        """The lines' templates, found in a sample."""
        lines = (read_line(0, raw, form) for raw in self.sample.sample)
        return find_templates([line.question for line in lines if line.question is not None])

    def fail(self, fault: Fault, line: int | None = None) -> None:
        code, message, param = fault
        if len(self.errors) < SHOWN:
            self.errors.append({"code": code, "message": message, "param": param, "line": line})


async def check(blocks: AsyncIterator[bytes], name: str, *, endpoint: str, most: int) -> Checked:
    """most: maximum number of lines, including blank ones. Raises OSError."""
    found, ids = Checked(), Journal(None)
    try:
        async for block in divided(_plain(blocks), name):
            await asyncio.sleep(0)
            for raw in block:
                found.lines += 1
                found.last = raw.number
                if raw.number > most:
                    found.fail(("too_many_tasks", f"the file has more than {most:,} lines", None))
                    return found
                found.sample.add(raw)
                fault = _fault(raw, endpoint, ids)
                if fault is not None:
                    found.fail(fault, raw.number)
    except ValueError as error:  # damaged, or not UTF-8
        found.fail(("invalid_file", str(error), None))
    finally:
        ids.close()
    if not found.lines:
        found.fail(("empty_file", "the input file has no requests", None))
    return found


async def _plain(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The blocks. Raises ValueError for compressed data before it is decompressed: a few bytes may expand without
    end."""
    first = b""
    async for block in blocks:
        first += block[: LONGEST_MARK - len(first)]
        if is_packed(first):
            raise ValueError(PACKED)
        yield block


def _fault(raw: RawLine, endpoint: str, ids: Journal) -> Fault | None:
    if raw.data is None:
        return "invalid_request", raw.reason or "", None
    try:
        record = loads(raw.data)
    except (ValueError, RecursionError):
        return "invalid_json_line", "This line is not parseable as valid JSON.", None
    if not isinstance(record, dict):
        return "invalid_json_line", "This line is not a JSON object.", None
    for param in ("custom_id", "method", "url", "body"):
        if record.get(param) is None:
            return "missing_required_parameter", f"Missing required parameter: '{param}'.", param
    return _wrong(record, endpoint) or _repeated(record["custom_id"], raw.number, ids)


def _wrong(record: dict[str, Any], endpoint: str) -> Fault | None:
    if not isinstance(record["custom_id"], str) or not record["custom_id"]:
        return "invalid_type", "custom_id must be a non-empty string", "custom_id"
    if record["method"] != "POST":
        return "invalid_method", "the method of a request must be POST", "method"
    if record["url"] != endpoint:
        return "url_mismatch", f"the URL of this request is not the batch's endpoint, {endpoint}", "url"
    if not isinstance(record["body"], dict):
        return "invalid_type", "body must be an object", "body"
    if OWN in record["body"]:
        return "unknown_parameter", f"{OWN} belongs in the body of the batch, for all its lines", f"body.{OWN}"
    return None


def _repeated(custom_id: str, line: int, ids: Journal) -> Fault | None:
    first = ids.first_line(custom_id, line)
    if first == line:
        return None
    return "duplicate_custom_id", f"the custom_id {custom_id[:100]!r} is already used in line {first}", "custom_id"
