"""What tests of downloaded data sets start from."""

import pytest


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    """No cache, and no data but the test's own."""
    monkeypatch.setenv("RECALLBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RECALLBENCH_DATA", raising=False)


@pytest.fixture
def data_dir(tmp_path):
    """An empty folder for publishers' files."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"
