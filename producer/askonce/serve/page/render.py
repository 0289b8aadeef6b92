"""Renders templates and texts as HTML: everything is escaped, and browsers may run only our own files."""

import tomllib
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from askonce.serve.page import shown
from askonce.serve.page.assets import Assets
from askonce.serve.page.viewers import Viewer, remember

HERE = Path(__file__).parent
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)
"""What a browser may load and run, whatever a page contains: questions and answers are untrusted."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
TABS = ("savings", "matches", "entries", "work")


class Texts(dict[str, Any]):
    """Access to `texts.toml`, such as `t.savings.title`. A missing text fails the page, and so the tests."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def read_texts() -> Texts:
    return _texts(tomllib.loads((HERE / "texts.toml").read_text("utf-8")))


def _texts(table: dict[str, Any]) -> Texts:
    return Texts({name: _texts(value) if isinstance(value, dict) else value for name, value in table.items()})


class Renderer:
    def __init__(self, assets: Assets) -> None:
        self.texts = read_texts()
        self._jinja = Environment(
            # Read at once: a later release may be installed under a running server.
            loader=DictLoader({path.name: path.read_text("utf-8") for path in (HERE / "templates").glob("*.html")}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.globals |= {"t": self.texts, "tabs": TABS, "asset": assets.address}
        names = ("number", "share", "money", "lasting", "span", "when", "size", "shortened")
        self._jinja.filters |= {name: getattr(shown, name) for name in names}

    def page(
        self, request: Request, template: str, viewer: Viewer | None, *, status: int = 200, **facts: Any
    ) -> Response:
        """viewer: None if nobody is logged in."""
        root = request.scope.get("root_path") or ""
        html = self._jinja.get_template(template).render(
            root=root, viewer=viewer, may_change=viewer is not None and viewer.may_change, **facts
        )
        # A text may hold half of a surrogate pair, which UTF-8 cannot write.
        response = Response(html.encode("utf-8", "replace"), status, HEADERS, media_type="text/html")
        if viewer is not None:
            remember(response, request, viewer.token)
        return response
