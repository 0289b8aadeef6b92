"""Types of settings other than numbers and strings: URLs, keys, files and patterns, each validated when it is read."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, DirectoryPath, Field, FilePath, SecretStr

from askonce.prices.price_file import read_price_file
from askonce.store.redis_url import check_url, tidy
from askonce_worker.matching.never_cache import never_cached
from askonce_worker.matching.profiles import read_profiles
from askonce_worker.providers.address import checked_key, checked_url
from askonce_worker.providers.endpoint import endpoint_of
from askonce_worker.providers.spend_limits import spend_limits


def _after(check: Callable[[Any], Any]) -> AfterValidator:
    """A validator that returns the value unchanged. The check raises ValueError."""

    def checked(value: Any) -> Any:
        check(value)
        return value

    return AfterValidator(checked)


def _redis(url: SecretStr) -> SecretStr:
    text = tidy(url.get_secret_value())
    check_url(text)
    return SecretStr(text)


Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis)]
QdrantUrl = Annotated[SecretStr, _after(lambda url: checked_url(url.get_secret_value()))]
ProviderUrl = Annotated[str, _after(lambda url: endpoint_of(checked_url(url)))]
Key = Annotated[SecretStr, _after(lambda key: checked_key(key.get_secret_value()))]
Budgets = Annotated[str, _after(spend_limits)]
Patterns = Annotated[str, _after(never_cached)]
Prices = Annotated[FilePath, _after(lambda file: read_price_file(str(file)))]
Profiles = Annotated[DirectoryPath, _after(lambda directory: list(read_profiles(directory)))]
