"""The page of rooms and of Redis keys, from the code's own docstrings: made at each build."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PACKAGES = {"The client": ROOT / "producer" / "askonce", "The worker": ROOT / "worker" / "askonce_worker"}
KEYS = ROOT / "producer" / "askonce" / "contract" / "keys.py"


def on_files(files: Files, config: Any, **_: object) -> Files:
    files.append(File.generated(config, "code.md", content="\n".join(_lines())))
    return files


def _lines() -> Iterator[str]:
    yield "# Rooms and Redis keys\n\nEach folder is one concern, which its `__init__.py` says in a sentence."
    for title, package in PACKAGES.items():
        yield f"\n## {title}\n\n| room | what it is for |\n| --- | --- |"
        for room in sorted(package.glob("*/__init__.py")):
            yield f"| `{room.parent.name}/` | {_doc(ast.parse(room.read_text('utf-8')))} |"
    yield "\n## Redis keys\n\nEach with its type, its lifetime, and who writes it.\n\n| key | facts |\n| --- | --- |"
    for node in ast.walk(ast.parse(KEYS.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and isinstance(node.body[-1], ast.Return) and _of_keys(node):
            yield f"| `{_pattern(node.body[-1].value)}` | {_doc(node)} |"


def _of_keys(node: ast.FunctionDef) -> bool:
    return "{self.prefix}" in ast.unparse(node.body[-1])


def _doc(node: ast.Module | ast.FunctionDef) -> str:
    return " ".join((ast.get_docstring(node) or "").split()).replace("|", "\\|")


def _pattern(value: ast.expr | None) -> str:
    """f"{self.prefix}:result:{namespace}" as `askonce:result:{namespace}`."""
    return ast.unparse(value or ast.Constant("")).strip("f'\"").replace("{self.prefix}", "askonce")
