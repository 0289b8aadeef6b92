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
    """A setting is malformed; the message is one line and repeats no value."""


class Settings(BaseSettings):
    """Times in seconds. What stands below a field is its row in docs/settings.md."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    # Redis
    redis_url: RedisUrl = SecretStr("redis://localhost:6379/0")
    """Redis or Valkey with `maxmemory-policy noeviction`: `redis://`, `rediss://`, `unix://` (`valkey://`,
    `valkeys://`), or behind Sentinel `redis+sentinel://user:password@h1:26379,h2:26379/name/0?sentinel_password=…`; no
    Cluster. Options: `db`, `username`, `password`, `client_name`, `protocol`, `max_connections` (of each pool, 4 or
    more), `socket_timeout`, `socket_connect_timeout`, `socket_keepalive`, `health_check_interval`, and over TLS
    `ssl_cert_reqs`, `ssl_check_hostname`, `ssl_ca_certs`, `ssl_ca_data`, `ssl_certfile`, `ssl_keyfile`."""
    key_prefix: str = Field("askonce", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Of all keys in Redis."""
    redis_away_limit: Seconds = 300
    """After how long without Redis a worker ends itself."""

    # The LLM
    model: str | None = None
    """The model of questions that name none."""
    llm_concurrency: Positive = 64
    """Calls at once in a worker."""
    llm_timeout: Seconds = 60
    """Of one try."""
    rpm: Count = 0
    """Requests a minute and model, of all workers together; no minute exceeds it, so 94 % can be used. 0: no limit."""
    tpm: Count = 0
    """Tokens a minute and model, as `RPM`."""
    prompt_cache_key: Literal["auto", "always", "never"] = "auto"
    """Whether requests name their scope to the provider's prompt cache; `auto`: OpenAI's and Azure's."""
    openai_api_key: Key | None = Field(None, validation_alias="OPENAI_API_KEY")
    """The provider's, without prefix."""
    openai_base_url: ProviderUrl | None = Field(None, validation_alias="OPENAI_BASE_URL")
    """Another provider that speaks OpenAI's API, without prefix."""

    # Similar questions
    qdrant_url: QdrantUrl | None = None
    """The semantic cache, over gRPC: the port is gRPC's (6333 or none stands for 6334). Without it: exact and in
    flight."""
    qdrant_api_key: Key | None = None
    """Where the Qdrant asks for one."""
    embedding_model: str = "text-embedding-3-small"
    """A change gets a collection of its own, filled again in the background."""
    embedding_base_url: ProviderUrl | None = None
    """Unless it is the LLM's."""
    embedding_api_key: Key | None = None
    """Unless it is the LLM's."""
    embedding_dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Fewer, for a model that can be shortened (Matryoshka): less memory, less exact. Sent as `dimensions`; of a server
    that ignores it the first ones are taken. A change fills a new collection: `check` says beforehand what that costs,
    and how far it is. No shipped threshold holds for fewer: measure one with `evaluate`, or set
    `SIMILARITY_THRESHOLD`."""
    vector_quantization: Literal["none", "int8", "binary"] = "none"
    """For collections that a worker creates: small copies in memory find, the originals on disk decide. An existing
    collection is not changed: `check` says what differs."""
    similarity_threshold: Share | None = None
    """Least cosine; unless set, the embedding model's profile has it. With neither, exact matches only."""
    profiles: Profiles | None = None
    """A directory of profiles, `evaluate`'s own output: before the shipped ones."""
    semantic_max_chars: Positive = 1000
    """Longer texts without a template are matched exactly."""
    semantic_wait: Seconds = 60
    """For how long the bulk lane waits for a Qdrant or an embedding server that cannot be reached, says nothing, or
    only that it is asked too often; then it asks without matching, and the answer's `unmatched` says why. One that
    answers slowly is waited for until a question has `LLM_TIMEOUT`, or half of its time, left."""
    semantic_wait_interactive: Seconds = 3
    """For how long `ask` waits for each of them, slow or away."""
    outbox_max: Count = OUTBOX_MAX
    """Vectors that may wait for Qdrant."""

    # What is kept
    cache_ttl: Seconds = 604_800
    """How long an entry lives. A hit never prolongs it."""
    max_idle: Seconds = 2_592_000
    """Entries not hit for so long go."""
    max_entries: Count = 0
    """Above it the longest unhit go first. 0: no bound."""
    result_ttl: Seconds = 86_400
    """For how long an answer can be fetched by its job id."""
    job_ttl: Seconds = 604_800
    """For how long a question may wait for its answer, unless it says."""
    never_cache: Patterns = ""
    """Regular expressions, one a line or with commas between: what they find in a question's text is never kept. Unless
    set, questions about now; `off`: nothing. Entries that got in before, or by `store` and `warm`, serve no other
    wording, and the workers delete them."""
    on_model_upgrade: Literal["invalidate", "keep", "warn"] = "invalidate"
    """What to do when another snapshot answers under a model's name."""
    retired_models: str = ""
    """Names, with commas: their entries are deleted."""
    compress: bool = True
    """Of workers and of clients that `store`: entries above 1 kB are compressed (zstd); of clients that submit: so are
    the results. 0 while others of 0.1.0 read them; both kinds are read in any case."""

    # How often a hit may be wrong
    error_budget: Annotated[float, Field(ge=0.0001, le=0.5)] | None = None
    """Such as 0.01: at most this share of the answered questions may get a wrong cached answer. Workers then serve by
    measured rates instead of a threshold; see [a budget of errors](errors-budget.md)."""
    audit_rate: Share | None = None
    """Such as 0.02: this share of the hits is asked all the same, to know how many are wrong; with a budget, at least
    this share."""
    judge_model: str | None = None
    """A small chat model (no reasoning one) of the LLM's provider that compares answers in sentences."""
    judge_gate: bool = False
    """With an error budget: the judge is asked about matches just below the threshold before the LLM is. See
    [the judge as a gate](errors-budget.md#the-judge-as-a-gate)."""
    audit_budget: Annotated[float, Field(ge=0)] = 1.0
    """What the judge may cost in a day, in the currency of the prices."""
    matches_kept: Annotated[int, Field(ge=0, le=10_000)] = 500
    """Matches of an hour that [the page](page.md) can show, with their texts. 0 keeps none."""

    # Money
    prices: Prices | None = None
    """A file of prices of your own instead of list prices, for workers and commands ([costs](costs.md))."""
    budgets: Budgets = ""
    """`default=200/day, shop=1000/month`: what namespaces may spend in a day or month (UTC), over all workers; then
    what no cache answers fails as `budget`."""
    bulk_tier: Tier = "standard"
    """How calls of the bulk lane are paid, where neither the question (`tier=`, `askonce batch --tier`) nor its own
    `service_tier` says. `ask` is always standard ([costs](costs.md))."""
    flex_timeout: Seconds = 900
    """Of the one try in the flex tier; then the standard tier is asked."""
    batch_wait: Seconds = 300
    """For how long questions of tier `batch` are gathered ([provider batches](batches.md))."""
    batch_max_requests: Annotated[int, Field(ge=1, le=50_000)] = 50_000
    """How many of them go together in one provider batch."""
    batch_margin: Seconds = 3600
    """Before its deadline a question of tier `batch` is asked at once."""
    batch_base_url: ProviderUrl | None = None
    """The provider's files and batches, unless they are where the LLM is."""
    batch_api_key: Key | None = None
    """Unless it is the LLM's."""

    # The queue
    chunk_size: Annotated[int, Field(ge=1, le=1000)] = 64
    """Questions in a job."""
    chunks: Positive = 32
    """Jobs at once in a worker that use the caches. Those that wait for the LLM do not count: of these a worker holds
    up to about `CHUNKS` x 112 questions."""
    max_queued: Count = 0
    """Questions in a lane; over it `submit` raises `QueueFull`. 0: no bound."""
    lease: Annotated[float, Field(ge=0.5)] = 10
    """After how long a dead worker's jobs run elsewhere."""
    max_tries: Positive = 5
    """How often a job is tried whose workers died over it, or lost it."""

    # The process
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Of Prometheus metrics, plus the process's index. 0: none."""
    log_format: Literal["json", "console"] | None = None
    """Unless set, `console` on a terminal."""
    log_prompts: bool = False
    """Prompts and answers in the log."""
    process_index: Count = 0
    """`run --processes` sets it."""
    grace: Seconds = 30
    """For how long a worker that is told to stop finishes what it has begun."""

    @property
    def embedding(self) -> str:
        """The id of the embedding model, its dimensions included."""
        return embedding_id(self.embedding_model, self.embedding_dimensions)

    @model_validator(mode="before")
    @classmethod
    def _cleaned(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Without the line breaks and quotation marks that files of secrets and of environments leave."""
        values = {name: _clean(name, value) if isinstance(value, str) else value for name, value in given.items()}
        return {name: value for name, value in values.items() if value != ""}


def _clean(name: str, value: str) -> str:
    """Quotation marks may belong to a pattern."""
    return value.strip(INVISIBLE) if name == "never_cache" else cleaned(value)


def matching_threshold(settings: Settings) -> float | None:
    """From which similarity on questions match; None: exact matches only."""
    profile = profile_of(settings.embedding_model, settings.profiles, settings.embedding_dimensions)
    return settings.similarity_threshold or profile.threshold


def listed(names: str) -> list[str]:
    """The names in a list with commas."""
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
            lines.append(f"{variable}: {problem['msg']}")
        raise SettingsError("; ".join(lines)) from None
