"""The file of `KEY=VALUE` lines by which a shell learns where the parts are."""

import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile


def clear_env_file(path: Path, names: Collection[str]) -> bool:
    """Remove an earlier run's file, so that the file's being there means ready. False: it is somebody else's."""
    if path.exists():
        kept = (line.partition("=")[0] for line in path.read_text().splitlines())
        if not set(kept) <= set(names):
            return False
        path.unlink()
    return True


def write_env_file(path: Path, environment: Mapping[str, str]) -> None:
    """Write all of it or nothing, readable by the owner only (it holds keys)."""
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items())
    with NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:  # created with mode 0600
        file.write(lines)
    Path(file.name).replace(path)
