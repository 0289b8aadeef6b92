"""Events, not prose: JSON for machines, colours for a terminal. No prompts and no secrets.

An exception's message may quote a prompt, and so may the local variables in its traceback. So an exception is logged as
its type and its places in the code. LOG_PROMPTS includes the messages. Secrets from the settings and logins in URLs are
removed from every finished line.
"""

import logging
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor

from askonce_worker.logs.error_origin import places
from askonce_worker.logs.redaction import Redactor

QUIETER = {"arq": logging.ERROR, "openai": logging.WARNING, "httpx2": logging.WARNING, "httpcore": logging.WARNING}
"""arq prints the arguments of every job, which are prompts. The others print a line for each request."""


def configure(
    form: Literal["json", "console"] | None, *, secrets: Iterable[str] = (), prompts: bool = False, **bound: object
) -> None:
    """Sets up structlog, and passes the libraries' warnings through it.

    Args:
        form: the format; None is `console` on a terminal and `json` elsewhere.
        secrets: texts that must not appear.
        prompts: whether messages of exceptions, which may quote prompts, are logged.
        bound: facts of every line.
    """
    console = form == "console" or (form is None and sys.stderr.isatty())
    redact = Redactor(secrets)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if prompts else _kind_and_places,
    ]
    rendered: list[Any] = [
        # Its own default prints the local variables of every frame where rich is installed.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer(),
        lambda _logger, _name, line: redact(line),
    ]
    structlog.configure(
        processors=[*shared, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**bound)
    _pass_through(shared if prompts else [*shared, _first_line], rendered)
    sys.excepthook = _crashed


def _pass_through(shared: list[Processor], rendered: list[Any]) -> None:
    """Sends libraries' logs the same way, from level warning."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[_no_meta, *rendered], foreign_pre_chain=shared)
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name, level in QUIETER.items():
        logging.getLogger(name).setLevel(level)


def _kind_and_places(_logger: object, _name: str, event: EventDict) -> EventDict:
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    elif not isinstance(error, BaseException):
        error = sys.exception() if error else None
    if error is not None:
        event.update(error=type(error).__name__, where=places(error))
    return event


def _first_line(_logger: object, _name: str, event: EventDict) -> EventDict:
    """asyncio puts the representation of tasks and exceptions into the lines that follow."""
    return {**event, "event": str(event.get("event", "")).partition("\n")[0]}


def _no_meta(_logger: object, _name: str, event: EventDict) -> EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(None, "", event)


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger().error("crashed", exc_info=error)
