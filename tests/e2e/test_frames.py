"""`askonce.enrich` over one real worker: libraries as they are, the engines of examples/, a notebook."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest
import pytest_asyncio

import askonce
from support.readme_commands import Shell
from support.worker_process import environment, until, workers

ROOT = Path(__file__).parents[2]
ENGINES = Path(sys.prefix) / "frames" / "bin"
"""What tests/frames.sh installs."""
pytestmark = pytest.mark.timeout(300)
needs_engines = pytest.mark.skipif(not ENGINES.exists(), reason="`make frames` installs it")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(valkey_url, embedded_qdrant_url, llm_process):
    settings = {
        "ASKONCE_REDIS_URL": valkey_url,
        "ASKONCE_KEY_PREFIX": f"test-{secrets.token_hex(4)}",
        "ASKONCE_QDRANT_URL": embedded_qdrant_url,
        "ASKONCE_EMBEDDING_MODEL": f"test-{secrets.token_hex(4)}",
        "ASKONCE_SIMILARITY_THRESHOLD": "0.95",
        "ASKONCE_MODEL": "gpt-4o-mini",
        "OPENAI_BASE_URL": llm_process.base_url,
        "OPENAI_API_KEY": "test",
    }
    async with workers(1, settings):
        yield settings


@pytest.fixture
def settings(stack, llm_server, monkeypatch):
    for name, value in stack.items():
        monkeypatch.setenv(name, value)
    return stack


def calls(llm_server):
    """How often each text was asked."""
    return llm_server.call("GET", "/stats", None)["chat"]["texts"]


def among_engines(settings):
    """Where programs are those of the engines: they stay on this machine's loopback, and report to nobody."""
    path = {"PATH": f"{ENGINES}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "producer")}
    alone = {
        "DO_NOT_TRACK": "1",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # so that it binds to loopback
        "RAY_USAGE_STATS_ENABLED": "0",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_SUBMIT_ARGS": "--master local[1] --conf spark.ui.enabled=false pyspark-shell",
    }
    return {**environment(settings), **path, **alone}


def test_rows_that_say_the_same_cost_one_call_whatever_library_they_are_of(settings, llm_server):
    subjects = [f"{n} [g{n}]" for n in range(20)]
    said = ["Tell me of subject {} please", "Please tell me of subject {}", "Tell me of subject {} please"]
    first = pd.DataFrame({"text": [way.format(subject) for subject in subjects for way in said]})
    done = askonce.enrich(first, "Be brief.\n\n{text}")
    assert sum(calls(llm_server).values()) == 20
    assert done["answer"].str.contains("subject").all()
    sources = done["source"].value_counts()
    assert sources["llm"] == 20
    assert set(sources.index) <= {"llm", "semantic", "inflight", "exact"}
    assert (done["error"].isna().all(), done["cost"].notna().all()) == (True, True)
    assert done["similarity"][done["source"] == "semantic"].ge(0.95).all()

    again = askonce.enrich(pl.from_pandas(first), "Be brief.\n\n{text}")
    assert "llm" not in set(again["source"])
    over = duckdb.sql("SELECT text, length(text) AS n FROM again").order("n")
    counted = askonce.enrich(over, "Be brief.\n\n{text}")
    assert "llm" not in set(counted["source"].to_pylist())
    assert sum(calls(llm_server).values()) == 20


async def test_one_loop_asks_about_two_frames_at_once(settings, llm_server):
    first, second = (pl.DataFrame({"text": [f"What is {n}?" for n in range(part, part + 30)]}) for part in (0, 15))
    async with askonce.Client() as client:
        done = await asyncio.gather(
            askonce.aenrich(first, "{text}", client=client), askonce.aenrich(second, "{text}", progress=False)
        )
    assert [frame["answer"].to_list() for frame in done] == [
        [f"answer to: {text}" for text in frame["text"]] for frame in (first, second)
    ]
    assert len(calls(llm_server)) == sum(calls(llm_server).values()) == 45


async def test_failed_rows_have_the_kind_of_their_error(settings, llm_server):
    await llm_server.fail("chat", "status", status=400, contains="poison")
    frame = pl.DataFrame({"text": ["Is it good?", "poison", None, "Is it not?"]})
    done = askonce.enrich(frame, "{text}", progress=False)
    assert [error and error.split(":")[0] for error in done["error"]] == [None, "bad_request", "malformed_line", None]
    assert done["answer"].is_null().to_list() == [False, True, True, False]


NOTICED = """
import askonce, pyarrow
askonce.enrich(pyarrow.table({"text": [f"Number {n}?" for n in range(400)]}), "{text}")
"""


async def test_what_was_answered_before_ctrl_c_is_not_paid_again(settings, llm_server):
    await llm_server.control(chat={"latency_ms": 20})
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", NOTICED, stderr=asyncio.subprocess.PIPE)

    async def some():
        return sum(calls(llm_server).values()) > 60

    await until(some, what="the first answers")
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    assert errors.decode().rstrip().endswith("KeyboardInterrupt")
    done = await asyncio.to_thread(
        askonce.enrich, pl.DataFrame({"text": [f"Number {n}?" for n in range(400)]}), "{text}"
    )
    assert done["error"].is_null().all()
    assert done["answer"].to_list() == [f"answer to: Number {n}?" for n in range(400)]
    assert set(calls(llm_server).values()) == {1}


@needs_engines
@pytest.mark.parametrize("engine", ["daft", "dbt", "duckdb", "ray", "spark"])
def test_an_engine_runs_it_as_its_readme_tells(engine, settings, llm_server, tmp_path):
    folder = tmp_path / engine
    shutil.copytree(ROOT / "examples" / engine, folder, ignore=shutil.ignore_patterns("__pycache__"))
    model = f"model-of-{engine}"
    with Shell(folder, among_engines({**settings, "ASKONCE_MODEL": model})) as shell:
        shell.run(folder / "README.md")
    asked = [call["body"] for call in llm_server.call("GET", "/stats")["chat"]["requests"]]
    assert {body["model"] for body in asked} == {model}
    assert sorted(body["messages"][-1]["content"] for body in asked) == [
        "Classify as parcel, refund or other: I want my money back",
        "Classify as parcel, refund or other: Where is my parcel?",
    ]


CELL = """
import askonce, pyarrow
done = askonce.enrich(pyarrow.table({"text": [f"Row {n} in a notebook?" for n in range(40)]}), "{text}")
done.num_rows
"""


@needs_engines
async def test_a_notebook_shows_how_far_it_is(settings, llm_server, tmp_path):
    await llm_server.control(chat={"latency_ms": 600})
    cell = {"cell_type": "code", "source": CELL, "metadata": {}, "outputs": [], "execution_count": None, "id": "a"}
    notebook = tmp_path / "of.ipynb"
    notebook.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    done = await asyncio.to_thread(
        subprocess.run,
        [ENGINES / "jupyter", "execute", "--inplace", "--kernel_name=python3", notebook],
        env=among_engines(settings),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    bar, result = json.loads(notebook.read_text())["cells"][0]["outputs"]
    assert '<progress style="width: 100%" max="40" value="40">' in "".join(bar["data"]["text/html"])
    assert "40/40 done" in "".join(bar["data"]["text/plain"])
    assert result["data"]["text/plain"] == ["40"]
