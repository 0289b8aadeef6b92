"""The newcomer's first minute, as it is: real models on this machine, whatever the shell has set."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

DEMO = (sys.executable, "-m", "askonce_worker", "demo")
FOREIGN = {"ASKONCE_RPM": "abc", "ASKONCE_KEY_PREFIX": "another", "http_proxy": "http://127.0.0.1:9", "COLUMNS": "200"}
"""What another service's shell may hold: the demo heeds none of it."""


@pytest.fixture
def log(tmp_path):
    return tmp_path / "worker.log"


@pytest.fixture
def demo(log):
    process = subprocess.Popen(
        [*DEMO, "--log", str(log)],
        env={**os.environ, **FOREIGN},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        yield process
        process.kill()


def the_worker_of(demo: subprocess.Popen) -> psutil.Process:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        for child in psutil.Process(demo.pid).children():
            if child.cmdline()[-2:] == ["askonce_worker", "run"]:
                return child
        time.sleep(0.05)
    raise AssertionError("no worker was started")


def all_gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=60)[1]


@pytest.mark.timeout(300)
def test_half_of_the_calls_are_saved_and_no_near_miss_is_matched(demo):
    output, _ = demo.communicate()
    assert demo.returncode == 0, output
    assert re.search(r"questions answered\W+138", output)
    calls = int(re.search(r"│ LLM calls\W+(\d+)", output)[1])
    saved = int(re.search(r"calls saved\W+(\d+)", output)[1])
    assert calls + saved == 138
    assert 60 < saved < 100
    assert re.search(r"money saved\W+\d+\.\d\d USD", output)
    assert "askonce-worker local" in output.splitlines()[-4]
    matched, apart = output.split("alike, and rightly kept apart")
    assert "FastAPI 如何添加鉴权" in matched
    assert "How do I convert YAML to JSON?" in apart


@pytest.mark.timeout(300)
def test_when_its_worker_dies_the_demo_says_so_and_leaves_nothing_behind(demo):
    worker = the_worker_of(demo)
    children = psutil.Process(demo.pid).children(recursive=True)
    worker.send_signal(signal.SIGKILL)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "the worker ended with -9" in output
    assert all_gone(children)


def its_worker_starts(demo: subprocess.Popen, log: Path) -> None:
    the_worker_of(demo)


def its_questions_are_asked(demo: subprocess.Popen, log: Path) -> None:
    """A first one is answered, so others are with the model."""
    deadline = time.monotonic() + 200
    while not (log.exists() and "chunk.answered" in log.read_text()):
        assert time.monotonic() < deadline
        assert demo.poll() is None
        time.sleep(0.02)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", [its_worker_starts, its_questions_are_asked])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_ended_takes_everything_with_it(demo, log, how, moment):
    moment(demo, log)
    children = psutil.Process(demo.pid).children(recursive=True)
    demo.send_signal(how)
    demo.communicate(timeout=60)
    assert all_gone(children)
