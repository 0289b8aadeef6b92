"""`--template`: a text with `{text}` in it, or a file that holds one."""

from pathlib import Path

from askonce.question_checks import PLACEHOLDER
from askonce.templates.template import Template

DOUBLED = "{{text}}"


def template_text(given: str) -> str:
    """The template that `--template` names. Raises ValueError.

    A text with `{text}` in it is the template. Anything else names a file, in UTF-8 with or without a byte order mark.
    Its line ends become line feeds, and its final newline is dropped.
    """
    if PLACEHOLDER in given:
        return _checked(given, "--template")
    path = Path(given)
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"--template {given}: neither a text with {PLACEHOLDER} in it nor a file") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"--template {given}: {getattr(error, 'strerror', None) or error}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"--template {given}: not UTF-8; save it as UTF-8") from error
    return _checked(text.replace("\r\n", "\n").removesuffix("\n"), f"--template {given}")


def _checked(text: str, name: str) -> str:
    if DOUBLED in text:
        raise ValueError(f"{name}: write {PLACEHOLDER} with single braces, not {DOUBLED}")
    if text.count(PLACEHOLDER) != 1:
        raise ValueError(f"{name}: the template must contain {PLACEHOLDER} exactly once")
    return text


def written(text: str) -> list[Template]:
    """A hand-written template in every form that messages may have: with LF or CRLF, with or without a final
    newline."""
    forms = [form for ended in (f"{text}\n", text) for form in (ended, ended.replace("\n", "\r\n"))]
    return [Template(head, tail) for head, _, tail in (form.partition(PLACEHOLDER) for form in dict.fromkeys(forms))]
