"""What `askonce-worker check` reports about the provider's two endpoints: the LLM and the embeddings."""

from openai import APIStatusError, AsyncOpenAI, omit
from pydantic import SecretStr

from askonce_worker.check.finding import Finding
from askonce_worker.check.one_part import TIMEOUT, answer, redacted
from askonce_worker.providers.embedding_dimensions import is_refusal
from askonce_worker.providers.provider import connect
from askonce_worker.settings import Settings

DIFFERENT_TEXTS = ["How do I read a CSV file?", "Who painted the red tower?"]
REFUSED = (401, 403)
NO_KEY = "set OPENAI_API_KEY, or OPENAI_BASE_URL for your own server"
UNSET = "unset ASKONCE_EMBEDDING_DIMENSIONS, or use a model whose vectors can be shortened (Matryoshka)"
NO_EMBEDDING_KEY = "set ASKONCE_EMBEDDING_API_KEY or OPENAI_API_KEY"


async def embeddings(settings: Settings) -> Finding:
    url = settings.embedding_base_url or settings.openai_base_url
    key, wanted = settings.embedding_api_key or settings.openai_api_key, settings.embedding_dimensions
    shown = f"{settings.embedding} at {_place(url)}"
    if key is None and not url:
        return Finding("embeddings", shown, "no key", ok=False, advice=NO_EMBEDDING_KEY)

    async def ask() -> Finding:
        async with _openai(url, key) as client:
            reply = await client.embeddings.create(
                model=settings.embedding_model, input=DIFFERENT_TEXTS, dimensions=wanted or omit
            )
        one, other = (item.embedding for item in reply.data)
        if one == other:
            found, advice = "different texts have the same vector", "matching is off until the server tells texts apart"
            return Finding("embeddings", shown, found, ok=False, advice=advice)
        return _sized(shown, len(one), wanted)

    async def ask_for_dimensions() -> Finding:
        try:
            return await ask()
        except APIStatusError as error:
            if wanted is None or not is_refusal(error.status_code, error.message):
                raise
            return Finding(
                "embeddings", shown, "the server rejects `dimensions` for this model", ok=False, advice=UNSET
            )

    advice = "ASKONCE_EMBEDDING_BASE_URL, ASKONCE_EMBEDDING_API_KEY" if key else f"no key is set: {NO_EMBEDDING_KEY}"
    return await answer("embeddings", shown, ask_for_dimensions, advice)


def _sized(shown: str, sent: int, wanted: int | None) -> Finding:
    """A finding about the size of a vector. wanted: ASKONCE_EMBEDDING_DIMENSIONS."""
    if wanted is None or sent == wanted:
        return Finding("embeddings", shown, f"{sent} dimensions", ok=True)
    if sent < wanted:
        return Finding("embeddings", shown, f"{sent} dimensions, not {wanted}: none is used", ok=False, advice=UNSET)
    state = f"the server ignores `dimensions` and sends {sent}; the first {wanted} are used"
    advice = "only correct for Matryoshka models: measure it with askonce-worker evaluate"
    return Finding("embeddings", shown, state, ok=True, advice=advice)


async def llm(settings: Settings) -> Finding:
    """Checked in the provider's list of models if that has the configured one, else by asking for one token."""
    url, key, model = settings.openai_base_url, settings.openai_api_key, settings.model
    shown = f"{model or 'model per question'} at {_place(url)}"
    if key is None and not url:
        return Finding("llm", shown, "OPENAI_API_KEY is not set", ok=False, advice=NO_KEY)

    async def ask() -> Finding:
        async with _openai(url, key) as client:
            names = await _models(client)
            if names and (model is None or model in names):
                return Finding("llm", shown, f"answers, {len(names)} models", ok=True)
            if model is None:
                return Finding("llm", shown, "answers, but lists no models", ok=True)
            return await _try(client, model, shown, names)

    advice = "OPENAI_BASE_URL, OPENAI_API_KEY" if key else "OPENAI_API_KEY is not set"
    return await answer("llm", shown, ask, advice)


async def _models(client: AsyncOpenAI) -> list[str]:
    """The provider's models; empty if it has no list, or one in an unknown format."""
    try:
        return [model.id async for model in client.models.list()]
    except APIStatusError as error:
        if error.status_code in REFUSED:
            raise
        return []
    except (ValueError, TypeError, AttributeError):
        return []


async def _try(client: AsyncOpenAI, model: str, shown: str, names: list[str]) -> Finding:
    """Ask for one token, because not every provider lists what it serves (Azure's deployments, routers' aliases)."""
    unlisted = "lists no models" if not names else f"the model is not among the {len(names)} it lists"
    try:
        await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "ready?"}], max_tokens=1
        )
    except APIStatusError as error:
        if error.status_code in REFUSED:
            raise
        if error.status_code == 400 and "max_tokens" in str(
            error.body
        ):  # a model for which this parameter has another name
            return Finding("llm", shown, f"answers, but {unlisted}", ok=True)
        state = f"status {error.status_code} for a question to {model}; {unlisted}"
        return Finding("llm", shown, state, ok=False, advice="ASKONCE_MODEL, OPENAI_BASE_URL (often ends in /v1)")
    return Finding("llm", shown, f"answers, but {unlisted}", ok=True)


def _place(url: str | None) -> str:
    return redacted(url) if url else "the provider"


def _openai(url: str | None, key: SecretStr | None) -> AsyncOpenAI:
    """The worker's own client. Local servers need no key, but OpenAI's client does."""
    return connect(base_url=url, api_key=key.get_secret_value() if key else "none", timeout=TIMEOUT)
