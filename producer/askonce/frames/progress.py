"""Progress: a bar under the notebook cell, on a terminal the one of `askonce batch`, else nothing."""

import html
import sys
from typing import Any, Protocol

from askonce.batch.console import Display, Progress, display


class Handle(Protocol):
    """IPython's handle of a display that can be updated."""

    def update(self, data: dict[str, str], *, raw: bool) -> None: ...


class Nothing:
    """No progress, if nobody is watching."""

    def show(self) -> None:
        """Shows nothing."""

    def close(self) -> None:
        """The same."""


class Notebook:
    """A bar in IPython's own display, which needs no widgets."""

    def __init__(self, progress: Progress) -> None:
        from IPython.display import display as shown  # noqa: PLC0415 - a notebook has it

        self._progress = progress
        self._handle: Handle = shown(self._drawn(), raw=True, display_id=True)

    def show(self) -> None:
        """Redraws the bar."""
        self._handle.update(self._drawn(), raw=True)

    def close(self) -> None:
        """Leaves the last figures."""
        self.show()

    def _drawn(self) -> dict[str, str]:
        progress, line = self._progress, self._progress.line()
        bar = f'<progress style="width: 100%" max="{progress.total}" value="{progress.totals.done}"></progress>'
        return {"text/plain": line, "text/html": f"{bar}<br><small>{html.escape(line)}</small>"}


def watching(progress: Progress, *, wanted: bool) -> Display:
    if wanted and _kernel() is not None:
        return Notebook(progress)
    return display(progress) if wanted and sys.stderr.isatty() else Nothing()


def _kernel() -> Any:
    """The current notebook's kernel; None in a program or a shell."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None)
