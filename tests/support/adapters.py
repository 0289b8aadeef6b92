"""The adapters under test, wired to the test server, with pauses too short to wait for."""

import time
from typing import Any

from askonce.contract.keys import Keys
from askonce.prices.load import NoPrices
from askonce_worker.pacing.limits import Waits
from askonce_worker.providers.additions import Additions
from askonce_worker.providers.embeddings import OpenAIEmbedder
from askonce_worker.providers.llm import OpenAILLM
from askonce_worker.providers.money_budget import MoneyBudget
from askonce_worker.providers.provider import connect
from askonce_worker.providers.retry import Backoff
from support.llm_server import LLMServer

KEY = "sk-secret-key"
QUICK = Backoff(lambda: 0.5, least=0.001, most=0.01)


def llm_for(server: LLMServer, *, timeout: float = 5.0, base_url: str | None = None, **options: Any) -> OpenAILLM:
    client = connect(api_key=KEY, base_url=base_url or server.base_url, timeout=timeout)
    usual = {"backoff": QUICK, "flex_timeout": timeout, "additions": Additions(cache_keys=False, clock=time.monotonic)}
    usual["money"] = MoneyBudget(None, Keys("unused"), worker="w", limits={}, prices=NoPrices())  # type: ignore[arg-type]
    return OpenAILLM(client, timeout=timeout, **{**usual, **options})


def embedder_for(server: LLMServer, *, patience: float = 60.0, **options: Any) -> OpenAIEmbedder:
    client = connect(api_key=KEY, base_url=server.base_url, timeout=5)
    usual = {"model": "e", "max_tokens": 8192, "backoff": QUICK, "waits": Waits(bulk=patience)}
    return OpenAIEmbedder(client, **{**usual, **options})
