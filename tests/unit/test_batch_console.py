"""What a terminal shows of a batch that runs."""

import io

import pytest
from rich.console import Console

from askonce.batch.console import Progress, drawn
from askonce.batch.totals import load_totals


@pytest.mark.parametrize("width", [60, 80, 130, 250])
@pytest.mark.parametrize("total", [2000, None])
def test_all_figures_are_shown_however_wide_the_terminal_is(width, total):
    tally = load_totals(None)
    tally.sources.update(exact=1200, llm=34)
    progress = Progress(tally, total, "USD")
    shown = io.StringIO()
    Console(file=shown, width=width, force_terminal=True, color_system=None).print(drawn(progress))
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    for figure in ("done,", "exact", "1,200,", "34", "saved", "failed"):
        assert figure in words
    assert any("━" in line for line in lines) == (total is not None)
