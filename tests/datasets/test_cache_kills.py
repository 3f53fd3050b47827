"""The cache under processes that are killed, and on a disk that is full for real."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from datasets import cache, file

N_KILLS = 60 if os.environ.get("RECALLBENCH_SLOW") else 4
LOADS = """
import sys
from pathlib import Path
from datasets import file
print("begun", flush=True)
file.load(Path(sys.argv[1]), "events")
"""
FULL = """
import resource, sys
from pathlib import Path
from datasets import file
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
print(file.load(Path(sys.argv[1]), "events").content_hash)
"""


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("RECALLBENCH_CACHE", str(tmp_path / "cache"))
    rows = np.random.default_rng(0).integers(0, 5_000, (100_000, 2))
    path = tmp_path / "events.csv"
    path.write_text("user_id,item_id\n" + "".join(f"{user},{item}\n" for user, item in rows.tolist()))
    return path


def start(script, source):
    return subprocess.Popen([sys.executable, "-c", script, str(source)], stdout=subprocess.PIPE, cwd=Path.cwd())


def test_killed_at_any_moment_it_is_read_as_if_nothing_had_been(source):
    expected = file.load(source, "events").content_hash
    (whole,) = (cache.folder() / "interactions").iterdir()
    for moment_s in np.random.default_rng(1).uniform(0, 0.4, N_KILLS):
        whole.unlink(missing_ok=True)
        with start(LOADS, source) as process:
            process.stdout.readline()
            time.sleep(moment_s)
            process.send_signal(signal.SIGKILL)
        assert file.load(source, "events").content_hash == expected
        assert list((cache.folder() / "interactions").iterdir()) == [whole]


def test_on_a_full_disk_it_is_read_and_not_cached(source):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(source)], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert "events.csv is not cached: " in done.stderr
    assert "set RECALLBENCH_CACHE to a folder" in done.stderr
    assert list((cache.folder() / "interactions").iterdir()) == []
    assert file.load(source, "events").content_hash == done.stdout.strip()
