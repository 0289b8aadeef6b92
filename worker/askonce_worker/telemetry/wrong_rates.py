"""Wrong-answer rates and policies of the whole installation, as Prometheus gauges.

Every worker reports the same numbers, so a dashboard takes the highest and never the sum. No template stands in a
label: a group is named by its id, which `askonce stats --json` shows beside its template.
"""

from collections.abc import Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from askonce.contract.wrong_rates import GroupRate, WrongRates
from askonce_worker.telemetry.model_names import MODEL

MOST = 50
"""Number of groups, the largest ones: Prometheus keeps each label value for ever."""
ALL = "all"
LABELS = ("group", "namespace", MODEL)
BOUNDS = {
    "askonce_wrong_share": "Share of the answers, or of the hits, that were wrong cached ones: an estimate.",
    "askonce_wrong_share_low": "The lower end of its interval of 95 %.",
    "askonce_wrong_share_high": "The upper end of its interval of 95 %.",
}
MONEY = {
    "askonce_judge_spent_today_dollars": ("cost", "Spent on the judge today."),
    "askonce_judge_budget_dollars": ("budget", "What the judge may cost a day."),
}
GATE = {
    "askonce_gate_asked": ("asked", "Matches that the judge was asked about as a gate, of a week."),
    "askonce_gate_served": ("served", "Hits that it let serve."),
    "askonce_gate_cost_dollars": ("cost", "What that cost."),
    "askonce_gate_saved_dollars": ("saved", "What the calls of those hits would have cost."),
}


def wrong_rate_metrics(rates: WrongRates | None) -> list[Metric]:
    """None if the rate is unknown."""
    if rates is None:
        return []
    groups = {ALL: rates.all, **{each.group: each for each in rates.groups[:MOST]}}
    return [*_shares(groups), *_served(groups), *_settings(rates), *_sums(MONEY, rates.judge), *_sums(GATE, rates.gate)]


def _labels(name: str, each: GroupRate) -> tuple[str, str, str]:
    return name, each.namespace, each.model


def _shares(groups: Mapping[str, GroupRate]) -> Iterator[Metric]:
    for bound, (name, text) in enumerate(BOUNDS.items()):
        family = GaugeMetricFamily(name, text, labels=(*LABELS, "of"))
        for group, each in groups.items():
            for of, count in (("answers", each.answered), ("hits", each.hits)):
                shares = each.shares(count)
                if shares is not None:
                    family.add_metric((*_labels(group, each), of), shares[bound])
        yield family


def _served(groups: Mapping[str, GroupRate]) -> Iterator[Metric]:
    checks = GaugeMetricFamily("askonce_checks", "Hits that were checked and judged, of a week.", labels=LABELS)
    unknown = GaugeMetricFamily("askonce_unjudged_matches", "Matches that nobody could judge.", labels=LABELS)
    threshold = GaugeMetricFamily("askonce_policy_threshold", "The least score of a hit.", labels=(*LABELS, "scorer"))
    chance = GaugeMetricFamily("askonce_policy_check_chance", "The chance that a hit is checked.", labels=LABELS)
    gate = GaugeMetricFamily("askonce_policy_gate", "The least score that is put to the judge.", labels=LABELS)
    for group, each in groups.items():
        checks.add_metric(_labels(group, each), each.checks)
        unknown.add_metric(_labels(group, each), each.unknown)
        if each.policy is not None:
            chance.add_metric(_labels(group, each), each.policy.chance)
            if each.policy.gate is not None:
                gate.add_metric(_labels(group, each), each.policy.gate)
            if each.policy.threshold is not None:
                threshold.add_metric((*_labels(group, each), each.policy.scorer), each.policy.threshold)
    yield from (checks, unknown, threshold, chance, gate)


def _settings(rates: WrongRates) -> Iterator[Metric]:
    if rates.budget is not None:
        yield GaugeMetricFamily("askonce_error_budget", "Share of the answers that may be wrong.", rates.budget)
    wrong, twice = rates.judged_twice
    if twice:
        text = "Share of its verdicts with which people disagreed."
        yield GaugeMetricFamily("askonce_judge_error_share", text, wrong / twice)


def _sums(known: Mapping[str, tuple[str, str]], found: Mapping[str, float]) -> Iterator[Metric]:
    for name, (field, text) in known.items():
        if field in found:
            yield GaugeMetricFamily(name, text, found[field])
