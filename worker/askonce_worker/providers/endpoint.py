"""How a provider is reached: base URL, query and headers, including Azure's. Pure.

Azure OpenAI takes its key in `api-key` and requires `api-version` in the query of its classic paths:

    https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT?api-version=2024-10-21    one deployment
    https://NAME.openai.azure.com?api-version=2024-10-21                                  the model names the deployment
    https://NAME.openai.azure.com/openai/v1                                               as OpenAI; no version needed
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
RESPONSES = "/responses"
VERSIONED = re.compile(r"/v\d")
NO_VERSION = "Azure needs an api-version: end the URL in ?api-version=2024-10-21, or give the path /openai/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """base_url: without its query. query: added to each request. azure: takes the key in `api-key`.

    by_model: each model is a path of its own, `deployments/MODEL`.
    """

    base_url: str
    query: Mapping[str, str] = field(default_factory=dict)
    azure: bool = False
    by_model: bool = False

    def path(self, path: str, model: str) -> str:
        """The path of a request for this model. Responses name the deployment in their body."""
        return f"/deployments/{quote(model, safe='')}{path}" if self.by_model and path != RESPONSES else path


def endpoint_of(base_url: str) -> Endpoint:
    """Takes a base URL apart. Raises ValueError with a hint, for an Azure URL that lacks its version."""
    parts = urlsplit(base_url)
    query, path = dict(parse_qsl(parts.query)), parts.path.rstrip("/")
    azure = "api-version" in query or (parts.hostname or "").endswith(AZURE_HOSTS)
    if not azure:
        return Endpoint(parts._replace(query="", fragment="").geturl(), query)
    path = path.removesuffix("/chat/completions").removesuffix("/embeddings").removesuffix(RESPONSES)
    if "api-version" not in query and not VERSIONED.search(path):
        raise ValueError(NO_VERSION)
    by_model = path in ("", "/openai", "/openai/deployments")
    path = "/openai" if by_model else path
    return Endpoint(parts._replace(path=path, query="", fragment="").geturl(), query, azure=True, by_model=by_model)


def hint_of(base_url: str) -> str:
    """What may be wrong with a base URL whose server does not know a path; '' if nothing is."""
    if VERSIONED.search(base_url) or "/openai" in base_url:
        return ""
    return "the base URL has no /v1: is its path right?"
