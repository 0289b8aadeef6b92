"""Determines a row's format from its fields or `--format`, and the processing that all formats share."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from askonce.errors import InvalidQuestion
from askonce_worker.replay.calls import BadCall, Call, Reply
from askonce_worker.replay.sources import batch_files, columns, helicone, langfuse, litellm
from askonce_worker.replay.sources.fields import Fields, opened


class Format(StrEnum):
    """auto: detected from the fields of each row."""

    auto = "auto"
    batch = "batch"
    litellm = "litellm"
    langfuse = "langfuse"
    helicone = "helicone"
    columns = "columns"


UNFIT = re.compile(r"[^A-Za-z0-9._@-]")
"""Characters that a namespace must not contain."""
DELIVERY = frozenset({"stream", "stream_options", "timeout"})
"""Parameters about delivery, which do not change what was asked."""
Read = Callable[[Fields], Call | Reply]


def _batch(fields: Fields) -> Call | Reply:
    return batch_files.call_of(fields) if batch_files.is_request(fields) else batch_files.reply_of(fields)


READERS: Mapping[Format, Read] = {
    Format.batch: _batch,
    Format.litellm: litellm.call_of,
    Format.langfuse: langfuse.call_of,
    Format.helicone: helicone.call_of,
    Format.columns: columns.call_of,
}
_DETECTORS: tuple[tuple[Format, Callable[[Fields], bool]], ...] = (
    (Format.batch, lambda fields: batch_files.is_request(fields) or batch_files.is_reply(fields)),
    (Format.litellm, litellm.is_row),
    (Format.helicone, helicone.is_row),
    (Format.langfuse, langfuse.is_row),
)


def format_of(fields: Fields) -> Format:
    return next((name for name, is_row in _DETECTORS if is_row(fields)), Format.columns)


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows are read.

    columns: for fields of `columns.NAMES`, the column that has them; `a.b` is `b` within `a`. namespace, model:
    defaults for rows that have none.
    """

    format: Format = Format.auto
    columns: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "default"
    model: str | None = None

    def read(self, fields: Fields) -> tuple[Format, Call | Reply]:
        """Raises BadCall, NoCall."""
        kind = format_of(fields) if self.format is Format.auto else self.format
        named = {name: _at(fields, path) for name, path in self.columns.items()}
        namespace = named.pop("namespace", None) if "namespace" in named else fields.get("namespace")
        if kind is Format.columns and named:
            replaced = {column for name in named for column in columns.NAMES[name]}
            fields = {name: value for name, value in fields.items() if name not in replaced}
            fields = {**fields, **{columns.NAMES[name][0]: value for name, value in named.items()}}
        try:
            found = READERS[kind](fields)
            return kind, found if isinstance(found, Reply) else self._checked(found, namespace)
        except InvalidQuestion as error:
            raise BadCall(str(error)) from error

    def _checked(self, call: Call, namespace: Any) -> Call:
        """Raises BadCall, InvalidQuestion."""
        whose = self.namespace if namespace in (None, "") else UNFIT.sub("-", str(namespace))[:64]
        question = call.question.filled(namespace=whose, model=self.model)
        if not DELIVERY.isdisjoint(question.params):
            kept = {name: value for name, value in question.params.items() if name not in DELIVERY}
            question = question.with_fields(params=kept)
        if question.model is None:
            raise BadCall("no model: set it with --model, or in ASKONCE_MODEL")
        question.check()
        return replace(call, question=question)


def _at(fields: Fields, path: str) -> Any:
    """The value of a column, or of a field nested in one."""
    if path in fields:
        return fields[path]
    value: Any = fields
    for name in path.split("."):
        value = opened(value.get(name)) if isinstance(value, Mapping) else None
    return value
