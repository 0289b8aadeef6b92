"""Wrong-answer rates and policies of the whole installation, as Prometheus gauges.

Every worker reports the same numbers, so a dashboard must take the maximum, never the sum. Labels contain no template:
a group is named by its id, which `askonce stats --json` shows beside its template.
"""

from collections.abc import Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from askonce.contract.wrong_rates import GroupRate, WrongRates
from askonce_worker.telemetry.model_names import MODEL

MAX_GROUPS = 50
"""Only the largest groups are reported, because Prometheus keeps each label value for ever."""
ALL = "all"
LABELS = ("group", "namespace", MODEL)
BOUNDS = {
    "askonce_wrong_share": "Estimated share of the answers, or of the hits, that were wrong hits.",
    "askonce_wrong_share_low": "Lower end of the 95 % interval of askonce_wrong_share.",
    "askonce_wrong_share_high": "Upper end of the 95 % interval of askonce_wrong_share.",
}
MONEY = {
    "askonce_judge_spent_today_dollars": ("cost", "Spent on the judge today."),
    "askonce_judge_budget_dollars": ("budget", "Daily budget of the judge."),
}
GATE = {
    "askonce_gate_asked": ("asked", "Matches put to the judge as a gate within a week."),
    "askonce_gate_served": ("served", "Matches that the gate let serve within a week."),
    "askonce_gate_cost_dollars": ("cost", "Cost of the gate within a week."),
    "askonce_gate_saved_dollars": ("saved", "Cost of the calls that the gate's hits saved within a week."),
}


def wrong_rate_metrics(rates: WrongRates | None) -> list[Metric]:
    """No metrics if the rates are unknown."""
    if rates is None:
        return []
    groups = {ALL: rates.all, **{each.group: each for each in rates.groups[:MAX_GROUPS]}}
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
    checks = GaugeMetricFamily("askonce_checks", "Hits checked and judged within a week.", labels=LABELS)
    unknown = GaugeMetricFamily("askonce_unjudged_matches", "Matches that could not be judged.", labels=LABELS)
    threshold = GaugeMetricFamily("askonce_policy_threshold", "Minimum score of a hit.", labels=(*LABELS, "scorer"))
    chance = GaugeMetricFamily("askonce_policy_check_chance", "Probability that a hit is checked.", labels=LABELS)
    gate = GaugeMetricFamily("askonce_policy_gate", "Minimum score that is put to the judge.", labels=LABELS)
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
        yield GaugeMetricFamily("askonce_error_budget", "Share of the answers that may be wrong hits.", rates.budget)
    wrong, twice = rates.judged_twice
    if twice:
        text = "Share of the judge's verdicts that people disagreed with."
        yield GaugeMetricFamily("askonce_judge_error_share", text, wrong / twice)


def _sums(known: Mapping[str, tuple[str, str]], found: Mapping[str, float]) -> Iterator[Metric]:
    for name, (field, text) in known.items():
        if field in found:
            yield GaugeMetricFamily(name, text, found[field])
