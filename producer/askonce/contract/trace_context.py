"""With OpenTelemetry, a question carries the trace it was submitted in (W3C Trace Context).

The client does not depend on OpenTelemetry: unless the program imports it, there is no span.
"""

import re
import sys
from typing import Any

TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
MOST = 128
"""Maximum traces of one chunk: OpenTelemetry's default limit of links per span."""


def current_trace() -> str:
    """The `traceparent` of the current span, or ''."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return ""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def readable_traces(values: Any) -> tuple[str, ...]:
    """The traces named by a chunk. Malformed ones are skipped: they must not leave a question unanswered."""
    if not isinstance(values, list):
        return ()
    return tuple(value for value in values[:MOST] if isinstance(value, str) and TRACEPARENT.fullmatch(value))
