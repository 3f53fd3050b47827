"""Nothing that is the user's own is in records or on pages: secrets of the environment, homes, folders of data."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends.registry import BACKENDS
from benchmarks import cli
from benchmarks.harness import environment, executors, privacy, store
from benchmarks.harness.plan import Cell

ROOT = Path(__file__).resolve().parents[2]
BEGINNINGS = (
    "MALLOC_",
    "GLIBC_",
    "LD_",
    "FLAGS_",
    "TF_ENABLE_",
    "TF_XLA_",
    "JAX_",
    "TORCH",
    "TORCH_",
    "KMP_",
    "NUMBA_",
)
PRIVATE = "s3cr3t-t0ken"
SECRETS = {f"{beginning}{name}": PRIVATE for beginning in BEGINNINGS for name in ("HUB_TOKEN", "api_key", "HOME")}
DAY = 86_400


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_secret_is_recorded_whatever_its_name_begins_with(backend, monkeypatch):
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    assert PRIVATE not in json.dumps(environment.installed(backend))


def test_what_changes_speed_is_recorded_without_folders_and_without_end(monkeypatch):
    values = {
        "MALLOC_ARENA_MAX": ("2", "2"),
        "FLAGS_use_mkldnn": ("1", "1"),
        "GLIBC_TUNABLES": ("glibc.malloc.arena_max=1:glibc.rtld.nns=2", "glibc.malloc.arena_max=1:glibc.rtld.nns=2"),
        "LD_PRELOAD": ("/home/ann/lib/libjemalloc.so:/opt/x/y.so z.so", "libjemalloc.so:y.so z.so"),
        "TF_XLA_FLAGS": ("--tf_xla_dump='/home/ann/of mine/dump' --a=b", "--tf_xla_dump='of dump' --a=b"),
        "JAX_COMPILATION_CACHE_DIR": ("/home/ann/cache", "cache"),
        "KMP_AFFINITY": ("granularity=fine," * 100, ("granularity=fine," * 100)[:200]),
        "MALLOC_CONF": ("\udcff", "\\udcff"),
    }
    for name, (value, _) in values.items():
        monkeypatch.setenv(name, value)
    assert {name: privacy.influences()[name] for name in values} == {name: said for name, (_, said) in values.items()}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file:/home/ann/shop.csv", "file:shop.csv"),
        ("file:../shop.parquet", "file:shop.parquet"),
        ("/srv/data/shop.tsv", "file:shop.tsv"),
        ("shop.csv", "file:shop.csv"),
        ("file:/data/\udcff.csv", "file:\\udcff.csv"),
        ("online-retail", "online-retail"),
        ("vectors-2k", "vectors-2k"),
    ],
)
def test_a_file_is_called_by_its_own_name(name, said):
    assert privacy.dataset(name) == said


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("no such file: '/home/ann/data/x.npy'", "no such file: '~/data/x.npy'"),
        ("/Users/ann/x, /home/bob and /nfs/export/home/carl/y", "~/x, ~ and ~/y"),
        ("file:/home/ann/shop.csv has no rows", "file:~/shop.csv has no rows"),
        ("/data/me/.cache/x of /data/me.", "~/.cache/x of ~."),
        ("/data/meadow/x and /srv/data/me", "/data/meadow/x and /srv/data/me"),
        ("see https://example.org/home/ann/page", "see https://example.org/home/ann/page"),
        ("/results/of/mine/work/ab/users.npy", "work/ab/users.npy"),
        ("a loss of 1/2", "a loss of 1/2"),
    ],
)
def test_homes_are_reduced_in_sentences(sentence, said, monkeypatch):
    monkeypatch.setenv("HOME", "/data/me")
    assert privacy.text(sentence, Path("/results/of/mine")) == said


@pytest.mark.parametrize("home", ["/", "", None])
def test_a_home_that_is_everything_or_nothing_leaves_sentences_alone(home, monkeypatch):
    monkeypatch.delenv("HOME")
    if home is not None:
        monkeypatch.setenv("HOME", home)
    assert privacy.text("/opt/x and /y", Path("/results")) == "/opt/x and /y"


def test_a_note_does_not_say_where_the_file_lies():
    said = privacy.note("file:/srv/d/x.csv: 3 rows of /srv/d/x.csv", "file:/srv/d/x.csv")
    assert said == "file:x.csv: 3 rows of x.csv"


def table():
    rows = [f"{user},{(user * 3 + day * day) % 15},{day * DAY + user}" for day in range(10) for user in range(20)]
    return "\n".join(["user_id,item_id,timestamp", *rows]) + "\n"


@pytest.fixture
def homes(tmp_path):
    """Two homes with the same file of data."""
    for name in ("ann", "bob"):
        folder = tmp_path / "home" / name / "private"
        folder.mkdir(parents=True)
        (folder / "shop.csv").write_text(table(), encoding="utf-8")
    return tmp_path / "home"


@pytest.fixture
def run(tmp_path, monkeypatch, homes):
    """Runs popularity over a file, by a worker that fails with a path in its reason; gives the records."""

    def failing(tasks, *_):
        reason = f"FileNotFoundError: no {homes}/ann/x.npy, {tmp_path}/results/work/y.npy, {ROOT}/backends/z.py"
        for task in tasks:
            (task.folder / "stderr").write_bytes(b"")
            yield task, {"status": "failed", "reason": reason, "wall_s": 1.0}

    monkeypatch.setattr(executors, "run", failing)

    def run(path, *options):
        arguments = ["--datasets", path, "--models", "popularity", "--results", tmp_path / "results", "--quiet"]
        cli.main(["run", *map(str, arguments), *options])
        return store.read(tmp_path / "results")

    return run


def test_records_and_pages_do_not_say_where_anything_lies(run, homes, tmp_path):
    records = run(homes / "ann" / "private" / "shop.csv")
    assert records
    for record in records:
        assert record.dataset == "file:shop.csv"
        assert record.reason == "FileNotFoundError: no ~/x.npy, work/y.npy, backends/z.py"
    _holds_nothing_private(tmp_path / "results", str(homes), "private/")


def _holds_nothing_private(results, *private):
    """Neither in the records nor on any page."""
    written = [path for path in results.rglob("*") if path.is_file()]
    assert {"records.jsonl", "index.html", "leaderboard.csv"} <= {path.name for path in written}
    for path in written:
        for text in private:
            assert text.encode() not in path.read_bytes(), path


def test_the_same_data_elsewhere_are_the_same_cells(run, homes):
    first = run(homes / "ann" / "private" / "shop.csv")
    again = run(f"file:{homes}/bob/private/shop.csv", "--keep-paths")
    assert {record.cell for record in again} == {record.cell for record in first}


def test_paths_are_kept_where_that_is_wanted(run, homes):
    path = f"file:{homes}/ann/private/shop.csv"
    records = run(path, "--keep-paths")
    assert {record.dataset for record in records} == {path}
    assert any(path in note for note in records[0].notes)


def test_other_data_of_the_same_name_are_other_cells():
    cell = Cell("train", "m", {}, "b", "eager", "cpu", 1, 0, "file:/a/x.csv", {}, {"dataset": "1"})
    moved = Cell(**{**vars(cell), "dataset": "/b/x.csv"})
    other = Cell(**{**vars(cell), "inputs": {"dataset": "2"}})
    renamed = Cell(**{**vars(cell), "dataset": "/b/y.csv"})
    assert cell.key == moved.key
    assert len({cell.key, other.key, renamed.key}) == 3


def test_two_files_of_one_name_with_other_data_are_refused_before_anything_runs(run, homes, tmp_path, capsys):
    other = homes / "bob" / "private" / "shop.csv"
    other.write_text(table() + "3,4,5\n", encoding="utf-8")
    both = [str(homes / "ann" / "private" / "shop.csv"), str(other)]
    arguments = ["run", "--models", "popularity", "--results", str(tmp_path / "results"), "--datasets", *both]
    assert cli.main(arguments) == 2
    assert "two sets of data are called file:shop.csv, with the hashes" in capsys.readouterr().err
    assert not (tmp_path / "results" / store.FILE_NAME).exists()
    assert {record.dataset for record in run(both[0], "--keep-paths", "--datasets", *both)} == {*both}


def test_a_real_run_publishes_nothing_private(homes, tmp_path):
    environ = {**os.environ, **SECRETS, "MALLOC_ARENA_MAX": "3"}
    path = homes / "ann" / "private" / "shop.csv"
    arguments = ["run", "--datasets", f"file:{path}", "--models", "popularity", "--results", str(tmp_path / "results")]
    done = subprocess.run([sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, env=environ, check=False)
    assert done.returncode == 0
    record, *_ = store.read(tmp_path / "results")
    assert record.versions["MALLOC_ARENA_MAX"] == "3"
    _holds_nothing_private(tmp_path / "results", PRIVATE, str(homes), "private/")
