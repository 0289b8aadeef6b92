"""The findings as a table that fits 80 columns."""

from rich import box
from rich.table import Table
from rich.text import Text

from askonce_worker.check.finding import Finding


def table_of(found: list[Finding]) -> Table:
    """One row per finding: what is configured, what was found, and what to do about it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for item in found:
        text = Text(item.configured, style="dim")
        text.append(f"\n{item.state}", style="not dim" if item.ok else "not dim red")
        if item.advice:
            text.append(f"\n-> {item.advice}", style="not dim yellow")
        mark = Text("ok", style="green") if item.ok else Text("wrong", style="bold red")
        table.add_row(Text(item.part, style="bold"), mark, text)
    return table
