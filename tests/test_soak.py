"""Two hundred kills at random moments: whatever is resumed ends as if nobody had killed it.

Real commands with real workers are ended by SIGKILL, started again, and killed again, until they come to their end by
themselves; then everything that they leave behind is compared with what an undisturbed one left.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("RECALLBENCH_SLOW"),
        reason="kills commands 200 times, for a quarter of an hour or more; set RECALLBENCH_SLOW=1 to run it",
    ),
    pytest.mark.timeout(5400),
]

ROOT = Path(__file__).resolve().parent.parent
N_KILLS = {"run": 100, "report": 30, "cache": 40, "download": 30}
MEASURED = ("run_id", "timings", "memory", "group", "notes", "commit", "dirty")
"""Fields that differ from one undisturbed run to the next."""

SUITE = """
title = "what is killed"

[[block]]
dataset = "synthetic-tiny"
protocol = { name = "time-split", train_until = 0.8, validation_until = 0.9, per = "user", unknown_users = "drop", \
period = "test", ks = [20], primary_metric = "recall@20" }
modes = ["eager"]
backends = ["torch"]
throughput = ["eager"]
item_maps = true
models = [
    { model = "popularity" },
    { model = "als", settings = { embedding_dim = 8, iterations = 2 } },
    { model = "mf-bpr", settings = { embedding_dim = 8, batch_size = 500, epochs = 2, steps_per_epoch = 0 } },
]
indexes = [
    { name = "exact" },
    { name = "faiss-ivf", build = [{ nlist = 8 }], query = [{ nprobe = 2 }, { nprobe = 8 }] },
]

[[block]]
vectors = { n_items = 20_000, dim = 16, n_queries = 100 }
indexes = [{ name = "exact" }]
"""

DOWNLOAD = """
import email.message, http.client, io, sys, time, urllib.request, urllib.response
from datasets import archives

class Slow(io.BytesIO):
    def read(self, n=-1):
        time.sleep(0.02)
        return super().read(min(n, 50_000))

class Publisher(urllib.request.HTTPSHandler):
    handler_order = 400

    def https_open(self, request):
        content = open(sys.argv[1], "rb").read()
        headers = email.message.Message()
        headers["Content-Length"] = str(len(content))
        response = urllib.response.addinfourl(Slow(content), headers, request.full_url, 200)
        response.msg = http.client.responses[200]
        return response

archive = archives.Archive("rows.zip", "https://publisher.example/rows.zip", "rows.csv", None, "licence", "citation")
path = archives.find(["rows.zip"], None)
if path is None:
    path = archives.download(archive, opener=archives.https_opener(Publisher()))
archives.extract(path, "rows.csv")
"""


class Job:
    """A command, and the folder that all it writes goes to."""

    def __init__(self, folder, *arguments):
        self.folder, self.arguments = folder, arguments
        for name in ("tmp", "cache", "results"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def start(self):
        environment = os.environ | {
            "TMPDIR": str(self.folder / "tmp"),
            "RECALLBENCH_CACHE": str(self.folder / "cache"),
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.Popen(
            [sys.executable, *self.arguments], cwd=self.folder, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def undisturbed_s(self):
        start = time.monotonic()
        process = self.start()
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
        return time.monotonic() - start

    def files(self):
        """What it left behind: every file and folder that is there."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))


def killed_until_it_ends(job, within_s, dice):
    """Starts a command again and again, each time killed at a random moment, and returns how often that was."""
    n_kills = 0
    while True:
        process = job.start()
        try:
            output, _ = process.communicate(timeout=dice.uniform(0, 1.5 * within_s))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            n_kills += 1
            assert_nothing_lives_on(job.folder)
            continue
        assert process.returncode == 0, output
        return n_kills


def assert_nothing_lives_on(folder):
    deadline = time.monotonic() + 10
    while alive := [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]:
        assert time.monotonic() < deadline, f"{alive} outlived what had started them"
        time.sleep(0.1)


def soak(n_kills, make, compare, tmp_path):
    """Kills what `make(folder)` gives until it was killed often enough, and compares every end with the undisturbed."""
    dice = np.random.default_rng(n_kills)
    reference = make(tmp_path / "undisturbed")
    within_s = reference.undisturbed_s()
    done = rounds = 0
    while done < n_kills:
        job = make(tmp_path / f"round-{rounds}")
        done += killed_until_it_ends(job, within_s, dice)
        compare(job, reference)
        shutil.rmtree(job.folder)
        rounds += 1


def of_records(job):
    lines = (job.folder / "results" / "records.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        for name in MEASURED:
            del record[name]
    return sorted(records, key=lambda record: record["cell"])


def same_records_and_files(job, reference):
    found, expected = of_records(job), of_records(reference)
    assert max(Counter(record["cell"] for record in found).values()) == 1, "a cell was recorded twice"
    assert found == expected
    assert job.files() == reference.files()


def same_bytes(job, reference):
    assert job.files() == reference.files()
    for name in reference.files():
        expected, found = reference.folder / name, job.folder / name
        assert expected.is_dir() or found.read_bytes() == expected.read_bytes(), name


def test_run_that_is_killed_again_and_again_ends_as_one_that_was_not(tmp_path):
    suite = tmp_path / "killed.toml"
    suite.write_text(SUITE, encoding="utf-8")

    def make(folder):
        return Job(folder, "-m", "benchmarks", "run", "--suite", str(suite), "--results", "results", "--quiet")

    soak(N_KILLS["run"], make, same_records_and_files, tmp_path)


def test_report_that_is_killed_again_and_again_leaves_the_same_bytes(tmp_path):
    records = ROOT / "reports" / "published" / "quick" / "records.jsonl.gz"

    def make(folder):
        job = Job(folder, "-m", "benchmarks", "report", "--results", "results")
        shutil.copyfile(records, folder / "results" / records.name)
        return job

    soak(N_KILLS["report"], make, same_bytes, tmp_path)


def test_cache_and_split_that_are_killed_again_and_again_hold_the_same(tmp_path):
    rows = tmp_path / "rows.csv"
    dice = np.random.default_rng(0)
    pairs = dice.integers(0, (20_000, 5_000), (400_000, 2)).tolist()
    lines = (f"{user},{item},{1_500_000_000 + at}\n" for at, (user, item) in enumerate(pairs))
    rows.write_text("user_id,item_id,timestamp\n" + "".join(lines), encoding="utf-8")

    def make(folder):
        return Job(
            folder, "-m", "benchmarks", "prepare", "--datasets", f"file:{rows}", "--results", "results", "--quiet"
        )

    def compare(job, reference):
        assert job.files() == reference.files()
        for path in reference.folder.rglob("*.npy"):
            assert (job.folder / path.relative_to(reference.folder)).read_bytes() == path.read_bytes(), path

    soak(N_KILLS["cache"], make, compare, tmp_path)


def test_download_that_is_killed_again_and_again_is_whole_or_not_there(tmp_path):
    import zipfile

    published = tmp_path / "published.zip"
    with zipfile.ZipFile(published, "w") as archive:
        archive.writestr("rows.csv", np.random.default_rng(0).bytes(2_000_000))

    def make(folder):
        return Job(folder, "-c", DOWNLOAD, str(published))

    soak(N_KILLS["download"], make, same_bytes, tmp_path)
