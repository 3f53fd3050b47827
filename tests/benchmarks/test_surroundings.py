"""What a command finds around it: a checkout, a home and streams that cannot be used as they are."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import surroundings
from benchmarks.harness.environment import worker_environment

ROOT = Path(__file__).resolve().parents[2]
FOUND = ("NUMBA_CACHE_DIR", "MPLCONFIGDIR")
ORDINARY = ("--bounding-set=-dac_override", "--inh-caps=-dac_override")
"""What makes of the superuser somebody whom the permissions of their own files bind."""


@pytest.fixture
def checkout(tmp_path):
    """A copy of the packages in which nothing may be written."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("permissions do not bind the superuser, and there is no setpriv to become somebody else")
    copy = tmp_path / "checkout"
    for package in ("backends", "benchmarks", "datasets", "reports"):
        ignored = shutil.ignore_patterns("__pycache__", "published")
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    folders = [copy, *(path for path in copy.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield copy
    for folder in folders:
        folder.chmod(0o755)


@pytest.fixture
def unwritable(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    folder.chmod(0o555)
    return folder


def run(checkout, *arguments, **variables):
    """One Python in the checkout, as a user whom permissions bind; a variable that is None is not set."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"} | variables
    environment = {name: str(value) for name, value in environment.items() if value is not None}
    binding = ("setpriv", *ORDINARY) if os.geteuid() == 0 else ()
    command = [*binding, sys.executable, *arguments]
    return subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


LOOK = f"""
import json, os
from benchmarks import surroundings
surroundings.settle()
from benchmarks.harness.environment import worker_environment
worker = worker_environment(1, "cpu")
print(json.dumps([os.environ.get(name) for name in {FOUND}] + [worker["HOME"] if "HOME" in worker else None]))
"""


@pytest.mark.parametrize("home", ["unwritable", "missing", None])
def test_a_read_only_checkout_without_a_home_that_can_be_written_to(checkout, unwritable, tmp_path, home):
    variables = {"HOME": home and unwritable / home, "RECALLBENCH_CACHE": tmp_path / "cache"}
    if home == "unwritable":
        variables["HOME"] = unwritable
    if home is None:  # the home that the system knows, then
        variables |= {"XDG_CACHE_HOME": unwritable / "cache", "XDG_CONFIG_HOME": unwritable}
    done = run(checkout, "-m", "benchmarks", "list", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mf-bpr" in done.stdout
    numba, matplotlib, _ = json.loads(run(checkout, "-c", LOOK, **variables).stdout)
    assert (numba, matplotlib) == (f"{tmp_path}/cache/numba", f"{tmp_path}/cache/matplotlib")


def test_where_the_cache_is_unwritable_too_the_temporary_folder_takes_it(checkout, unwritable, tmp_path):
    variables = {"HOME": unwritable, "RECALLBENCH_CACHE": unwritable / "cache", "TMPDIR": tmp_path}
    found = json.loads(run(checkout, "-c", LOOK, **variables).stdout)
    mine = f"{tmp_path}/recallbench-{os.getuid()}"
    assert found == [f"{mine}-numba", f"{mine}-matplotlib", f"{mine}-home"]


def test_numba_keeps_what_it_compiles_there(checkout, unwritable, tmp_path):
    code = "from benchmarks import surroundings as s; s.settle(); "
    code += "from datasets import mixing; print(mixing.fill._cache.cache_path)"
    variables = {"HOME": unwritable, "RECALLBENCH_CACHE": tmp_path / "cache"}
    done = run(checkout, "-c", code, **variables)
    assert done.stdout.startswith(f"{tmp_path}/cache/numba/"), done.stderr


def test_where_nothing_at_all_can_be_written_nothing_is_kept(checkout, unwritable):
    code = "from benchmarks import surroundings as s; s._fallback = lambda _: None; s.settle(); "
    code += "from datasets import mixing; print(type(mixing.fill._cache).__name__)"
    done = run(checkout, "-c", code, HOME=unwritable)
    assert done.stdout == "NullCache\n", done.stderr


def test_what_can_be_kept_beside_the_sources_stays_there(checkout, unwritable):
    for folder in [checkout, *checkout.rglob("*")]:
        if folder.is_dir():
            folder.chmod(0o755)
    numba, _, _ = json.loads(run(checkout, "-c", LOOK, HOME=unwritable).stdout)
    assert numba is None


def test_what_the_user_set_stays_where_it_can_be_written_to(checkout, unwritable, tmp_path):
    variables = {"HOME": unwritable, "NUMBA_CACHE_DIR": tmp_path / "own", "MPLCONFIGDIR": tmp_path}
    assert json.loads(run(checkout, "-c", LOOK, **variables).stdout)[:2] == [f"{tmp_path}/own", str(tmp_path)]


@pytest.fixture
def _cold():
    surroundings.home_of_workers.cache_clear()
    yield
    surroundings.home_of_workers.cache_clear()


@pytest.mark.usefixtures("_cold")
def test_workers_have_their_own_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert worker_environment(1, "cpu")["HOME"] == str(tmp_path)


@pytest.mark.usefixtures("_cold")
def test_workers_have_another_home_where_theirs_is_none(monkeypatch):
    monkeypatch.setenv("HOME", "/proc/1")
    assert worker_environment(1, "cpu")["HOME"] == str(Path(os.environ["RECALLBENCH_CACHE"]) / "home")


@pytest.mark.parametrize("made", ["by others", "a link", "a file"])
def test_a_folder_that_others_may_have_filled_is_not_taken(monkeypatch, tmp_path, made):
    monkeypatch.setenv("RECALLBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    folder = tmp_path / "cache" / "numba"
    folder.parent.mkdir()
    if made == "by others":
        folder.mkdir()
        folder.chmod(0o777)
    elif made == "a link":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.touch()
    assert surroundings._fallback("numba") == tmp_path / f"recallbench-{os.getuid()}-numba"


def test_a_home_that_nobody_knows_makes_no_folder_of_that_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert not surroundings._is_writable(surroundings._of_the_user("XDG_CACHE_HOME", ".cache"))
    assert list(tmp_path.iterdir()) == []


def test_signs_that_a_terminal_lacks_have_stand_ins():
    def written(text, encoding):
        return text.encode(encoding, "readable").decode("ascii")

    surroundings.codecs.register_error("readable", surroundings._readable)
    assert written("a · b – 3× ≥ 2…", "ascii") == "a - b - 3x >= 2..."
    assert written("数\udcff", "latin-1") == "\\u6570\\udcff"
    assert written("\udcff", "utf-8") == "\\udcff"
