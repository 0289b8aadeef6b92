"""The `askonce-worker` command, as a person types it."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from askonce_worker.cli import app

COMMANDS = ("run", "check", "local", "demo", "evaluate")


@pytest.fixture
def worker(tmp_path):
    def run(*arguments, **more):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("ASKONCE_", "OPENAI_"))}
        return subprocess.run(
            [sys.executable, "-m", "askonce_worker", *arguments],
            cwd=tmp_path, env={**clean, **more}, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip

    return run


def typed(*arguments):
    return CliRunner().invoke(app, arguments, terminal_width=80)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_that_begins_with_the_command(command):
    done = typed(command, "--help")
    assert done.exit_code == 0
    assert f"Example: askonce-worker {command}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_shows_the_defaults():
    assert "[default: 0.01" in typed("evaluate", "--help").stdout
    assert "[default: 1;" in typed("run", "--help").stdout


def test_the_version_is_printed():
    done = typed("--version")
    assert done.exit_code == 0
    assert done.stdout == f"askonce-worker {version('askonce')}\n"


def test_a_misspelt_option_is_told_the_right_one():
    done = typed("run", "--procesess", "2")
    assert done.exit_code == 2
    assert "--processes" in done.stderr


def test_run_says_which_settings_come_from_the_file(worker, tmp_path):
    (tmp_path / ".askonce.env").write_text("ASKONCE_REDIS_URL=redis://127.0.0.1:1/0\nASKONCE_MODEL=m\nPATH=/nowhere\n")
    done = worker("run", ASKONCE_REDIS_AWAY_LIMIT="0.1", ASKONCE_MODEL="another")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        "askonce-worker: ASKONCE_REDIS_URL from .askonce.env; ASKONCE_MODEL from the environment, not from .askonce.env"
    )


def test_a_file_that_is_named_is_read_instead(worker, tmp_path):
    (tmp_path / ".askonce.env").write_text("ASKONCE_RPM=1\n")
    (tmp_path / "other.env").write_text("export ASKONCE_RPM='many'\n")
    done = worker("run", "--env-file", "other.env")
    assert done.returncode == 2
    assert "ASKONCE_RPM from other.env" in done.stderr
    assert "many" not in done.stderr


@pytest.mark.parametrize("line", ["ASKONCE_MODEL='half", "\udcff"])
def test_a_file_that_cannot_be_read_is_bad_usage(worker, tmp_path, line):
    (tmp_path / "bad.env").write_bytes(f"# a comment\n{line}\n".encode("utf-8", "surrogateescape"))
    done = worker("run", "--env-file", "bad.env")
    assert done.returncode == 2
    assert "bad.env" in done.stderr
    assert "half" not in done.stderr


def test_a_missing_file_is_bad_usage(worker):
    assert worker("run", "--env-file", "none.env").returncode == 2
