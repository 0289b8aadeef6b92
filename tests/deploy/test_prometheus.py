"""What Prometheus, Grafana and KEDA are told: promtool reads it, and runs the alerts over series made up for each."""

import os
import re
import subprocess

import pytest
import yaml

from support.deployment import DEPLOY
from support.promql import PROMTOOL, RULES, alerts, dashboard, scaling

pytestmark = pytest.mark.skipif(
    PROMTOOL is None and "CI" not in os.environ, reason="no promtool here: tests/promtool.sh brings it on Debian"
)
TESTS = RULES.parent / "alerts_test.yml"


def promtool(*arguments):
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_read_with_its_rules():
    promtool("check", "config", RULES.parent / "prometheus.yml")


def test_alerts_fire_when_they_should_and_else_not():
    promtool("test", "rules", TESTS)


def test_every_alert_is_seen_firing_and_quiet():
    cases = [case for test in yaml.safe_load(TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts().keys()
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts().keys()


def test_every_alert_stands_in_the_runbook():
    runbook = (DEPLOY.parent / "docs" / "runbook.md").read_text("utf-8")
    assert re.findall(r"^## (\w+)$", runbook, re.MULTILINE) == list(alerts())


def test_dashboard_and_scaling_ask_in_promql(tmp_path):
    rules = [{"record": f"r{place}", "expr": query} for place, query in enumerate([*dashboard(), *scaling()])]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    promtool("check", "rules", file)


def test_workers_are_added_for_load_and_for_age(tmp_path):
    load, age = scaling()
    series = {
        'askonce_queue_waiting{instance="a", lane="bulk"}': "40",
        'askonce_queue_waiting{instance="b", lane="bulk"}': "41",
        'askonce_queue_leased{instance="a", lane="bulk"}': "60",
        'askonce_queue_waiting{instance="a", lane="interactive"}': "1",
        'askonce_queue_leased{instance="a", lane="interactive"}': "2",
        'askonce_queue_oldest_age_seconds{instance="a", lane="interactive"}': "7",
        'askonce_queue_oldest_age_seconds{instance="b", lane="bulk"}': "90",
    }
    told = [{"expr": load, "eval_time": "0m", "exp_samples": [{"labels": "{}", "value": 41 + 60 + 1 + 2}]}]
    told.append({"expr": age, "eval_time": "0m", "exp_samples": [{"labels": "{}", "value": 90}]})
    test = {"input_series": [{"series": name, "values": value} for name, value in series.items()]}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [{**test, "promql_expr_test": told}]}))
    promtool("test", "rules", file)


def test_the_dashboard_is_found_by_what_provides_it():
    provisioning = DEPLOY / "grafana/provisioning"
    source = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"][0]
    assert f'"uid": "{source["uid"]}"' in (DEPLOY / "grafana/dashboards/askonce.json").read_text()
    provider = yaml.safe_load((provisioning / "dashboards/askonce.yaml").read_text())["providers"][0]
    assert f":{provider['options']['path']}:ro" in (DEPLOY / "compose.yaml").read_text()
