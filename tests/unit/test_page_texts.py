"""All texts of the page stand in one file; each is used, and none stands in a template."""

import re
from pathlib import Path

import pytest

from askonce.serve.page import render
from askonce.serve.page.shown import share

TEMPLATES = sorted((Path(render.__file__).parent / "templates").glob("*.html"))
MARKUP = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}|<code>.*?</code>|<[^>]*>", re.DOTALL)
OURS = {"askonce"}


def names(table, before=""):
    for name, value in table.items():
        yield from names(value, f"{before}{name}.") if isinstance(value, dict) else [f"{before}{name}"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_text_stands_in_a_template(path):
    words = set(re.findall(r"[A-Za-z]{2,}", MARKUP.sub(" ", path.read_text())))
    assert words <= OURS


def test_each_text_is_used():
    source = " ".join(path.read_text() for path in [*TEMPLATES, *Path(render.__file__).parent.glob("*.py")])
    named = {name.removesuffix(".format") for name in re.findall(r"\bt(?:exts)?\.(\w+(?:\.\w+)*)", source)}
    tables = set(re.findall(r"\bt(?:exts)?\.(\w+)\[", source))
    left = {name for name in names(render.read_texts()) if name not in named and name.split(".")[0] not in tables}
    assert left == set()


def test_nothing_in_a_template_is_left_unescaped():
    assert not any(re.search(r"\|\s*safe|autoescape|Markup\(", path.read_text()) for path in TEMPLATES)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"),
        (0.0, "0.0%"),
        (1e-6, "<0.1%"),
        (0.0005, "0.1%"),
        (0.5, "50.0%"),
        (0.99997, ">99.9%"),
        (1.0, "100.0%"),
    ],
)
def test_a_share_of_nearly_all_is_not_written_as_all(value, written):
    assert share(value) == written


def luminance(color):
    """As WCAG 2 defines it."""
    digits = color.removeprefix("#")
    digits = "".join(2 * each for each in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_told_from_its_ground(scheme):
    light, dark = re.findall(
        r":root \{(.*?)\}", (Path(render.__file__).parent / "static" / "page.css").read_text(), re.DOTALL
    )
    colors = dict(re.findall(r"--([\w-]+): (#\w+)", light if scheme == "light" else dark))
    grounds = {
        "ink": ("back", "card", "mark"), "soft": ("back", "card", "mark"), "link": ("back", "card", "mark"),
        "good": ("card", "good-back"), "bad": ("card", "bad-back"),
    }  # fmt: skip
    for text, below in grounds.items():
        for ground in below:
            high, low = sorted((luminance(colors[text]), luminance(colors[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)
