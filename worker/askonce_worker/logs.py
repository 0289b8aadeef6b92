"""Events, not prose: JSON for machines, colours for a terminal. Neither prompts nor secrets."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import Processor

QUIETER = {"arq": logging.ERROR, "openai": logging.WARNING, "httpx2": logging.WARNING, "httpcore": logging.WARNING}
"""arq prints the arguments of every job: they are prompts. The others print a line a request."""


def configure(form: Literal["json", "console"] | None, **bound: object) -> None:
    """Sets up structlog, and lets the libraries' warnings out the same way. None: console on a terminal, else JSON."""
    console = form == "console" or (form is None and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendered: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**bound)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[_no_meta, *rendered], foreign_pre_chain=shared)
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name, level in QUIETER.items():
        logging.getLogger(name).setLevel(level)


def _no_meta(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(None, "", event)
