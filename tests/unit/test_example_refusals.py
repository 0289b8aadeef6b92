"""What the web examples tell a client that comes too early."""

import importlib.util
from pathlib import Path

import pytest

import askonce

EXAMPLES = Path(__file__).parents[2] / "examples"


def app_of(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / name / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "1"), (1.5, "2"), (2.0, "2")])
async def test_nobody_is_told_to_come_back_before_there_is_room(seconds, told, monkeypatch):
    monkeypatch.setenv("ASKONCE_MODEL", "m")
    full = askonce.QueueFull("the lane is full", retry_after=seconds)
    assert (await app_of("fastapi").refused(None, full)).headers["retry-after"] == told
    flask = app_of("flask")
    with flask.app.app_context():
        assert flask.refused(full)[2] == {"Retry-After": told}
