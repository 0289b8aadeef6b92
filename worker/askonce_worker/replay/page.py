"""The report as one self-contained HTML page: no network, no scripts, and none of the log's questions."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from askonce.prices.money import amount
from askonce_worker.evaluate.tables import number
from askonce_worker.replay import charts
from askonce_worker.replay.words import counted, interval, lasting, money, most_of, paid, percent, remarks, sentences

Record = Mapping[str, Any]
KINDS = ("exact", "semantic", "inflight", "misses")
CLASSES = ("exact", "similar", "joined", "miss")
GROUPS = (("models", "By model"), ("templates", "By template"), ("namespaces", "By namespace"))
ROWS = 20


def page(report: Record) -> str:
    """From the log it contains only names of models and namespaces, and beginnings of templates."""
    found, *story = sentences(report)
    log = report["log"]
    played = f"Replayed by askonce from {', '.join(log['files'])}"
    made = Template(files("askonce_worker.replay").joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(found),
        subtitle=escape(played),
        cards="".join(_cards(report)),
        story="<br>".join(escape(f"{line[:1].upper()}{line[1:]}.") for line in story),
        ages=escape(_ages(report)),
        growth=_growth(report),
        thresholds=_thresholds(report) if report["thresholds"] else "",
        groups="".join(_groups(title, report[name], report) for name, title in GROUPS if report[name]),
        remarks="".join(f"<li>{escape(line)}</li>" for line in _notes(report)),
    )
    return made.replace(" %", "\N{NO-BREAK SPACE}%")


def _cards(report: Record) -> Iterator[str]:
    total, currency = report["total"], report["currency"]
    yield _card(percent(total["hit_rate"]), f"of {counted(total['calls'], 'call')} answered without the LLM")
    if total["spent"]:
        saved = f"of {money(total['spent'], currency)} saved"
        yield _card(amount(total["saved"]), saved)
        yield _card(amount(total["misses_at_batch"]), f"{currency} for the rest, if it can wait for batches")
    wrong = total["wrong"]
    if wrong["share"] is not None:
        low, high = number(wrong["low"]), number(wrong["high"])
        yield _card(percent(wrong["share"]), f"of the similar matches wrong (95 %: {low} to {high})")
    if total["latency"]:
        yield _card(lasting(total["latency"]["saved"]), "of waiting saved")


def _card(figure: str, about: str) -> str:
    return f'<div class="card"><b>{escape(figure)}</b><span>{escape(about)}</span></div>'


def _ages(report: Record) -> str:
    parts = [f"{percent(row['hit_rate'])} {row['age']}" for row in report["ages"]]
    return f": hits of {', '.join(parts)}" if parts else ""


def _growth(report: Record) -> str:
    rows = report["growth"]
    columns = [(_title(row), [row[kind] / max(1, row["calls"]) for kind in KINDS]) for row in rows]
    drawn = charts.stacked(columns, CLASSES, "How calls would have been answered, over the log")
    ends = [_when(rows[0]), _when(rows[len(rows) // 2]), _when(rows[-1])] if len(rows) > 2 else [_when(rows[0])]
    scale = "<div class='y'><span>100 %</span><span>50</span><span>0</span></div>"
    return (
        f"<div class='plot'>{scale}{drawn}<div class='x'>{''.join(f'<span>{each}</span>' for each in ends)}</div></div>"
    )


def _when(row: Record) -> str:
    return escape(row["from"][:10] if row["from"] else f"after {row['after_calls']:,} calls")


def _title(row: Record) -> str:
    return f"from {_when(row)}: {row['calls']:,} calls, {percent(row['hit_rate'])} hits"


def _thresholds(report: Record) -> str:
    known = [row["wrong"]["high"] for row in report["thresholds"] if row["wrong"]["high"] is not None]
    most = max(known, default=0.0)
    rows = "".join(_threshold(row, most) for row in report["thresholds"])
    head = "<tr><th>cosine</th><th>hits</th><th></th><th>wrong of the similar matches (95 %)</th><th></th></tr>"
    about = "Five thresholds for what counts as similar; the configured one is bold. Wrong: by the log's own answers."
    table = f"<div class='wide'><table>{head}{rows}</table></div>"
    return f"<h2>How similar is similar enough?</h2><figure><figcaption>{about}</figcaption>{table}</figure>"


def _threshold(row: Record, most: float) -> str:
    wrong, hits = row["wrong"], percent(row["hit_rate"])
    drawn = said = ""
    if wrong["share"] is not None:
        said = interval(wrong)
        drawn = charts.interval(wrong["low"], wrong["share"], wrong["high"], most, said)
    bar = charts.bar(row["hit_rate"], "exact", hits)
    cells = f"<td>{row['threshold']:.4f}</td><td>{hits}</td><td class='drawn'>{bar}</td>"
    main = " class='main'" if row["configured"] else ""
    return f"<tr{main}>{cells}<td>{said}</td><td class='drawn'>{drawn}</td></tr>"


def _groups(title: str, rows: Sequence[Record], report: Record) -> str:
    names = ("calls", "same", "similar", "joined", "spent", "saved", "wrong")
    head = "".join(f"<th>{name}</th>" for name in ("", *names))
    body = "".join(_group(row) for row in rows[:ROWS])
    most = most_of(rows, ROWS).removeprefix(", ").capitalize()
    about = (
        f"{most}{'. ' if most else ''}Same, similar and joined in % of the calls; money in {escape(report['currency'])}"
    )
    table = f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"
    return f"<h2>{title}</h2><figure><figcaption>{about}</figcaption>{table}</figure>"


def _group(row: Record) -> str:
    calls = max(1, row["calls"])
    shares = [number(row[kind] / calls) for kind in KINDS[:-1]]
    wrong = "" if row["wrong"]["share"] is None else percent(row["wrong"]["share"])
    cells = (f"{row['calls']:,}", *shares, paid(row, "spent"), paid(row, "saved"), wrong)
    return f"<tr><td class='name'>{escape(row['name'])}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _notes(report: Record) -> Iterator[str]:
    rules = report["rules"]
    if rules["threshold"] is not None:
        cosine = f"{rules['threshold']:.4g} by {rules['embedding_model']}"
        yield f"Similar means a cosine of at least {cosine}, and no rule of the guard refuses the pair."
    if rules["cache_ttl"] is not None:
        yield f"The cache was empty at the start, and answers served for {rules['cache_ttl'] / 86400:.3g} days."
    yield "No LLM was called. A match is judged if the cached answer is a label, a number or JSON."
    yield from (f"{line[:1].upper()}{line[1:]}." for line in remarks(report))
