"""The file of `KEY=VALUE` lines with the addresses of the parts: written by `local`, read by the other commands."""

import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

import typer

from askonce.env_file import load_env_file
from askonce_worker.settings import Settings, load_settings


def settings_with(env_file: Path | None) -> Settings:
    """The settings from the environment and from the file, by default `.askonce.env`. Prints which come from the file.

    Raises SettingsError, ValueError.
    """
    loaded = load_env_file(env_file, ("ASKONCE_", "OPENAI_"))
    if str(loaded):
        typer.echo(f"askonce-worker: {loaded}", err=True)
    return load_settings()


def clear_env_file(path: Path, names: Collection[str]) -> bool:
    """Remove an earlier run's file, because its existence means that the parts are ready.

    Returns False, and leaves the file, if it holds other variables too.
    """
    if path.exists():
        kept = (line.partition("=")[0] for line in path.read_text().splitlines())
        if not set(kept) <= set(names):
            return False
        path.unlink()
    return True


def write_env_file(path: Path, environment: Mapping[str, str]) -> None:
    """Write the file atomically, readable by its owner only (it holds keys)."""
    with NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:  # created with mode 0600
        file.write(_lines(environment))
    Path(file.name).replace(path)


def remove_env_file(path: Path, environment: Mapping[str, str]) -> None:
    """Remove the file that `write_env_file` wrote, unless another run has replaced it since."""
    if path.is_file() and path.read_text() == _lines(environment):
        path.unlink()


def _lines(environment: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items())


def sourcing(path: Path) -> str:
    """The shell command that loads the file. (In sh and zsh, `.` searches PATH for a name without a slash.)"""
    named = str(path) if path.is_absolute() else f"./{path}"
    return f"set -a; . {shlex.quote(named)}; set +a"
