"""The Kubernetes manifests: valid, fitting each other, and without a setting that nobody knows."""

import json
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest

from askonce_worker.queue.arq_worker import LAST_CALLS
from askonce_worker.setting_names import unknown_settings
from support.deployment import KUBERNETES, image_steps, kustomization, manifests, pod, pod_environment

SCHEMAS = Path(__file__).parent / "schemas"
CUSTOM = {"ScaledObject", "ServiceMonitor"}
RELEASES = ["1.33", kubernetes_validate.latest_version()]
LABELS = {"app.kubernetes.io/name": "askonce", "app.kubernetes.io/component": "worker"}


def test_kustomization_lists_every_manifest_and_keeps_to_its_schema():
    here = {file.name for file in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization()["resources"]) == here
    jsonschema.validate(kustomization(), json.loads((SCHEMAS / "kustomization.json").read_text()))


@pytest.mark.parametrize("release", RELEASES)
def test_manifests_keep_to_the_schemas_of_kubernetes(release):
    checked = [found for kind, found in manifests().items() if kind not in CUSTOM]
    for found in checked:
        kubernetes_validate.validate(found, release, strict=True)
    assert len(checked) == 5


@pytest.mark.parametrize("kind", sorted(CUSTOM))
def test_custom_resources_keep_to_what_is_written_down_of_theirs(kind):
    schema = json.loads((SCHEMAS / f"{kind.lower()}.json").read_text())
    jsonschema.validate(manifests()[kind], schema)


def test_every_setting_is_one_that_the_worker_knows():
    environment = pod_environment()
    assert unknown_settings(environment) == []
    others = {name for name in environment if not name.startswith("ASKONCE_")}
    assert others == {"OPENAI_API_KEY", "OPENAI_BASE_URL"}


def test_kubernetes_sets_no_settings_of_its_own():
    assert pod()["enableServiceLinks"] is False


def test_a_stopped_worker_has_the_time_that_a_call_takes():
    environment = pod_environment()
    grace = float(environment["ASKONCE_GRACE"])
    assert float(environment["ASKONCE_LLM_TIMEOUT"]) < grace
    assert grace + LAST_CALLS < pod()["terminationGracePeriodSeconds"]


def test_whatever_selects_workers_selects_them_all_and_no_others():
    found = manifests()
    assert found["Deployment"]["spec"]["template"]["metadata"]["labels"] == LABELS
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == LABELS
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == LABELS
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == LABELS
    assert found["Service"]["spec"]["selector"] == LABELS
    assert found["ServiceMonitor"]["spec"]["selector"]["matchLabels"] == found["Service"]["metadata"]["labels"]
    assert found["ScaledObject"]["spec"]["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"]


def test_the_metrics_port_is_the_same_everywhere():
    (container,) = pod()["containers"]
    (port,) = container["ports"]
    assert str(port["containerPort"]) == pod_environment()["ASKONCE_METRICS_PORT"] == dict(image_steps())["EXPOSE"]
    found = manifests()
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert found["ServiceMonitor"]["spec"]["endpoints"][0]["port"] == found["Service"]["spec"]["ports"][0]["name"]
    assert found["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"] == port["name"]


def test_the_container_can_change_nothing_and_gain_nothing():
    (container,) = pod()["containers"]
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod()["securityContext"]["runAsNonRoot"] is True
    user = f"{pod()['securityContext']['runAsUser']}:{pod()['securityContext']['runAsGroup']}"
    assert dict(image_steps())["USER"] == user
    assert manifests()["ServiceAccount"]["automountServiceAccountToken"] is False
