"""The part of `askonce stats` on wrong hits: how many there were, the policies in force, and the cost of checking."""

from textwrap import fill

from askonce.commands.text_table import money, number, rate, shortened, table
from askonce.contract.wrong_rates import GroupRate, WrongRates

UNKNOWN = (
    "Wrong hits: the rate is unknown, since no hit is checked. ASKONCE_ERROR_BUDGET (an error budget to keep to) or "
    "ASKONCE_AUDIT_RATE (a share of the hits to check) of the workers changes that."
)
NO_HITS = "Wrong hits: nothing was checked so far."
MOST = 10
"""Groups; --json has more."""
LABEL = 40


def wrong_rates(rates: WrongRates | None, width: int, currency: str) -> str:
    if rates is None:
        return fill(UNKNOWN, width)
    if not rates.all.answered:
        return "\n".join([NO_HITS, *_remarks(rates, width, currency)])
    title = f"wrong hits, {_window(rates.hours)}, as shares of answers and of hits (95 % intervals)"
    heads = ["group", "answers", "95 %", "hits", "95 %", "checks", "hit from"]
    shown = rates.groups[:MOST]
    rows = [["all", *_cells(rates.all)], *([_name(each, rates), *_cells(each)] for each in shown)]
    return "\n".join([fill(title, width), table(heads, rows, width=width), *_remarks(rates, width, currency)])


def _window(hours: int) -> str:
    return f"last {hours // 24} days" if hours % 24 == 0 else f"last {hours} h"


def _cells(each: GroupRate) -> list[str]:
    cells: list[str] = []
    for of in (each.answered, each.hits):
        shares = each.shares(of)
        cells += ["-", "-"] if shares is None else [_percent(shares[0]), f"{_digits(shares[1])}-{_digits(shares[2])}"]
    return [*cells, number(round(each.checks)), _threshold(each)]


def _percent(share: float) -> str:
    return f"{_digits(share)}%"


def _digits(share: float) -> str:
    """Two decimals for small shares, because budgets are small."""
    return f"{100 * share:.2f}" if share < 0.0995 else f"{100 * share:.0f}"


def _threshold(each: GroupRate) -> str:
    """The minimum score of a hit."""
    if each.policy is None:
        return "" if not each.group else "profile"
    if each.policy.threshold is None:
        return "no hits"
    learnt = "*" if each.policy.scorer != "cosine" else ""
    return f"{each.policy.threshold:.3f}{learnt}"


def _name(each: GroupRate, rates: WrongRates) -> str:
    """Names a group by what distinguishes it from the others."""
    words = [each.namespace] if len({other.namespace for other in rates.groups}) > 1 else []
    words.append(each.model)
    if each.template:
        words.append(f'"{" ".join(each.template.split())}"')
    return shortened(" ".join(words), LABEL)


def _remarks(rates: WrongRates, width: int, currency: str) -> list[str]:
    lines = [_budget(rates), _unknown(rates), _judge(rates, currency), _gate(rates, currency)]
    return [fill(line, width) for line in lines if line]


def _budget(rates: WrongRates) -> str:
    if rates.budget is None:
        return "" if rates.rate is None else f"{rate(rates.rate)} of the hits are checked; no budget is set."
    if not rates.all.checks:
        return f"Budget: {_percent(rates.budget)} of the answers. Nothing was checked yet."
    over = rates.exceeding
    if not over:
        return f"Budget: {_percent(rates.budget)} of the answers. No group certainly exceeds it."
    more = f" and {len(over) - 3} more" if len(over) > 3 else ""
    named = ", ".join(_name(each, rates) for each in over[:3])
    return f"Budget: {_percent(rates.budget)} of the answers. EXCEEDED by {named}{more}."


def _unknown(rates: WrongRates) -> str:
    if not rates.all.unknown:
        return ""
    return f"{number(round(rates.all.unknown))} matches could not be judged: `askonce labels --waiting` shows some."


def _judge(rates: WrongRates, currency: str) -> str:
    found, (wrong, twice) = rates.judge, rates.judged_twice
    parts = []
    if "budget" in found:
        spent = f"{money(found.get('cost', 0.0))} of {money(found['budget'])} {currency}"
        pairs = found.get("pairs", 0.0) + found.get("gate", 0.0)
        parts.append(f"{spent} spent today on {number(round(pairs))} pairs")
    if twice:
        parts.append(f"people disagreed with {number(wrong)} of {number(twice)} verdicts")
    return f"Judge: {'; '.join(parts)}." if parts else ""


def _gate(rates: WrongRates, currency: str) -> str:
    found = rates.gate
    if not found:
        return ""
    asked, served = (number(round(found.get(name, 0.0))) for name in ("asked", "served"))
    cost, saved = (money(found.get(name, 0.0)) for name in ("cost", "saved"))
    shut = sum(each.policy is not None and each.policy.gate is None for each in rates.groups)
    where = f" Shut in {shut} of {len(rates.groups)} groups." if shut else ""
    spent = f"{asked} matches judged for {cost} {currency}, {served} hits served that saved {saved} {currency}"
    return f"Gate: {spent}, {_window(rates.hours)}.{where}"
