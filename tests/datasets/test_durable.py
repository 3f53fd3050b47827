import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from datasets import durable

KILLED = """
import sys, time
from pathlib import Path
from datasets import durable
with durable.replacing(Path(sys.argv[1])) as unfinished:
    unfinished.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def target(tmp_path):
    return tmp_path / "folder" / "file"


@pytest.fixture
def writing(target):
    """Another process that has begun to write the target."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(target)], stdout=subprocess.PIPE, cwd=Path.cwd()
    ) as process:
        assert process.stdout.readline() == b"writing\n"
        yield process
        process.kill()


def left(target):
    return sorted(path.name for path in target.parent.iterdir())


def write(target, content=b"whole"):
    with durable.replacing(target) as unfinished:
        unfinished.write_bytes(content)


def test_what_is_written_becomes_the_target(target):
    write(target)
    write(target, b"new")
    assert target.read_bytes() == b"new"
    assert left(target) == ["file"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there(target, error):
    write(target)

    def fails():
        with durable.replacing(target) as unfinished:
            unfinished.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        fails()
    assert target.read_bytes() == b"whole"
    assert left(target) == ["file"]


def test_it_is_on_the_disk_before_it_counts(target, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append((os.fstat(descriptor).st_ino, target.exists())))
    with durable.replacing(target) as unfinished:
        unfinished.write_bytes(b"whole")
        inode = unfinished.stat().st_ino
    assert flushed == [(inode, False), (target.parent.stat().st_ino, True)]


def test_a_killed_process_leaves_nothing_for_ever(target, writing):
    writing.send_signal(signal.SIGKILL)
    writing.wait()
    (unfinished,) = left(target)
    assert unfinished.startswith(durable.PREFIX)
    durable.sweep(target.parent)
    assert left(target) == []


@pytest.mark.usefixtures("writing")
def test_a_living_process_is_left_alone(target):
    write(target)
    assert len(left(target)) == 2
    assert (next(target.parent.glob(f"{durable.PREFIX}*")) / "file").read_bytes() == b"half"


def test_without_locks_it_is_written_and_nothing_is_swept(target, monkeypatch):
    def no_locks(*_args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(durable.fcntl, "flock", no_locks)
    (target.parent / f"{durable.PREFIX}whose").mkdir(parents=True)
    write(target)
    assert target.read_bytes() == b"whole"
    assert left(target) == [f"{durable.PREFIX}whose", "file"]


def test_a_folder_that_cannot_be_looked_into_is_passed_over(tmp_path):
    durable.sweep(tmp_path / ("x" * 5_000))


def test_nothing_else_is_swept(target):
    target.parent.mkdir()
    (target.parent / ".other").mkdir()
    (target.parent / f"{durable.PREFIX}file").write_text("")
    (target.parent / f"{durable.PREFIX}link").symlink_to(target.parent / ".other")
    durable.sweep(target.parent)
    durable.sweep(target.parent / "nowhere")
    assert len(left(target)) == 3
