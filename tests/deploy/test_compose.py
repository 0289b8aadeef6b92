"""compose.yaml and the image: valid, locked up, and without a setting that nobody knows."""

import re
import subprocess
import sys

import pytest

from askonce.serve.serve_settings import VARIABLES
from askonce.serve.server import GRACE
from askonce_worker.queue.arq_worker import LAST_CALLS
from askonce_worker.setting_names import unknown_settings
from support.deployment import DEPLOY, compose, compose_environment, env_file, image_steps

OTHERS = {"OPENAI_API_KEY", "OPENAI_BASE_URL"}


def services():
    return compose(env_file(DEPLOY / "env.example"))["services"]


def test_compose_keeps_to_its_schema():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, DEPLOY / "compose.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_linter_has_nothing_against_the_dockerfile():
    done = subprocess.run([sys.prefix + "/bin/hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "WORKER_PASSWORD", "FRONT_DOOR_PASSWORD", "QDRANT_API_KEY", "GRAFANA_PASSWORD"]
)
def test_compose_demands_every_secret(name):
    told = env_file(DEPLOY / "env.example")
    assert told.pop(name).startswith("change-me")
    with pytest.raises(KeyError, match=name):
        compose(told)


@pytest.mark.parametrize("service", ["worker", "askonce"])
def test_every_setting_is_one_that_the_worker_knows(service):
    environment = compose_environment(service)
    assert unknown_settings(environment) == []
    assert {name for name in environment if not name.startswith("ASKONCE_")} <= OTHERS


def test_every_setting_is_one_that_the_front_door_knows():
    assert compose_environment("front-door").keys() <= {variable for variable, _ in VARIABLES.values()} | {
        "ASKONCE_REDIS_URL"
    }


def test_every_variable_of_the_env_file_is_used():
    text = (DEPLOY / "compose.yaml").read_text()
    assert [name for name in env_file(DEPLOY / "env.example") if f"${{{name}:" not in text] == []


def test_a_stopped_worker_has_the_time_that_a_call_takes():
    environment = compose_environment("worker")
    grace = float(environment["ASKONCE_GRACE"])
    assert float(environment["ASKONCE_LLM_TIMEOUT"]) < grace
    assert grace + LAST_CALLS < float(services()["worker"]["stop_grace_period"].removesuffix("s"))


def test_a_stopped_front_door_has_the_time_that_requests_under_way_have():
    assert float(services()["front-door"]["stop_grace_period"].removesuffix("s")) > GRACE + 15


def test_the_front_door_has_a_place_for_files_and_one_for_uploads_that_its_user_may_write_to():
    mounted = dict(volume.split(":") for volume in services()["front-door"]["volumes"])
    assert mounted == {"files": compose_environment("front-door")["ASKONCE_SERVE_FILES"], "uploads": "/tmp"}
    assert compose(env_file(DEPLOY / "env.example"))["volumes"].keys() >= mounted.keys()
    [made] = [argument for step, argument in image_steps() if step == "RUN" and "install --directory" in argument]
    assert made.endswith(f"--owner=askonce --group=askonce --mode=0700 {mounted['files']}")


def test_our_containers_can_change_nothing_and_gain_nothing():
    for name in ("worker", "front-door", "askonce", "redis"):
        service = services()[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert dict(image_steps())["USER"] == "10001:10001"


def test_stores_are_out_of_reach_and_every_image_has_a_version():
    for name, service in services().items():
        assert service["image"] == "askonce" or re.search(r":v?\d+\.\d+", service["image"]), name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
    for name in ("redis", "qdrant"):
        assert services()[name]["networks"] == ["store"]
        assert "ports" not in services()[name]


def test_the_qdrant_of_compose_is_of_the_line_whose_engine_is_tested():
    line = re.search(r"# Qdrant (\d+\.\d+)\n", (DEPLOY.parent / "tests/qdrant_engine.sh").read_text())[1]
    assert services()["qdrant"]["image"].startswith(f"qdrant/qdrant:v{line}.")
