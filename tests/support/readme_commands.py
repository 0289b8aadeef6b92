"""What a README shows, run as it stands: the commands of its ```console blocks, each with what it prints.

`$ command` is run by a shell and must print the lines below it. `…` stands for any text, or as a line for any lines. A
command that ends in `&` runs until the end, and is then told to stop.
"""

import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from support.doc_blocks import blocks_of

SECONDS = 120


def shows(told: str, printed: str) -> bool:
    """Whether this is what was printed."""
    ended = printed if printed.endswith("\n") or not printed else f"{printed}\n"
    return re.fullmatch("".join(map(_pattern, told.splitlines())), ended) is not None


def _pattern(line: str) -> str:
    return r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"


class Shell:
    """Runs commands in a folder. What is left in the background at the end is stopped, and must end well."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory, self._environment = directory, environment
        self._running: list[tuple[str, subprocess.Popen[bytes], Path]] = []

    def run(self, readme: Path) -> None:
        """Every command of its consoles, in their order."""
        found = [step for block in blocks_of(str(readme)) if block.language == "console" for step in block.commands()]
        assert found
        for command, told in found:
            if command.endswith("&"):
                self._start(command.removesuffix("&").strip())
                continue
            code, out, errors = self.call(command)
            all_of_it = f"$ {command}\n{out}{errors}{self._logs()}"
            assert code == 0, all_of_it
            assert shows(told, out), all_of_it

    def call(self, command: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._directory, env=self._environment, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def _start(self, command: str) -> None:
        log = self._directory / f"background-{len(self._running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self._directory, env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self._running.append((command, process, log))

    def _logs(self) -> str:
        return "".join(f"\n& {command}\n{log.read_text()[-3000:]}" for command, _, log in self._running)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for _, process, _ in self._running:
            process.send_signal(signal.SIGTERM)
        codes = [_ended(process) for _, process, _ in self._running]
        assert error is not None or set(codes) <= {0, -signal.SIGTERM}, (codes, self._logs())


def _ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
