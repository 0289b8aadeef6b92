"""Our own limits on both shipped packages: the length of a file and of a function, and no code that only tests use."""

import ast
from pathlib import Path

from askonce.store.scripts import USES

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "producer" / "askonce", ROOT / "worker" / "askonce_worker")
LINES_OF_A_FILE = 250
LINES_OF_A_FUNCTION = 40

CALLED_FROM_OUTSIDE = {
    "askonce/commands/parser.py: _get_help_string",
    "askonce/serve/app.py: app_from_environment",
    "askonce/testing.py: FakeClient",
    "askonce_worker/cache/qdrant_channel.py: intercept_unary_unary",
    "askonce_worker/local/qdrant_errors.py: intercept_service",
    "askonce_worker/local/qdrant_points.py: DeleteFieldIndex",
    "askonce_worker/local/qdrant_points.py: SetPayload",
    "askonce_worker/local/qdrant_turns.py: intercept_service",
    "askonce_worker/providers/http_transport.py: handle_async_request",
    "askonce_worker/providers/provider.py: user_agent",
    "askonce_worker/queue/arq_worker.py: handle_sig",
    "askonce_worker/redis/connection.py: can_read_destructive",
    "askonce_worker/telemetry/metrics_server.py: describe",
}
"""Methods that a library calls by name, and public API that nothing of ours calls."""

PLAIN_DECORATORS = {
    "asynccontextmanager", "cache", "cached_property", "classmethod", "contextmanager", "dataclass", "lru_cache",
    "override", "property", "runtime_checkable", "staticmethod",
}  # fmt: skip
"""What another decorator is put on is handed to a framework: a command, a validator, a hook."""


def modules():
    """The path below its package's folder, the text and the syntax tree of each shipped module."""
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            text = path.read_text("utf-8")
            yield path.relative_to(package.parent).as_posix(), text, ast.parse(text)


def functions(tree):
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def too_long():
    for path, text, tree in modules():
        if len(text.splitlines()) > LINES_OF_A_FILE:
            yield path
        for node in functions(tree):
            if node.end_lineno - node.lineno + 1 > LINES_OF_A_FUNCTION:
                yield f"{path}: {node.name}"


def definitions(tree):
    """Functions, methods, classes, and the names that a module assigns."""
    for node in [*functions(tree), *(each for each in ast.walk(tree) if isinstance(each, ast.ClassDef))]:
        if not node.name.startswith("__") and {decorator(each) for each in node.decorator_list} <= PLAIN_DECORATORS:
            yield node.name
    for node in tree.body:
        for target in node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]:
            if isinstance(target, ast.Name) and not target.id.startswith("__"):
                yield target.id


def decorator(node):
    called = node.func if isinstance(node, ast.Call) else node
    return called.id if isinstance(called, ast.Name) else ""


def references(tree):
    """Names that are read. A text that is a name counts: `__all__`, `getattr`, forward references."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def unused():
    trees = [(path, tree) for path, _, tree in modules()]
    read = {name for _, tree in trees for name in references(tree)}
    return {f"{path}: {name}" for path, tree in trees for name in definitions(tree) if name not in read}


def scripts():
    return [path for package in PACKAGES for path in package.rglob("*.lua")]


def test_no_file_and_no_function_is_too_long():
    assert set(too_long()) == set()


def test_nothing_is_defined_that_the_packages_do_not_use():
    assert unused() == CALLED_FROM_OUTSIDE


def test_every_script_is_sent_by_somebody():
    read = {name for _, _, tree in modules() for name in references(tree)}
    read |= {name for path in scripts() for name in USES.findall(path.read_text("utf-8"))}
    left = {path.name for path in scripts() if path.stem not in read and path.name not in read}
    assert left == set()
