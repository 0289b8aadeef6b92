"""Requests to an OpenAI-compatible provider, with retries, and errors translated once.

LLMError              what the pipeline knows
  ProviderError       one try failed, and perhaps the provider said when to come back

The cause is kept. `str(error)` is made of status and code alone, so that it may be logged. `message`, for the caller,
and `body` have the provider's own words too, which may quote the prompt.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2
import openai
from openai._models import FinalRequestOptions

from askonce.readable import MAX_ANSWER_BYTES
from askonce_worker.answering.ports import LLMError
from askonce_worker.logs.redaction import Redactor
from askonce_worker.providers import retry
from askonce_worker.providers.connection_fault import fault_of
from askonce_worker.providers.endpoint import Endpoint, endpoint_of, hint_of
from askonce_worker.providers.error_reply import read_error
from askonce_worker.providers.http_client import ReplyTooLarge, http_client

T = TypeVar("T")
MOST_PATHS = 1_000
"""Requests kept by path. Where a path names a deployment, its name comes from the question."""


class ProviderError(LLMError):
    """One try failed. words: the provider's own. retry_after: seconds the provider asked us to wait.

    billed: the reply, where the provider may have counted tokens for it.
    """

    def __init__(
        self,
        decision: retry.RetryDecision,
        summary: str,
        *,
        words: str = "",
        status: int | None = None,
        body: Any = None,
        retry_after: float | None = None,
        billed: Mapping[str, Any] | None = None,
    ) -> None:
        message = f"{summary}: {words}" if words else summary
        super().__init__(decision.kind, message, final=decision.final, status=status, body=body)
        self.args = (summary,)
        self.retry_after = retry_after
        self.billed = billed

    @property
    def put_off(self) -> bool:
        """Whether it was asked to retry later, rather than refused."""
        return self.kind == "rate_limit" and bool(self.retry_after)


class ProviderClient(openai.AsyncOpenAI):
    """The SDK's client, with what the SDK does not know about the provider."""

    endpoint: Endpoint
    redactor: Redactor
    http: httpx2.AsyncClient
    requests: dict[str, httpx2.Request]

    @property
    def user_agent(self) -> str:
        return f"AsyncOpenAI/Python {openai.__version__}"  # gateways know this one

    async def _prepare_options(self, options: FinalRequestOptions) -> FinalRequestOptions:
        """The SDK's hook. Azure takes the key in its own header, and the model of the SDK's calls in the path."""
        options = await super()._prepare_options(options)
        if isinstance(options.json_data, Mapping) and "model" in options.json_data:
            options.url = self.endpoint.path(options.url, str(options.json_data["model"]))
        if self.endpoint.azure:
            given = options.headers if isinstance(options.headers, Mapping) else {}
            options.headers = {**given, "api-key": self.api_key, "Authorization": openai.Omit()}
        return options

    async def request_to(self, path: str, content: bytes) -> httpx2.Request:
        """The request as the SDK builds it. Building it for each call would take two thirds of the call's CPU time."""
        if (made := self.requests.get(path)) is None:
            options = await self._prepare_options(FinalRequestOptions.construct(method="post", url=path, content=b""))
            made = self._build_request(options)
            del made.headers["content-length"]
            if len(self.requests) < MOST_PATHS:
                self.requests[path] = made
        return httpx2.Request("POST", made.url, headers=made.headers, content=content, extensions=made.extensions)


def connect(
    *, api_key: str | None, base_url: str | None, timeout: float, most: int | None = MAX_ANSWER_BYTES
) -> ProviderClient:
    """A client without retries of its own.

    Args:
        api_key: None takes OPENAI_API_KEY.
        base_url: None takes OPENAI_BASE_URL. It may have a query, and may be Azure's.
        timeout: Seconds for one request.
        most: Bytes of a reply, unpacked; None to read replies as they come in.

    Raises:
        ValueError: An Azure URL without its version.
    """
    endpoint = endpoint_of(base_url) if base_url is not None else Endpoint("")
    transport, timeouts = http_client(base_url, timeout, most)
    client = ProviderClient(
        api_key=api_key,
        base_url=endpoint.base_url or None,
        default_query=endpoint.query,
        max_retries=0,
        timeout=timeouts,
        http_client=transport,
    )
    client.endpoint = endpoint
    client.http = transport
    client.requests = {}
    client.redactor = Redactor([api_key] if api_key else ())
    return client


async def post(client: ProviderClient, path: str, content: bytes, *, timeout: float, model: str = "") -> bytes:
    """The reply's body, untouched: building the SDK's models takes a third of a call's processor time.

    Args:
        client: From `connect`.
        path: Below the base URL.
        content: The request's body, JSON.
        timeout: Seconds for this one try.
        model: As the request names it: some providers want it in the path.

    Raises:
        ProviderError: No reply, or one other than 2xx.
    """
    with translated(client):
        async with asyncio.timeout(timeout):
            request = await client.request_to(client.endpoint.path(path, model), content)
            reply = await client.http.send(request)
        return reply.raise_for_status().content


@contextmanager
def translated(client: ProviderClient) -> Iterator[None]:
    """Raises ProviderError for what the SDK and the HTTP client below it raise."""
    try:
        yield
    except (openai.APIStatusError, httpx2.HTTPStatusError) as error:
        raise _refused(client, error.response) from error
    except (TimeoutError, openai.APITimeoutError, httpx2.TimeoutException) as error:
        raise ProviderError(retry.RetryDecision("timeout", final=False), "no reply in time") from error
    except (openai.APIConnectionError, httpx2.RequestError) as error:
        raise _not_read(error) from error
    except openai.OpenAIError as error:
        raise ProviderError(retry.RetryDecision("bad_request", final=True), type(error).__name__) from error


def _not_read(error: Exception) -> ProviderError:
    if isinstance(error, ReplyTooLarge) or isinstance(error.__cause__, ReplyTooLarge):
        # Another try would be paid for as well, and be as large.
        return ProviderError(retry.RetryDecision("invalid_response", final=True), "the provider's reply is too large")
    fault = fault_of(error)
    summary = "no connection to the provider" + (f": {fault}" if fault else "")
    return ProviderError(retry.RetryDecision("connection", final=False), summary)


def _refused(client: ProviderClient, response: httpx2.Response) -> ProviderError:
    status = response.status_code
    reply = read_error(response.content, client.redactor)
    hint = hint_of(str(client.base_url)) if status in (404, 405) else ""
    asked = retry.retry_after(response.headers, now=time.time())
    return ProviderError(
        retry.judge_status(status, *reply.codes),
        f"the provider answered {status}" + _named(status, reply.codes),
        words="; ".join(filter(None, (reply.words, hint))),
        status=status,
        body=reply.body,
        retry_after=reply.pause if asked is None else asked,
    )


def _named(status: int, codes: tuple[str, ...]) -> str:
    """The provider's name for the error, if it says more than the status."""
    name = next((code for code in codes if code != str(status)), None)
    return f" ({name})" if name else ""


async def retried(
    ask: Callable[[], Awaitable[T]],
    backoff: retry.Backoff,
    *,
    timeout: float,
    kinds: Collection[str] | None = None,
    on_retry: Callable[[str, float], None] | None = None,
    again: Callable[[], Awaitable[None]] | None = None,
) -> T:
    """Asks again after errors that are not final, or only after these kinds. again: awaited after each pause.

    If a pause would exceed `timeout`, the last error is raised at once. Being told when to retry is not a failure,
    unless it never ends.
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
