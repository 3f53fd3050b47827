import subprocess
import sys

import pytest

import datasets
from datasets import DATASETS, InputError


def test_importing_the_package_is_light():
    heavy = ["pandas", "pyarrow", "numba", "tqdm", "python_calamine", "pooch", "torch", "tensorflow", "jax", "paddle"]
    code = f"import sys, datasets; print([m for m in {heavy} if m in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def test_the_table_says_what_list_prints():
    assert set(DATASETS) >= {"ml-100k", "ml-1m", "ml-20m", "online-retail"}
    assert set(DATASETS) >= {"synthetic-tiny", "synthetic-small", "synthetic-large", "file:PATH"}
    for name, dataset in DATASETS.items():
        assert dataset.description, name
        assert "\n" not in dataset.description, name
        assert dataset.terms, name
    origins = {name: dataset.origin for name, dataset in DATASETS.items()}
    assert origins["online-retail"] == origins["ml-20m"] == "download"
    assert origins["synthetic-tiny"] == "embedded"
    assert origins["file:PATH"] == "local"
    assert origins["gowalla"] == "download"
    assert origins["yoochoose"] == "by hand"


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("ml-1m", "ml-1m"),
        ("amazon-2018:Video_Games", "amazon-2018:CATEGORY"),
        ("file:a.csv", "file:PATH"),
        ("a.csv.gz", "file:PATH"),
        ("amazon-2018", None),
        ("ml-1m:Video_Games", None),
        ("nothing", None),
    ],
)
def test_what_a_name_stands_for(name, row):
    assert datasets.described(name) is (DATASETS[row] if row else None)


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("online_retail", "online-retail"),
        ("synthetic-tinny", "synthetic-tiny"),
        ("ml_1m", "ml-1m"),
        ("MovieLens", "ml-1m', 'ml-100k' or 'ml-20m"),
        ("amazon-2018", "amazon-2018:CATEGORY"),
        ("steam", "steam-reviews' or 'steam-libraries"),
    ],
)
def test_an_unknown_name_gets_the_nearest_and_the_list(wrong, nearest):
    with pytest.raises(InputError) as error:
        datasets.load(wrong)
    assert f"unknown data set {wrong!r} (did you mean '{nearest}'?), expected one of " in str(error.value)
    for name in DATASETS:
        assert name in str(error.value)


@pytest.mark.parametrize("name", ["synthetic-tiny", "synthetic-small", "synthetic-medium", "synthetic-large"])
def test_synthetic_names_reach_the_generator_with_their_size(name, monkeypatch):
    from datasets import synthetic

    monkeypatch.setattr(synthetic, "load", lambda size: ("generated", size), raising=False)
    assert datasets.load(name) == ("generated", name.removeprefix("synthetic-"))


@pytest.mark.parametrize("packed", ["", ".gz", ".bz2", ".xz", ".zst", ".GZ"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".inter", ".parquet", ".CSV"])
def test_a_bare_path_is_a_file(suffix, packed, tmp_path):
    suffix += packed
    with pytest.raises(InputError, match=f"missing{suffix} does not exist: check the path"):
        datasets.load(str(tmp_path / f"missing{suffix}"))


def test_a_file_of_any_name_needs_its_prefix(tmp_path):
    path = tmp_path / "events.log"
    path.write_text("user_id,item_id\n1,2\n")
    assert datasets.load(f"file:{path}").name == f"file:{path}"
    with pytest.raises(InputError, match="unknown data set"):
        datasets.load(str(path))


def test_a_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "events.csv").write_text("user_id,item_id\n1,2\n")
    assert len(datasets.load("~/events.csv")) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("~nobody-of-that-name/a.csv", "names no home folder"),
        ("a\0b.csv", "is no path .*embedded null .*: give an existing file"),
        ("x" * 5_000 + ".csv", "cannot be read .File name too long.: give a readable file"),
        ("/dev/null/a.csv", "does not exist: check the path"),
        ("/proc/self/status", "is empty"),
    ],
)
def test_a_path_that_names_no_file(path, message):
    with pytest.raises(InputError, match=message):
        datasets.load(f"file:{path}")


def test_a_data_folder_that_does_not_exist_is_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"data folder '.*nowhere' does not exist"):
        datasets.load("online-retail", tmp_path / "nowhere")
    monkeypatch.setenv("RECALLBENCH_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match=r"data folder '.*elsewhere' does not exist"):
        datasets.load("online-retail")


def test_nothing_is_downloaded_without_leave(tmp_path):
    with pytest.raises(InputError, match=r"online-retail is not on this machine: put online\+retail.zip into"):
        datasets.load("online-retail", tmp_path, accept_download=False)
