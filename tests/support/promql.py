"""The PromQL that stands in `deploy/`: alerts, dashboard, scaling."""

import json
import re
import shutil
import sys
from pathlib import Path

import yaml

from support.deployment import DEPLOY, manifests

RULES = DEPLOY / "prometheus/alerts.yml"
NAME = re.compile(r"\b(?:askonce|gen_ai_client|process)_[a-z0-9_]+")
PROMTOOL = shutil.which("promtool", path=str(Path(sys.executable).parent)) or shutil.which("promtool")


def alerts() -> dict[str, str]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def dashboard() -> list[str]:
    """As Grafana sends them."""
    panels = json.loads((DEPLOY / "grafana/dashboards/askonce.json").read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    return [query.replace("$__rate_interval", "1m") for query in queries]


def scaling() -> list[str]:
    return [trigger["metadata"]["query"] for trigger in manifests()["ScaledObject"]["spec"]["triggers"]]


def names() -> set[str]:
    """Of every metric that any of these asks for."""
    labels = {"gen_ai_request_model", "gen_ai_operation_name", "gen_ai_token_type"}
    return {name for query in [*alerts().values(), *dashboard(), *scaling()] for name in NAME.findall(query)} - labels
