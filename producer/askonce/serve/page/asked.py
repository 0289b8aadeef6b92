"""A question that somebody types into the page."""

from collections.abc import Mapping
from typing import Any

from askonce.errors import InvalidQuestion
from askonce.json_values import loads
from askonce.question import Question
from askonce.serve.page.forms import Form
from askonce.serve.page.viewers import Viewer

FIELDS = ("text", "model", "namespace", "system", "template", "params")


def question_of(form: Form, viewer: Viewer) -> Question:
    """Raises InvalidQuestion."""
    return Question(
        form.text("text"),
        model=form.text("model").strip() or None,
        namespace=viewer.only(form.text("namespace").strip()),
        system=form.text("system") or None,
        template=form.text("template") or None,
        params=_params(form.text("params")),
    )


def _params(given: str) -> Mapping[str, Any]:
    if not given.strip():
        return {}
    try:
        params = loads(given)
    except ValueError as error:
        raise InvalidQuestion(f"params: not JSON ({error})") from None
    if not isinstance(params, dict):
        raise InvalidQuestion("params: not a JSON object")
    return params
