"""docs/settings.md, from the definitions of the settings: `python docs/_build/settings_page.py` writes it."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from askonce_worker import settings

PAGE = Path(__file__).parents[1] / "settings.md"
HEAD = """# Settings

All settings are environment variables with the prefix `ASKONCE_`; times are in seconds. A malformed value stops the start with a line that names it.
An unknown name gets a warning that suggests the nearest known one. `askonce-worker check` shows what is configured.

Clients also read `REDIS_URL`, `MODEL`, `KEY_PREFIX`, `CHUNK_SIZE`, `JOB_TTL`, `RESULT_TTL`, `CACHE_TTL`, `MAX_QUEUED`, `OUTBOX_MAX`, `COMPRESS` and
`PRICES`; their arguments take precedence. For the settings of `askonce serve`, `ASKONCE_SERVE_…`, see [the front door](front-door.md).
"""
COLUMNS = "| variable | default | allowed | meaning |\n| --- | --- | --- | --- |"
HIDDEN = {"process_index"}
"""Set by the process that starts workers, not by people."""


def page() -> str:
    parts = [HEAD]
    fields = settings.Settings.model_fields
    for group, name, meaning in _definitions():
        if group:
            parts.append(f"\n## {group}\n\n{COLUMNS}\n")
        if name not in HIDDEN:
            parts.append(_row(name, fields[name], meaning))
    return "".join(parts)


def _definitions() -> Iterator[tuple[str | None, str, str]]:
    """The heading before a field where there is one, its name, and what stands below it. Raises ValueError."""
    source = inspect.getsource(settings)
    lines = source.splitlines()
    [body] = [node.body for node in ast.parse(source).body if getattr(node, "name", "") == "Settings"]
    for node, after in zip(body, body[1:], strict=False):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            heading = re.fullmatch(r"    # (.+)", lines[node.lineno - 2])
            yield heading and heading[1], node.target.id, _meaning(after)


def _meaning(node: ast.stmt) -> str:
    match node:
        case ast.Expr(ast.Constant(str(text))):
            return " ".join(text.split())
    return ""


def _row(name: str, field: FieldInfo, meaning: str) -> str:
    variable = field.validation_alias or name.upper()
    return f"| `{variable}` | {_default(field.default)} | {_allowed(field)} | {meaning} |\n"


def _default(value: Any) -> str:
    if isinstance(value, SecretStr):
        return f"`{value.get_secret_value()}`"
    if value is None or value == "":
        return ""
    return f"{int(value)}" if isinstance(value, bool) else f"{value}"


def _allowed(field: FieldInfo) -> str:
    words = [str(word) for part in _parts(field.annotation) for word in get_args(part) if isinstance(word, str)]
    if words:
        return ", ".join(f"`{word}`" for word in words)
    bounds = {name: getattr(rule, name) for rule in _rules(field) for name in ("ge", "gt", "le") if hasattr(rule, name)}
    least = f"from {bounds['ge']}" if bounds.get("ge") else f"above {bounds['gt']}" if "gt" in bounds else ""
    return f"{least} to {bounds['le']:,}".strip() if "le" in bounds else least.replace("above 0", "")


def _parts(annotation: Any) -> list[Any]:
    """Of `Literal[…] | None` both; of anything else itself and what it is made of."""
    return [annotation, *get_args(annotation)]


def _rules(field: FieldInfo) -> list[Any]:
    inner = [rule for part in get_args(field.annotation) for rule in getattr(part, "__metadata__", ())]
    return [*field.metadata, *(rule for given in inner for rule in getattr(given, "metadata", [given]))]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
