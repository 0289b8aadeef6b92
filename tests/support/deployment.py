"""What stands in `deploy/`, read as the tools would read it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
FRONT_DOOR = KUBERNETES / "front-door"
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def env_file(path: Path) -> dict[str, str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def compose(told: Mapping[str, str]) -> dict[str, Any]:
    """compose.yaml with these variables filled in. Raises KeyError for one that it demands and is not told."""

    def fill(match: re.Match[str]) -> str:
        name, kind, default = match.groups()
        if not told.get(name) and kind == "-":
            return default
        return told[name]

    text = (DEPLOY / "compose.yaml").read_text().replace("$$", "\0")
    return yaml.safe_load(VARIABLE.sub(fill, text).replace("\0", "$"))


def compose_environment(service: str) -> dict[str, str]:
    """What the containers of a service see, with env.example as it is."""
    found = compose(env_file(DEPLOY / "env.example"))["services"][service]
    files = [env_file(DEPLOY / name) for name in found.get("env_file", ())]
    return {name: value for block in [*files, found["environment"]] for name, value in block.items()}


def manifests(folder: Path = KUBERNETES) -> dict[str, dict[str, Any]]:
    """The objects that the folder's kustomization.yaml lists, by their kind: one of each."""
    listed = kustomization(folder)["resources"]
    objects = [found for name in listed for found in yaml.safe_load_all((folder / name).read_text())]
    assert len({found["kind"] for found in objects}) == len(objects)
    return {found["kind"]: found for found in objects}


def kustomization(folder: Path = KUBERNETES) -> dict[str, Any]:
    return yaml.safe_load((folder / "kustomization.yaml").read_text())


def pod(folder: Path = KUBERNETES) -> dict[str, Any]:
    return manifests(folder)["Deployment"]["spec"]["template"]["spec"]


def pod_environment(folder: Path = KUBERNETES) -> dict[str, str]:
    """What the container sees, with the Secret made of secret.example."""
    secret = env_file(folder / "secret.example")
    environment = {}
    for variable in pod(folder)["containers"][0]["env"]:
        source = variable.get("valueFrom")
        environment[variable["name"]] = secret[source["secretKeyRef"]["key"]] if source else variable["value"]
    return environment


def image_steps() -> Iterator[tuple[str, str]]:
    """(instruction, argument) of the Dockerfile, continued lines joined."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            instruction, _, argument = line.partition(" ")
            yield instruction, " ".join(argument.split())
