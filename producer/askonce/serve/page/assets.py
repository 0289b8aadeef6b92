"""Scripts and styles, under URLs that change with their content."""

import hashlib
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}
HEADERS = {
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'",
}


class Assets:
    """Read once at start, because they are few and small."""

    def __init__(self) -> None:
        files = sorted((Path(__file__).parent / "static").iterdir())
        self._contents = {path.name: path.read_bytes() for path in files if path.suffix in KINDS}
        self._digests = {name: hashlib.sha256(data).hexdigest()[:12] for name, data in self._contents.items()}

    def address(self, name: str) -> str:
        """The URL, relative to the page's."""
        return f"/static/{name}?{self._digests[name]}"

    async def serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._contents:
            raise HTTPException(404)
        return Response(self._contents[name], headers=HEADERS, media_type=KINDS[Path(name).suffix])
