"""The file of settings that `askonce-worker local` writes and both commands read: `KEY=VALUE` lines, as for a shell."""

import os
import shlex
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

ENV_FILE = ".askonce.env"


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """taken: names that the environment got from the file. overridden: names that it had before, with another value."""

    path: Path
    taken: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{', '.join(self.taken)} from {self.path}"] if self.taken else []
        if self.overridden:
            parts.append(f"{', '.join(self.overridden)} from the environment, not from {self.path}")
        return "; ".join(parts)


def load_env_file(
    given: str | Path | None, prefixes: tuple[str, ...], environ: MutableMapping[str, str] = os.environ
) -> LoadedFile:
    """Put the file's settings into the environment, whose own values win.

    Args:
        given: The file. With None, `.askonce.env` in the working directory, if there is one.
        prefixes: Names that begin otherwise are left out.
        environ: The environment.

    Raises:
        ValueError: The file cannot be read. The message quotes none of its values.
    """
    path = Path(given or ENV_FILE)
    if given is None and not path.is_file():
        return LoadedFile(path)
    values = {name: value for name, value in _read(path).items() if name.startswith(prefixes)}
    taken = tuple(name for name in values if name not in environ)
    overridden = tuple(name for name, value in values.items() if environ.get(name, value) != value)
    environ.update({name: values[name] for name in taken})
    return LoadedFile(path, taken, overridden)


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"--env-file {path}: {reason}") from error
    found = {}
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line.removeprefix("export "), comments=True)
        except ValueError as error:
            raise ValueError(f"--env-file {path}, line {number}: {error}") from error
        name, equals, value = words[0].partition("=") if words else ("", "", "")
        if equals:
            found[name] = value
    return found
