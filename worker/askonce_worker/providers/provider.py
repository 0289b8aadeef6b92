"""Requests to an OpenAI-compatible provider, their retries, and foreign errors translated once.

LLMError              what the pipeline knows
  ProviderError       one try failed, and perhaps the provider said when to come back

The cause is kept. It, and `body`, may quote the prompt: messages are made of status and code alone, so that they may be
logged.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar
from urllib.request import getproxies

import httpx2
import openai

from askonce_worker.answering.ports import LLMError
from askonce_worker.providers import retry
from askonce_worker.providers.http_transport import AiohttpTransport
from askonce_worker.providers.loopback import is_loopback

T = TypeVar("T")
CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
CONNECT_TIMEOUT = 5.0
KEEP_ALIVE = 30.0


class ProviderError(LLMError):
    """One try failed. retry_after: seconds the provider asked us to wait."""

    def __init__(
        self,
        verdict: retry.Verdict,
        message: str,
        *,
        status: int | None = None,
        body: Any = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(verdict.kind, message, final=verdict.final, status=status, body=body)
        self.retry_after = retry_after

    @property
    def put_off(self) -> bool:
        """Not refused but told when to come back."""
        return self.kind == "rate_limit" and bool(self.retry_after)


def connect(*, api_key: str | None, base_url: str | None, timeout: float) -> openai.AsyncOpenAI:
    """A client without retries of its own, whose pool makes nobody wait.

    None takes OPENAI_API_KEY and OPENAI_BASE_URL. A proxy named by the environment is left to httpx2's own transport:
    it takes socks ones too, and those reached by TLS. No proxy leads to a server on this machine.
    """
    here = base_url is not None and is_loopback(base_url)
    proxied = not here and not getproxies().keys().isdisjoint(("http", "https", "all"))
    timeouts = httpx2.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout))
    http_client = openai.DefaultAsyncHttpxClient(
        limits=httpx2.Limits(keepalive_expiry=KEEP_ALIVE),
        trust_env=not here,
        timeout=timeouts,
        transport=None if proxied else AiohttpTransport(keep_alive=KEEP_ALIVE),
    )
    return openai.AsyncOpenAI(
        api_key=api_key, base_url=base_url, max_retries=0, timeout=timeouts, http_client=http_client
    )


async def post(client: openai.AsyncOpenAI, path: str, content: bytes, *, timeout: float) -> bytes:
    """The reply's body, untouched: building the SDK's models takes a third of a call's processor time.

    One try, within `timeout` seconds. Raises ProviderError.
    """
    try:
        async with asyncio.timeout(timeout):
            return await client.post(path, cast_to=bytes, content=content)
    except openai.APIStatusError as error:
        raise _refused(error) from error
    except (TimeoutError, openai.APITimeoutError) as error:
        raise ProviderError(retry.Verdict("timeout", final=False), "no reply in time") from error
    except openai.APIConnectionError as error:
        raise ProviderError(retry.Verdict("connection", final=False), "no connection to the provider") from error
    except openai.OpenAIError as error:
        raise ProviderError(retry.Verdict("bad_request", final=True), type(error).__name__) from error


def _refused(error: openai.APIStatusError) -> ProviderError:
    status, headers = error.status_code, error.response.headers
    codes = [code for code in (error.code, error.type) if isinstance(code, str) and CODE.fullmatch(code)]
    quota = next((code for code in codes if code in retry.QUOTA_CODES), None)
    message = f"the provider answered {status}" + (f" ({codes[0]})" if codes else "")
    return ProviderError(
        retry.judge_status(status, quota or next(iter(codes), None)),
        message,
        status=status,
        body=error.body,
        retry_after=retry.retry_after(headers, now=time.time()),
    )


async def retried(
    ask: Callable[[], Awaitable[T]],
    backoff: retry.Backoff,
    *,
    timeout: float,
    kinds: Collection[str] | None = None,
    on_retry: Callable[[str, float], None] | None = None,
    again: Callable[[], Awaitable[None]] | None = None,
) -> T:
    """Asks again after what is not final, or only after these kinds. again: waited for after each pause.

    A pause that would pass `timeout` ends it at once, with the error at hand. Being told when to come back is no
    failure, unless it never ends.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    failed = put_off = 0
    while True:
        try:
            return await ask()
        except ProviderError as error:
            failed, put_off = failed + (not error.put_off), put_off + error.put_off
            pause = backoff.pause(failed + put_off, error.retry_after)
            hopeless = error.final or (kinds is not None and error.kind not in kinds)
            exhausted = failed >= backoff.tries or put_off >= backoff.put_offs
            if hopeless or exhausted or clock() + pause >= deadline:
                raise
            if on_retry is not None:
                on_retry(error.kind, pause)
        await asyncio.sleep(pause)
        if again is not None:
            await again()
