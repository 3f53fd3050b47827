import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# The same examples each time, so that a failure is of the change that has it; new ones where time is no matter.
settings.register_profile("same examples", derandomize=not os.environ.get("RECALLBENCH_SLOW"))
settings.load_profile("same examples")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """No test sees or touches the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECALLBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def real_data_dir():
    """The folder with the publishers' archives, where the machine has one."""
    folder = Path(os.environ.get("RECALLBENCH_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (RECALLBENCH_DATA names another folder)")
    return folder
