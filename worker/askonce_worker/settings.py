"""Settings from the environment. Malformed values stop the start with one clear line; unknown names warn."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from askonce.question import Tier
from askonce.settings import OUTBOX_MAX
from askonce_worker.matching.profiles import embedding_id, profile_of
from askonce_worker.providers.address import INVISIBLE, cleaned
from askonce_worker.settings_types import (
    Budgets,
    Count,
    Key,
    Patterns,
    Positive,
    Prices,
    Profiles,
    ProviderUrl,
    QdrantUrl,
    RedisUrl,
    Seconds,
    Share,
)

PREFIX = "ASKONCE_"


class SettingsError(Exception):
    """A setting is malformed. The message is one line and quotes no value."""


class Settings(BaseSettings):
    """Times are in seconds. The text below a field is its row in docs/settings.md."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    # Redis
    redis_url: RedisUrl = SecretStr("redis://localhost:6379/0")
    """Redis or Valkey with `maxmemory-policy noeviction`: `redis://`, `rediss://`, `unix://` (`valkey://`,
    `valkeys://`), or behind Sentinel `redis+sentinel://user:password@h1:26379,h2:26379/name/0?sentinel_password=…`.
    Redis Cluster is not supported. Options: `db`, `username`, `password`, `client_name`, `protocol`, `max_connections`
    (per pool, at least 4), `socket_timeout`, `socket_connect_timeout`, `socket_keepalive`, `health_check_interval`, and
    over TLS `ssl_cert_reqs`, `ssl_check_hostname`, `ssl_ca_certs`, `ssl_ca_data`, `ssl_certfile`, `ssl_keyfile`."""
    key_prefix: str = Field("askonce", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Prefix of all keys in Redis."""
    redis_away_limit: Seconds = 300
    """A worker exits after this long without Redis."""

    # The LLM
    model: str | None = None
    """Model for questions that name none."""
    llm_concurrency: Positive = 64
    """Concurrent LLM calls per worker."""
    llm_timeout: Seconds = 60
    """Timeout of one try."""
    rpm: Count = 0
    """Requests per minute and model, over all workers. No minute exceeds it, so about 94 % is usable. 0: no limit."""
    tpm: Count = 0
    """Tokens per minute and model, like `RPM`."""
    prompt_cache_key: Literal["auto", "always", "never"] = "auto"
    """Whether requests send their scope as a key for the provider's prompt cache. `auto`: only to OpenAI and Azure."""
    openai_api_key: Key | None = Field(None, validation_alias="OPENAI_API_KEY")
    """The provider's API key. No prefix."""
    openai_base_url: ProviderUrl | None = Field(None, validation_alias="OPENAI_BASE_URL")
    """Another provider with an OpenAI-compatible API. No prefix."""

    # Similar questions
    qdrant_url: QdrantUrl | None = None
    """The semantic cache, over gRPC. The port is the gRPC port (6333 or none means 6334). Without it, only exact and
    in-flight matches."""
    qdrant_api_key: Key | None = None
    """Qdrant's API key, if it needs one."""
    embedding_model: str = "text-embedding-3-small"
    """The embedding model. Each model has its own collection; after a change, a new one is filled in the background."""
    embedding_base_url: ProviderUrl | None = None
    """The embedding server, if it isn't the LLM's."""
    embedding_api_key: Key | None = None
    """Its API key, if it isn't the LLM's."""
    embedding_dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Shortens the vectors of a model that supports it (Matryoshka): less memory, less precision. Sent as `dimensions`;
    if the server ignores it, the first ones are used. A change fills a new collection: `check` shows the cost
    beforehand, and the progress. No shipped threshold applies to shortened vectors: measure one with `evaluate`, or set
    `SIMILARITY_THRESHOLD`."""
    vector_quantization: Literal["none", "int8", "binary"] = "none"
    """For collections that a worker creates: searches use small copies in memory, and the originals on disk decide.
    Existing collections are not changed; `check` reports differences."""
    similarity_threshold: Share | None = None
    """Minimum cosine similarity. Default: the embedding model's profile. With neither, only exact matches."""
    profiles: Profiles | None = None
    """A directory of profiles written by `evaluate`; they override the shipped ones."""
    semantic_max_chars: Positive = 1000
    """Longer texts without a template are matched exactly only."""
    semantic_wait: Seconds = 60
    """How long the bulk lane waits for a Qdrant or embedding server that is unreachable, doesn't respond, or only
    rate-limits. Then the question is asked without matching, and the answer's `unmatched` says why. A server that
    responds slowly is waited for until a question has only `LLM_TIMEOUT`, or half of its time, left."""
    semantic_wait_interactive: Seconds = 3
    """How long `ask` waits for each of them, slow or unreachable."""
    outbox_max: Count = OUTBOX_MAX
    """Maximum number of vectors waiting for Qdrant."""

    # What is kept
    cache_ttl: Seconds = 604_800
    """Lifetime of an entry. A hit never extends it."""
    max_idle: Seconds = 2_592_000
    """Entries without a hit for this long are deleted."""
    max_entries: Count = 0
    """Above this number, entries unused the longest are deleted first. 0: no limit."""
    result_ttl: Seconds = 86_400
    """How long an answer can be fetched by its job id."""
    job_ttl: Seconds = 604_800
    """How long a question may wait for its answer, unless it sets its own limit."""
    never_cache: Patterns = ""
    """Regular expressions, one per line or separated by commas. Answers to questions whose text matches are not cached.
    Default: questions about the present; `off`: none. Matching entries from earlier, or from `store` and `warm`, serve
    no other wording, and workers delete them."""
    on_model_upgrade: Literal["invalidate", "keep", "warn"] = "invalidate"
    """What to do when a different snapshot answers under a model's name."""
    retired_models: str = ""
    """Model names, separated by commas, whose entries are deleted."""
    compress: bool = True
    """Compresses entries above 1 kB (zstd), in workers and in clients that `store`, and results, in clients that
    submit. Set 0 while processes of 0.1.0 still read them. Both forms can always be read."""

    # How often a hit may be wrong
    error_budget: Annotated[float, Field(ge=0.0001, le=0.5)] | None = None
    """The share of answered questions that may get a wrong cached answer, such as 0.01. Workers then serve by measured
    error rates instead of a threshold; see [error budget](errors-budget.md)."""
    audit_rate: Share | None = None
    """The share of hits for which the LLM is also asked, to measure how many are wrong, such as 0.02; with a budget,
    the minimum share."""
    judge_model: str | None = None
    """A small chat model of the LLM's provider, not a reasoning model, that compares answers in sentences."""
    judge_gate: bool = False
    """With an error budget: ask the judge about matches just below the threshold before asking the LLM. See [the judge
    as a gate](errors-budget.md#the-judge-as-a-gate)."""
    audit_budget: Annotated[float, Field(ge=0)] = 1.0
    """What the judge may cost per day, in the currency of the prices."""
    matches_kept: Annotated[int, Field(ge=0, le=10_000)] = 500
    """Matches per hour that [the web UI](page.md) can show, with their texts. 0 keeps none."""

    # Money
    prices: Prices | None = None
    """Your own price file instead of list prices, for workers and commands ([costs](costs.md))."""
    budgets: Budgets = ""
    """`default=200/day, shop=1000/month`: what namespaces may spend per day or month (UTC), over all workers. Beyond
    it, questions that no cache answers fail as `budget`."""
    bulk_tier: Tier = "standard"
    """How calls of the bulk lane are paid, unless the question (`tier=`, `askonce batch --tier`) or its own
    `service_tier` says. `ask` is always standard ([costs](costs.md))."""
    flex_timeout: Seconds = 900
    """Timeout of the single try in the flex tier, before the standard tier is asked."""
    batch_wait: Seconds = 300
    """How long questions of tier `batch` are gathered ([provider batches](batches.md))."""
    batch_max_requests: Annotated[int, Field(ge=1, le=50_000)] = 50_000
    """Maximum number of questions in one provider batch."""
    batch_margin: Seconds = 3600
    """A question of tier `batch` is asked directly this long before its deadline."""
    batch_base_url: ProviderUrl | None = None
    """Where the provider's files and batches are, if not at the LLM's address."""
    batch_api_key: Key | None = None
    """Its API key, if it isn't the LLM's."""

    # The queue
    chunk_size: Annotated[int, Field(ge=1, le=1000)] = 64
    """Questions per job."""
    chunks: Positive = 32
    """Jobs per worker that use the caches at the same time. Jobs waiting for the LLM don't count: of these, a worker
    holds up to about `CHUNKS` x 112 questions."""
    max_queued: Count = 0
    """Maximum number of questions in a lane; beyond it, `submit` raises `QueueFull`. 0: no limit."""
    lease: Annotated[float, Field(ge=0.5)] = 10
    """After this long, a dead worker's jobs run elsewhere."""
    max_tries: Positive = 5
    """How often a job is tried if its workers die or lose it."""

    # The process
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Port for Prometheus metrics, plus the process's index. 0: none."""
    log_format: Literal["json", "console"] | None = None
    """Default: `console` on a terminal."""
    log_prompts: bool = False
    """Logs prompts and answers."""
    process_index: Count = 0
    """`run --processes` sets it."""
    grace: Seconds = 30
    """How long a stopping worker may finish what it has begun."""

    @property
    def embedding(self) -> str:
        """The id of the embedding model, including its dimensions."""
        return embedding_id(self.embedding_model, self.embedding_dimensions)

    @model_validator(mode="before")
    @classmethod
    def _cleaned(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Values without the line breaks and quotation marks that secret and environment files leave."""
        values = {name: _clean(name, value) if isinstance(value, str) else value for name, value in given.items()}
        return {name: value for name, value in values.items() if value != ""}


def _clean(name: str, value: str) -> str:
    """Quotation marks may belong to a pattern."""
    return value.strip(INVISIBLE) if name == "never_cache" else cleaned(value)


def matching_threshold(settings: Settings) -> float | None:
    """The similarity from which questions match; None for exact matches only."""
    profile = profile_of(settings.embedding_model, settings.profiles, settings.embedding_dimensions)
    return settings.similarity_threshold or profile.threshold


def listed(names: str) -> list[str]:
    """The names in a comma-separated list."""
    return [name.strip() for name in names.split(",") if name.strip()]


def load_settings() -> Settings:
    """The settings of this process. Raises SettingsError."""
    try:
        return Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            name = str(problem["loc"][0])
            variable = name if name.startswith("OPENAI_") else PREFIX + name.upper()
            lines.append(f"{variable}: {problem['msg'].removeprefix('Value error, ')}")
        raise SettingsError("; ".join(lines)) from None
