"""Every environment can be installed: files that lock versions do not contradict each other."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)$", re.MULTILINE)


def name_of(written):
    return re.sub(r"[-_.]+", "-", written).lower()


def locked(text):
    return {name_of(name): version for name, version in PINNED.findall(text)}


COMMON = locked((ROOT / "constraints.txt").read_text(encoding="utf-8"))
OF_PEERS = locked((ROOT / "constraints-peers.txt").read_text(encoding="utf-8"))


def wanted(group):
    """What a dependency group asks for, those of the groups that it includes as well."""
    found = []
    for one in PYPROJECT["dependency-groups"][group]:
        found += wanted(one["include-group"]) if isinstance(one, dict) else [one.partition(";")[0].strip()]
    return found


def test_what_two_files_lock_they_lock_alike():
    """`tox -e peers` is held to both."""
    both = COMMON.keys() & OF_PEERS.keys()
    assert {name: (COMMON[name], OF_PEERS[name]) for name in both if COMMON[name] != OF_PEERS[name]} == {}


@pytest.mark.parametrize("group", PYPROJECT["dependency-groups"])
def test_every_group_is_locked_and_nowhere_twice(group):
    locks = COMMON | OF_PEERS if group == "peers" else COMMON
    for one in wanted(group):
        name, _, version = one.partition("==")
        if version:
            assert name_of(name) not in locks, f"{one} is locked in a file as well"
        else:
            assert name_of(name) in locks, f"{one} has no version that is locked"


def test_the_pages_install_the_version_of_ray_that_is_locked():
    (ray,) = wanted("ray")
    pages = (ROOT / "docs" / "cluster.md", ROOT / "benchmarks" / "cli" / "executing.py")
    said = [line for page in pages for line in re.findall(r"constraints\.txt (ray\S*)", page.read_text("utf-8"))]
    assert len(said) >= 3
    assert {one.strip("`\"'") for one in said} == {ray}
