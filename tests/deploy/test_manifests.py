"""The Kubernetes manifests: valid, fitting each other, and without a setting that nobody knows."""

import json
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest

from askonce.serve.serve_settings import VARIABLES
from askonce.serve.server import GRACE
from askonce_worker.queue.arq_worker import LAST_CALLS
from askonce_worker.setting_names import unknown_settings
from support.deployment import FRONT_DOOR, KUBERNETES, image_steps, kustomization, manifests, pod, pod_environment

SCHEMAS = Path(__file__).parent / "schemas"
CUSTOM = {"ScaledObject", "ServiceMonitor"}
RELEASES = ["1.33", kubernetes_validate.latest_version()]
COMPONENTS = {"worker": KUBERNETES, "front-door": FRONT_DOOR}


@pytest.mark.parametrize("component", COMPONENTS)
def test_kustomization_lists_every_manifest_and_keeps_to_its_schema(component):
    folder = COMPONENTS[component]
    here = {file.name for file in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization(folder)["resources"]) == here
    jsonschema.validate(kustomization(folder), json.loads((SCHEMAS / "kustomization.json").read_text()))
    assert kustomization(folder)["images"] == kustomization()["images"]


@pytest.mark.parametrize("release", RELEASES)
def test_manifests_keep_to_the_schemas_of_kubernetes(release):
    each = [found for folder in COMPONENTS.values() for kind, found in manifests(folder).items() if kind not in CUSTOM]
    for found in each:
        kubernetes_validate.validate(found, release, strict=True)
    assert len(each) == 5 + 6


@pytest.mark.parametrize("kind", sorted(CUSTOM))
def test_custom_resources_keep_to_what_is_written_down_of_theirs(kind):
    schema = json.loads((SCHEMAS / f"{kind.lower()}.json").read_text())
    jsonschema.validate(manifests()[kind], schema)


def test_every_setting_is_one_that_the_worker_knows():
    environment = pod_environment()
    assert unknown_settings(environment) == []
    others = {name for name in environment if not name.startswith("ASKONCE_")}
    assert others == {"OPENAI_API_KEY", "OPENAI_BASE_URL"}


def test_every_setting_is_one_that_the_front_door_knows():
    known = {variable for variable, _ in VARIABLES.values()} | {"ASKONCE_REDIS_URL"}
    assert {name for name in pod_environment(FRONT_DOOR) if not name.startswith("AWS_")} <= known


@pytest.mark.parametrize("folder", COMPONENTS.values(), ids=COMPONENTS)
def test_kubernetes_sets_no_settings_of_its_own(folder):
    assert pod(folder)["enableServiceLinks"] is False
    assert not manifests(folder)["Service"]["metadata"]["name"].startswith("askonce")


def test_a_stopped_worker_has_the_time_that_a_call_takes():
    environment = pod_environment()
    grace = float(environment["ASKONCE_GRACE"])
    assert float(environment["ASKONCE_LLM_TIMEOUT"]) < grace
    assert grace + LAST_CALLS < pod()["terminationGracePeriodSeconds"]


def test_a_stopped_front_door_has_the_time_that_requests_under_way_have():
    before = pod(FRONT_DOOR)["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before + GRACE + 10 < pod(FRONT_DOOR)["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_whatever_selects_pods_selects_all_of_the_component_and_no_others(component):
    found = manifests(COMPONENTS[component])
    labels = {"app.kubernetes.io/name": "askonce", "app.kubernetes.io/component": component}
    assert found["Deployment"]["spec"]["template"]["metadata"]["labels"] == labels
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    [spread] = pod(COMPONENTS[component])["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels


def test_what_scales_and_scrapes_names_what_there_is():
    found = manifests()
    assert found["ServiceMonitor"]["spec"]["selector"]["matchLabels"] == found["Service"]["metadata"]["labels"]
    assert found["ScaledObject"]["spec"]["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"]
    found = manifests(FRONT_DOOR)
    target = found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", found["Deployment"]["metadata"]["name"])


def test_the_front_doors_port_is_the_same_everywhere():
    (container,) = pod(FRONT_DOOR)["containers"]
    (port,) = container["ports"]
    assert str(port["containerPort"]) == pod_environment(FRONT_DOOR)["ASKONCE_SERVE_PORT"]
    assert str(port["containerPort"]) in dict(image_steps())["EXPOSE"].split()
    found = manifests(FRONT_DOOR)
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert found["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"] == port["name"]
    assert {container[name]["httpGet"]["port"] for name in container if name.endswith("Probe")} == {port["name"]}


def test_uploads_of_the_front_door_have_a_place():
    (container,) = pod(FRONT_DOOR)["containers"]
    places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert [places[volume["name"]] for volume in pod(FRONT_DOOR)["volumes"] if "emptyDir" in volume] == ["/tmp"]


def test_the_metrics_port_is_the_same_everywhere():
    (container,) = pod()["containers"]
    (port,) = container["ports"]
    assert str(port["containerPort"]) == pod_environment()["ASKONCE_METRICS_PORT"]
    assert str(port["containerPort"]) in dict(image_steps())["EXPOSE"].split()
    found = manifests()
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert found["ServiceMonitor"]["spec"]["endpoints"][0]["port"] == found["Service"]["spec"]["ports"][0]["name"]
    assert found["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"] == port["name"]


@pytest.mark.parametrize("folder", COMPONENTS.values(), ids=COMPONENTS)
def test_the_container_can_change_nothing_and_gain_nothing(folder):
    (container,) = pod(folder)["containers"]
    security, of_pod = container["securityContext"], pod(folder)["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert of_pod["runAsNonRoot"] is True
    assert dict(image_steps())["USER"] == f"{of_pod['runAsUser']}:{of_pod['runAsGroup']}"
    assert manifests(folder)["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod(folder)["serviceAccountName"] == manifests(folder)["ServiceAccount"]["metadata"]["name"]
