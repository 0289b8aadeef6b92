"""What a browser sends: the fields of a form, and those of a URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from askonce.serve.refusals import Refused

MOST_BYTES = 2 * 1024 * 1024
"""Maximum bytes of a form: a question may have a megabyte."""
MOST_FIELDS = 100


@dataclass(frozen=True, slots=True)
class Form:
    """The last value of a repeated field counts; a missing field is ''."""

    fields: Mapping[str, str]

    def text(self, name: str) -> str:
        return self.fields.get(name, "")

    def is_set(self, name: str) -> bool:
        return bool(self.text(name))

    def one_of(self, name: str, known: tuple[str, ...]) -> str:
        """The field's value if it is one of these, else the first of them."""
        value = self.text(name)
        return value if value in known else known[0]


def query_of(request: Request) -> Form:
    return Form(dict(request.query_params))


async def read_form(request: Request) -> Form:
    """Raises Refused."""
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                raise Refused(413, f"the form is over {MOST_BYTES} bytes", code="too_large")
        return Form(dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)))
    except (ValueError, ClientDisconnect):
        raise Refused(400, "the form cannot be read") from None
