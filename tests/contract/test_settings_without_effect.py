"""A setting that does nothing without another one is named in one line: at the start of a worker, and by `check`."""

import pytest
from structlog.testing import capture_logs

from askonce_worker.check.findings import findings
from askonce_worker.setting_needs import without_effect
from askonce_worker.settings import Settings
from support.wired import wired_workers

BUDGET, RATE, MODEL, GATE, QDRANT = ("ERROR_BUDGET", "AUDIT_RATE", "JUDGE_MODEL", "JUDGE_GATE", "QDRANT_URL")
SET = {BUDGET: "0.01", RATE: "0.1", MODEL: "small", GATE: "1", QDRANT: "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("given", "idle", "needed"),
    [
        ([], [], ""),
        ([BUDGET], [BUDGET], QDRANT),
        ([RATE], [RATE], QDRANT),
        ([MODEL], [MODEL], QDRANT),
        ([BUDGET, RATE, MODEL, GATE], [BUDGET, RATE, MODEL, GATE], QDRANT),
        ([QDRANT, MODEL], [MODEL], BUDGET),
        ([QDRANT, MODEL, GATE], [MODEL, GATE], BUDGET),
        ([QDRANT, RATE, MODEL, GATE], [GATE], BUDGET),
        ([QDRANT, BUDGET, GATE], [GATE], MODEL),
        ([QDRANT, BUDGET, MODEL, GATE], [], ""),
        ([QDRANT, RATE], [], ""),
    ],
)
def test_which_have_no_effect_and_what_they_need(given, idle, needed):
    settings = Settings(**{name.lower(): SET[name] for name in given})
    said = without_effect(settings)
    names, reason = said or ("", "")
    assert names == ", ".join(f"ASKONCE_{name}" for name in idle)
    assert (f"ASKONCE_{needed}" in reason) if idle else said is None


async def test_the_worker_and_its_check_say_so(settings):
    settings |= {f"ASKONCE_{BUDGET}": "0.01"}
    del settings["ASKONCE_QDRANT_URL"]
    with capture_logs() as logs:
        async with wired_workers(1, settings):
            pass
    [said] = [entry for entry in logs if entry["event"] == "audit.off"]
    assert said["settings"] == "ASKONCE_ERROR_BUDGET"
    fields = {name.removeprefix("ASKONCE_").lower() if "ASKONCE" in name else name: settings[name] for name in settings}
    [found] = [each for each in await findings(Settings(**fields)) if each.part == "settings"]
    assert (found.configured, found.state, found.advice) == (said["settings"], "without effect", said["reason"])
