"""`askonce batch` as a process of its own, for tests with real workers."""

import asyncio
import sys

import orjson
import pytest

from support.worker_process import environment

CONCURRENCY = 16
MODEL = "test-model"


@pytest.fixture
def batch_settings(valkey_url, qdrant_url, llm_server, prefix):
    return {
        "ASKONCE_REDIS_URL": valkey_url,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_QDRANT_URL": qdrant_url,
        "ASKONCE_EMBEDDING_MODEL": f"test-{prefix}",
        "ASKONCE_SIMILARITY_THRESHOLD": "0.95",
        "ASKONCE_LEASE": "3",
        "ASKONCE_CHUNKS": "4",
        "ASKONCE_LLM_CONCURRENCY": str(CONCURRENCY),
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }


class Command:
    """`askonce batch in.jsonl out.jsonl` in a directory."""

    def __init__(self, directory, settings) -> None:
        self.directory = directory
        self.settings = settings

    async def start(self, *arguments, source="in.jsonl", out="out.jsonl", **pipes):
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "askonce.cli", "batch", source, out, *arguments,
            cwd=self.directory, env=environment(self.settings), stderr=asyncio.subprocess.PIPE, **pipes,
        )  # fmt: skip

    async def run(self, *arguments, given=None, **options):
        """Exit code, stdout and stderr."""
        process = await self.start(*arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, **options)
        out, errors = await process.communicate(given)
        return process.returncode, out, errors.decode()

    def written(self, name="out.jsonl"):
        path = self.directory / name
        return path.read_bytes().count(b"\n") if path.exists() else 0


def request(custom_id, text, **changes):
    body = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
    line = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body, **changes}
    return orjson.dumps(line)


def content(record):
    """The text of an answered line."""
    return record["response"]["body"]["choices"][0]["message"]["content"]
