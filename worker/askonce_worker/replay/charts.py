"""Charts as inline SVG. They contain only shapes, which stretch to any width; text is beside them in HTML."""

from collections.abc import Sequence
from html import escape

GAP = 0.12
"""As a share of a column's width."""


def stacked(columns: Sequence[tuple[str, Sequence[float]]], classes: Sequence[str], label: str) -> str:
    """Columns side by side, each with its title and its shares, stacked from the bottom."""
    width = 100 / max(1, len(columns))
    shapes = []
    for at, (title, shares) in enumerate(columns):
        top = 100.0
        parts = []
        for share, name in zip(shares, classes, strict=True):
            height = 100 * share
            top -= height
            if height > 0:
                x, wide = at * width + width * GAP / 2, width * (1 - GAP)
                parts.append(_rect(x, max(0.0, top), wide, height, name))
        shapes.append(f"<g><title>{escape(title)}</title>{''.join(parts)}</g>")
    return _svg("growth", "".join(shapes), label)


def bar(share: float, name: str, label: str) -> str:
    """One bar from the left."""
    return _svg("bar", _rect(0, 0, 100 * min(1.0, share), 100, name), label)


def interval(low: float, middle: float, high: float, most: float, label: str) -> str:
    """A range with a mark in it, on a scale that ends at `most`."""
    scale = 100 / most if most > 0 else 0.0
    drawn = _rect(low * scale, 20, max(0.4, (high - low) * scale), 60, "range")
    return _svg("bar", drawn + _rect(max(0.0, middle * scale - 0.4), 0, 0.8, 100, "wrong"), label)


def _rect(x: float, y: float, width: float, height: float, name: str) -> str:
    return f'<rect class="{name}" x="{x:.3f}" y="{y:.3f}" width="{width:.3f}" height="{height:.3f}"/>'


def _svg(name: str, shapes: str, label: str) -> str:
    about = f'role="img" aria-label="{escape(label, quote=True)}"'
    return f'<svg class="{name}" viewBox="0 0 100 100" preserveAspectRatio="none" {about}>{shapes}</svg>'
