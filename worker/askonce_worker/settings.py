"""Settings from the environment. Malformed values stop the start with one clear line; unknown names warn."""

import difflib
import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    DirectoryPath,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from askonce.prices.price_file import read_price_file
from askonce.question import Tier
from askonce.settings import OUTBOX_MAX
from askonce.store.redis_url import check_url, tidy
from askonce_worker.matching.never_cache import never_cached
from askonce_worker.matching.profiles import embedding_id, profile_of, read_profiles
from askonce_worker.providers.address import INVISIBLE, checked_key, checked_url, cleaned
from askonce_worker.providers.endpoint import endpoint_of
from askonce_worker.providers.spend_limits import spend_limits

PREFIX = "ASKONCE_"
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


class SettingsError(Exception):
    """A setting is malformed; the message is one line and repeats no value."""


class Settings(BaseSettings):
    """Times in seconds, bounds in questions or entries. 0 is no bound."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    redis_url: SecretStr = SecretStr("redis://localhost:6379/0")
    key_prefix: str = Field("askonce", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    model: str | None = None
    qdrant_url: SecretStr | None = None
    qdrant_api_key: SecretStr | None = None
    embedding_model: str = "text-embedding-3-small"
    embedding_dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    embedding_base_url: str | None = None
    embedding_api_key: SecretStr | None = None
    vector_quantization: Literal["none", "int8", "binary"] = "none"
    similarity_threshold: Annotated[float, Field(gt=0, le=1)] | None = None
    semantic_max_chars: Positive = 1000
    semantic_wait: Seconds = 60
    semantic_wait_interactive: Seconds = 3
    cache_ttl: Seconds = 604_800
    max_idle: Seconds = 2_592_000
    max_entries: Count = 0
    result_ttl: Seconds = 86_400
    job_ttl: Seconds = 604_800
    chunk_size: Annotated[int, Field(ge=1, le=1000)] = 64
    llm_concurrency: Positive = 64
    llm_timeout: Seconds = 60
    bulk_tier: Tier = "standard"
    flex_timeout: Seconds = 900
    prompt_cache_key: Literal["auto", "always", "never"] = "auto"
    prices: FilePath | None = None
    batch_wait: Seconds = 300
    batch_margin: Seconds = 3600
    batch_max_requests: Annotated[int, Field(ge=1, le=50_000)] = 50_000
    batch_base_url: str | None = None
    batch_api_key: SecretStr | None = None
    budgets: str = ""
    rpm: Count = 0
    tpm: Count = 0
    max_queued: Count = 0
    lease: Annotated[float, Field(ge=0.5)] = 10
    chunks: Positive = 32
    max_tries: Positive = 5
    outbox_max: Count = OUTBOX_MAX
    compress: bool = True
    on_model_upgrade: Literal["invalidate", "keep", "warn"] = "invalidate"
    retired_models: str = ""
    never_cache: str = ""
    profiles: DirectoryPath | None = None
    error_budget: Annotated[float, Field(ge=0.0001, le=0.5)] | None = None
    audit_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    audit_budget: Annotated[float, Field(ge=0)] = 1.0
    judge_model: str | None = None
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    log_format: Literal["json", "console"] | None = None
    log_prompts: bool = False
    process_index: Count = 0
    grace: Seconds = 30
    redis_away_limit: Seconds = 300

    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")

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

    @field_validator("qdrant_api_key", "embedding_api_key", "batch_api_key", "openai_api_key")
    @classmethod
    def _sendable_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            checked_key(key.get_secret_value())
        return key

    @field_validator("qdrant_url")
    @classmethod
    def _one_qdrant(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            checked_url(url.get_secret_value())
        return url

    @field_validator("embedding_base_url", "batch_base_url", "openai_base_url")
    @classmethod
    def _one_provider(cls, url: str | None) -> str | None:
        if url is not None:
            endpoint_of(checked_url(url))
        return url

    @field_validator("redis_url")
    @classmethod
    def _one_redis(cls, url: SecretStr) -> SecretStr:
        text = tidy(url.get_secret_value())
        check_url(text)
        return SecretStr(text)

    @field_validator("budgets")
    @classmethod
    def _limits(cls, setting: str) -> str:
        spend_limits(setting)
        return setting

    @field_validator("never_cache")
    @classmethod
    def _patterns(cls, setting: str) -> str:
        never_cached(setting)
        return setting

    @field_validator("prices")
    @classmethod
    def _readable_prices(cls, file: FilePath | None) -> FilePath | None:
        if file is not None:
            read_price_file(str(file))
        return file

    @field_validator("profiles")
    @classmethod
    def _readable_profiles(cls, directory: DirectoryPath | None) -> DirectoryPath | None:
        if directory is not None:
            list(read_profiles(directory))
        return directory


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


FRONT_DOOR = f"{PREFIX}SERVE_"
"""Settings of `askonce serve`, which may have the same environment."""


def unknown_settings(environ: Mapping[str, str] = os.environ) -> list[tuple[str, str | None]]:
    """Names that look like settings and are none, each with the nearest that is one."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    strangers = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    strangers = [name for name in strangers if not name.startswith(FRONT_DOOR)]
    return [(name, next(iter(difflib.get_close_matches(name, known, 1, 0.8)), None)) for name in strangers]
