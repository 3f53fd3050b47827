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
OF_GROUPS = {
    path.stem.removeprefix("constraints-"): locked(path.read_text(encoding="utf-8"))
    for path in ROOT.glob("constraints-*.txt")
}


def wanted(group):
    """What a dependency group asks for, those of the groups that it includes as well."""
    found = []
    for one in PYPROJECT["dependency-groups"][group]:
        found += wanted(one["include-group"]) if isinstance(one, dict) else [one.partition(";")[0].strip()]
    return found


@pytest.mark.parametrize("group", OF_GROUPS)
def test_what_two_files_lock_they_lock_alike(group):
    """The environment of the group is held to both."""
    own = OF_GROUPS[group]
    both = COMMON.keys() & own.keys()
    assert {name: (COMMON[name], own[name]) for name in both if COMMON[name] != own[name]} == {}


def test_every_file_that_locks_is_some_groups():
    assert {"peers", "gpu-torch", "gpu-jax"} <= OF_GROUPS.keys() <= PYPROJECT["dependency-groups"].keys()


@pytest.mark.parametrize("group", PYPROJECT["dependency-groups"])
def test_every_group_is_locked_and_nowhere_twice(group):
    locks = COMMON | OF_GROUPS.get(group, {})
    for one in wanted(group):
        name, _, version = re.sub(r"\[.*\]", "", one).partition("==")
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
