"""`askonce-worker local`: run the embedded stack until Ctrl-C or SIGTERM."""

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from askonce.env_file import ENV_FILE
from askonce_worker.local.env_file import clear_env_file, remove_env_file, sourcing, write_env_file
from askonce_worker.local.parts import (
    FRONT_DOOR,
    FRONT_DOOR_URL,
    SERVICES,
    VARIABLES,
    Part,
    Unavailable,
    choose_parts,
)
from askonce_worker.local.stack import PartDied, Stack
from askonce_worker.local.stopping import Stopped, stop_on_signals
from askonce_worker.local.weights import WeightsMissing

ALL = (*SERVICES, FRONT_DOOR)


def _services(text: str) -> str:
    unknown = sorted(set(text.split(",")) - set(ALL))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)!r} is not one of {', '.join(ALL)}")
    return text


_Port = typer.Option(min=1, max=65535, help="Port.", show_default="a free one")
_FrontDoorPort = typer.Option(min=1, max=65535, help="Port.", show_default="8080, or a free one")


def local(
    services: Annotated[
        str, typer.Option(callback=_services, help="The parts to run, separated by commas.")
    ] = ",".join(ALL),
    data_dir: Annotated[Path | None, typer.Option(file_okay=False, help="Keep the data here between runs.")] = None,
    env_file: Annotated[
        Path,
        typer.Option(
            dir_okay=False, help="Write the variables to this file once all parts are ready; removed on exit."
        ),
    ] = Path(ENV_FILE),
    llm_model: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A GGUF file to run instead of SmolLM2-135M.")
    ] = None,
    redis_port: Annotated[int | None, _Port] = None,
    qdrant_port: Annotated[int | None, _Port] = None,
    embeddings_port: Annotated[int | None, _Port] = None,
    llm_port: Annotated[int | None, _Port] = None,
    front_door_port: Annotated[int | None, _FrontDoorPort] = None,
) -> None:
    """Run Redis, Qdrant, an embedding model, an LLM and the front door until Ctrl-C.

    Nothing else is needed: no server, Docker or API key. The data is deleted on exit unless --data-dir keeps it.
    """
    if not env_file.parent.is_dir():
        raise typer.BadParameter(f"{env_file.parent} is not a directory", param_hint="--env-file")
    if not clear_env_file(env_file, VARIABLES):
        raise typer.BadParameter(f"{env_file} holds other variables too: choose another", param_hint="--env-file")
    ports = dict(zip(ALL, (redis_port, qdrant_port, embeddings_port, llm_port, front_door_port), strict=True))
    given = {name: port for name, port in ports.items() if port is not None}
    try:
        with stop_on_signals():
            chosen = choose_parts(services.split(","), data_dir=data_dir, ports=given, llm_model=llm_model, say=_say)
            _run(chosen, env_file)
    except Stopped:
        _say("stopped")
    except (Unavailable, WeightsMissing, PartDied) as error:
        typer.echo(f"askonce-worker local: {error}", err=True)
        raise typer.Exit(1) from error


def _run(parts: list[Part], env_file: Path) -> None:
    started = time.monotonic()
    with Stack(parts) as stack:
        names = ", ".join(part.name for part in parts)
        write_env_file(env_file, stack.environment)
        try:
            _say(f"ready: {names} ({time.monotonic() - started:.1f} s)")
            _say(_next_steps(env_file))
            if FRONT_DOOR_URL in stack.environment:
                _say(_front_door(stack.environment[FRONT_DOOR_URL]))
            stack.wait()
        finally:
            remove_env_file(env_file, stack.environment)


def _next_steps(env_file: Path) -> str:
    option = "" if env_file == Path(ENV_FILE) else f" --env-file {shlex.quote(str(env_file))}"
    return (
        f"next, in another shell here: askonce-worker run{option}\n"
        f"then, in a third one: askonce ask{option} 'What is the capital of France?'\n"
        f"to load the variables of {env_file} into a shell: {sourcing(env_file)}"
    )


def _front_door(base_url: str) -> str:
    page = base_url.removesuffix("v1") + "ui"
    return (
        f"while the worker runs, any OpenAI client, with any API key, can ask at {base_url}\nsee the savings at {page}"
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - scripts wait for `ready`, so it must not stay in a buffer
