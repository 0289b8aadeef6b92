"""docs/settings.md is what the settings' own definitions say."""

import runpy
from pathlib import Path

from askonce.settings import CHECKS
from askonce_worker.settings import Settings

ROOT = Path(__file__).parents[2]
MAKER = ROOT / "docs" / "_build" / "settings_page.py"
PAGE = (ROOT / "docs" / "settings.md").read_text("utf-8")


def test_the_page_is_as_its_maker_writes_it():
    again = f"write it again: python {MAKER.relative_to(ROOT)}"
    assert runpy.run_path(str(MAKER))["page"]() == PAGE, again


def test_every_setting_says_what_it_means():
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    assert len(rows) == len(Settings.model_fields) - 1  # one is not for people
    assert [row for row in rows if len(row[-1]) < 10] == []


def test_the_page_names_what_a_client_reads():
    head = PAGE.split("##")[0]
    assert [name for name in CHECKS if f"`{name.upper()}`" not in head] == []
