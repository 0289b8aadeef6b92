"""Links out of docs/, to files of the repository, stand as their paths: a built site has no such files."""

import re

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, **_: object) -> str:
    return OUTSIDE.sub(_path, markdown)


def _path(link: re.Match[str]) -> str:
    text, path = link[1].strip("`"), link[2]
    return f"`{path}`" if text in path else f"{link[1]} (`{path}`)"
