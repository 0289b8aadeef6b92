"""The front door: a supervisor of `askonce serve`, which reads the addresses of the other parts from its environment.

It is a separate process because the worker must not import it. Its files are kept in the data directory, or removed at
the end.
"""

import argparse
import os
import sys
from pathlib import Path

from askonce_worker.local.child import owned_directory, run_server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", required=True)
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    with owned_directory(arguments.data_dir) as directory:
        code = run_server(server_command(arguments.port, directory))
    sys.exit(code)


def server_command(port: str, files: Path) -> list[str]:
    """One process on loopback, whatever the user's settings say about a server of their own."""
    command = [sys.executable, "-P", "-m", "askonce.cli", "serve", "--env-file", os.devnull]
    return [*command, "--host", "127.0.0.1", "--port", port, "--processes", "1", "--files", str(files)]


if __name__ == "__main__":
    main()
