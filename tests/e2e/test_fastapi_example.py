"""The example of the README, as it stands, over a real worker."""

import runpy
from pathlib import Path

import httpx
import pytest

from support.worker_process import until, workers

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_app.py"


@pytest.fixture
def settings(valkey_url, llm_server, prefix, monkeypatch):
    settings = {
        "ASKONCE_REDIS_URL": valkey_url,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_MODEL": "test-model",
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


async def test_it_asks_accepts_and_tells(settings):
    app = runpy.run_path(str(EXAMPLE))["app"]
    transport = httpx.ASGITransport(app=app)
    async with (
        workers(1, settings),
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://example") as http,
    ):
        asked = await http.get("/ask", params={"q": "What is a monad?"})
        assert asked.json() == {"text": "answer to: What is a monad?", "source": "llm", "similarity": None}
        assert (await http.get("/ask", params={"q": "What is a monad?"})).json()["source"] == "exact"
        assert (await http.get("/ask", params={"q": " "})).status_code == 422

        accepted = await http.post("/jobs", params={"q": "What is a functor?"})
        assert accepted.status_code == 202
        job = f"/jobs/{accepted.json()['job_id']}"

        async def answered():
            return (await http.get(job)).json()["status"] == "answered"

        await until(answered, what="the answer")
        assert (await http.get(job)).json()["text"] == "answer to: What is a functor?"
        assert (await http.get("/jobs/never")).status_code == 404
