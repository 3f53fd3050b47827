"""Whole runs with real workers, of toy models that are planted in a copy of the repository and behave as they are told.

A toy's adapter stands in the registry under frameworks' names but is NumPy, so that a worker starts in a second.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest

from backends.registry import FRAMEWORKS
from benchmarks.agreement.verdict import verdicts
from benchmarks.harness import environment, store
from benchmarks.records import fields

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("datasets", "benchmarks", "backends", "reports")
TIMED_TURNS = 3

TOY_SPEC = '''
"""A toy: items ranked by a drawn score plus their number of training rows."""

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.specs.base import Parameter


@dataclass(frozen=True)
class Toy:
    model: ClassVar[str] = "{name}"
    asks: ClassVar[str] = "users"
    serves: ClassVar[str] = "{serves}"
    variant: str = "plain"
    epochs: int = 1
    patience: int = 0
    filter_seen: bool = False
    behaviour: str = "fine"
    only: str = ""  # "kind backend" in which it misbehaves; empty: in all
    at_call: int = 1  # of train
    pause_s: float = 0.0

    def n_samples(self, chunk):
        return chunk["item"].size

    def parameters(self, sizes):
        return (Parameter("score", (sizes.n_items,), 1.0),)

    def batches(self, training, key, epoch):
        rows = len(training.item) // 4 * 4
        yield {{"item": training.item[:rows].reshape(4, -1)}}
'''

TOY_ADAPTER = '''
"""The toy in NumPy."""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from datasets.errors import InputError


@dataclass
class State:
    spec: Any
    score: Any
    n_calls: int = 0


def init(spec, parameters, device, mode):
    return State(spec, parameters["score"].copy())


def train(state, batches):
    state.n_calls += 1
    time.sleep(state.spec.pause_s)
    losses = np.linspace(1.0, 0.5, len(batches["item"])).astype(np.float32)
    if state.n_calls == state.spec.at_call and _is_meant(state.spec.only):
        losses = DEEDS[state.spec.behaviour](losses)
    np.add.at(state.score, batches["item"].ravel(), np.float32(1))
    return state, losses


def _is_meant(only):
    job = json.loads((Path(sys.argv[1]) / "job.json").read_text())
    return only in ("", f"{job['kind']} {job['backend']}")


def _raises(losses):
    raise ValueError("the toy broke")


def _refuses(losses):
    raise InputError("the toy has 1 user, expected 2;   give it another.")


def _is_not_finite(losses):
    losses[2] = np.nan
    return losses


def _kills_itself(losses):
    os.kill(os.getpid(), signal.SIGKILL)


def _kills_itself_once(losses):
    marker = Path(os.environ["TOY_MARKER"])
    if not marker.exists():
        marker.touch()
        _kills_itself(losses)
    return losses


def _exits(losses):
    print("this is the last line", file=sys.stderr, flush=True)
    os._exit(3)


def _runs_out_of_memory(losses):
    raise MemoryError("cannot allocate 1 TiB")


def _hangs(losses):
    Path(os.environ["TOY_MARKER"]).touch()
    time.sleep(600)


DEEDS = {
    "fine": lambda losses: losses,
    "raises": _raises,
    "refuses": _refuses,
    "nan": _is_not_finite,
    "kills itself": _kills_itself,
    "kills itself once": _kills_itself_once,
    "exits 3": _exits,
    "out of memory": _runs_out_of_memory,
    "hangs": _hangs,
}


def embed_users(state, inputs):
    return np.ones((len(inputs["user"]), 1), np.float32)


def embed_items(state):
    return state.score[:, None]


def recommend(state, inputs, k):
    best = np.argsort(-state.score, kind="stable")[:k].astype(np.int32)
    return np.tile(best, (len(inputs["user"]), 1))


def export(state):
    return {"score": state.score.copy()}


def sync(state):
    pass
'''

PROTOCOL = (
    '{ name = "time-split", train_until = 0.8, validation_until = 0.9, per = "user", unknown_users = "drop", '
    'period = "test", ks = [5, 10], primary_metric = "recall_micro@10" }'
)


def insert(path, before, text):
    source = path.read_text(encoding="utf-8")
    assert source.count(before) == 1
    path.write_text(source.replace(before, text + before), encoding="utf-8")


def plant(repository, name, serves, adapters):
    """Adds a model as a contributor does: one spec, one adapter, one row in the registry."""
    (repository / "benchmarks" / "specs" / f"{name}.py").write_text(TOY_SPEC.format(name=name, serves=serves))
    (repository / "backends" / "classic" / f"{name}.py").write_text(TOY_ADAPTER)
    row = f'        "{name}": Family("benchmarks.specs.{name}:Toy", {adapters}),\n'
    insert(repository / "backends" / "registry.py", '        "mf-logloss": Family(', row)


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A copy of the repository with three toys: of its own, with lists for vectors, and under frameworks' names."""
    copy = tmp_path_factory.mktemp("repository")
    for package in PACKAGES:  # compiled metrics come along: compiling them again takes ten seconds
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("*.pyc", "RESULTS"))
    plant(copy, "toy", "vectors", '_classic("toy")')
    plant(copy, "lister", "lists", '_classic("lister")')
    module = "backends.classic.actor"
    plant(copy, "actor", "vectors", f'{{"torch": "{module}", "jax": "{module}", "paddle": Unsupported("no stage")}}')
    return copy


@pytest.fixture(scope="session")
def interactions(tmp_path_factory):
    """A CSV file in which some items are far more frequent than others."""
    rng = np.random.default_rng(0)
    rows = [
        f"u{user},i{item},{1_600_000_000 + 60 * n}"
        for n, (user, item) in enumerate(
            zip(rng.integers(0, 60, 1200), (80 * rng.random(1200) ** 3).astype(int), strict=True)
        )
    ]
    path = tmp_path_factory.mktemp("data") / "interactions.csv"
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    return path


class Bench:
    """The command line in the copy, on one suite and one results folder."""

    def __init__(self, repository, interactions, folder):
        self.repository, self.interactions, self.folder = repository, interactions, folder
        self.results = folder / "results"
        self.marker = folder / "marker"  # where a toy leaves word
        self.environment = {**os.environ, "TOY_MARKER": str(self.marker)}

    def write_suite(self, *models, indexes="", throughput=""):
        rows = "".join(f"    {row},\n" for row in models)
        self.suite = self.folder / "suite.toml"
        self.suite.write_text(
            f'title = "toys"\n[[block]]\ndataset = "file:{self.interactions}"\nmodes = ["eager"]\n'
            f"protocol = {PROTOCOL}\nthroughput = [{throughput}]\nindexes = [{indexes}]\nmodels = [\n{rows}]\n"
        )

    def command(self, *options):
        # Fewer turns than in earnest: they take a third of a second each.
        short = f"import benchmarks.harness.groups as groups; groups.TURNS.update(throughput={TIMED_TURNS}, index=1)"
        start = f"{short}; import sys; from benchmarks.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", start, "run", "--suite", str(self.suite)]
        return [*command, "--results", str(self.results), *options]

    def run(self, *options):
        return subprocess.run(
            self.command(*options),
            cwd=self.repository,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextlib.contextmanager
    def running(self, *options):
        process = subprocess.Popen(
            self.command(*options),
            cwd=self.repository,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background job ignores interrupts, and so does whatever it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stderr.close()

    def lines(self):
        path = self.results / store.FILE_NAME
        return path.read_bytes().split(b"\n")[:-1] if path.exists() else []

    def records(self):
        return store.read(self.results)


@pytest.fixture
def bench(repository, interactions, tmp_path):
    return Bench(repository, interactions, tmp_path)


def actor(variant, **settings):
    given = {"variant": variant, **settings}
    return f'{{ model = "actor", settings = {{ {", ".join(f"{k} = {json.dumps(v)}" for k, v in given.items())} }} }}'


def checkpointed(bench):
    """Keys of the cells whose parameters were kept."""
    return {path.stem for path in (bench.results / "checkpoints").iterdir()}


def until(condition, timeout_s=60.0):
    """Waits until something holds, and says whether it came to that."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


DEEDS = {
    "raises": ("failed", "ValueError: the toy broke"),
    "refuses": ("failed", "the toy has 1 user, expected 2; give it another."),
    "nan": ("diverged", "the loss of step 3 is nan"),
    "kills itself": ("failed", "killed by signal 9 (SIGKILL)"),
    "exits 3": ("failed", "exit status 3 without a result: this is the last line"),
    "out of memory": ("oom", "MemoryError: cannot allocate 1 TiB"),
}


def test_each_failure_is_one_row_with_its_reason_and_the_rest_of_the_run_goes_on(bench):
    rows = [actor(deed, behaviour=deed) for deed in DEEDS]
    bench.write_suite('{ model = "toy" }', *rows, actor("fine"))
    done = bench.run("--backends", "torch")
    assert done.returncode == 1, done.stderr
    assert len(bench.lines()) == len(DEEDS) + 2
    records = {record.variant: record for record in bench.records()}
    assert {name: (records[name].status, records[name].reason) for name in DEEDS} == DEEDS
    assert [records[name].status for name in ("plain", "fine")] == ["ok", "ok"]
    assert checkpointed(bench) == {records["plain"].cell, records["fine"].cell}
    for name in DEEDS:
        assert records[name].metrics == {}
        log = (bench.results / "logs" / f"{records[name].cell}.txt").read_text()
        assert ("the toy broke" in log) == (name == "raises")
    page = (bench.results / "leaderboard.md").read_text()
    assert all(reason in page for reason in ("ValueError: the toy broke", "the loss of step 3 is nan"))


def test_cell_that_hangs_is_ended_by_the_timeout_and_leaves_no_process(bench):
    bench.write_suite(actor("hangs", behaviour="hangs"))
    done = bench.run("--backends", "torch", "paddle", "--timeout", "2")
    assert done.returncode == 3  # nothing was measured
    found = [(record.backend, record.status, record.reason) for record in bench.records()]
    assert found == [("torch", "timeout", "not done within 2 s; see --timeout"), ("paddle", "unsupported", "no stage")]
    assert workers_of(bench) == []


def test_only_what_failed_is_tried_again_and_what_is_finished_is_kept_unless_it_is_forced(bench):
    bench.write_suite('{ model = "toy" }', actor("falls once", behaviour="kills itself once"))
    options = ("--backends", "torch")
    assert bench.run(*options).returncode == 1
    first = {record.model: record for record in bench.records()}
    assert {model: record.status for model, record in first.items()} == {"toy": "ok", "actor": "failed"}

    again = bench.run(*options)
    assert again.returncode == 0, again.stderr
    assert outcomes(again) == ["kept", "ok"]
    second = {record.model: record for record in bench.records()}
    assert second["toy"] == first["toy"]
    assert (second["actor"].status, second["actor"].cell) == ("ok", first["actor"].cell)
    lines = bench.lines()
    assert len(lines) == 3

    assert outcomes(bench.run(*options)) == ["kept", "kept"]
    assert bench.lines() == lines

    assert outcomes(bench.run(*options, "--force")) == ["ok", "ok"]
    assert bench.lines()[:3] == lines
    assert len(bench.lines()) == 5
    assert {record.run_id for record in bench.records()}.isdisjoint(json.loads(line)["run_id"] for line in lines)


def outcomes(done):
    """The words that a run's lines of progress begin with."""
    return re.findall(r"\] ([a-z]+) ", done.stderr)


def test_model_without_vectors_is_finished_too(bench):
    bench.write_suite('{ model = "lister" }', indexes='{ name = "exact" }')
    assert outcomes(bench.run()) == ["ok"]
    assert outcomes(bench.run()) == ["kept"]


def test_second_run_in_a_folder_that_is_in_use_is_refused(bench):
    bench.write_suite('{ model = "toy" }')
    with store.locked(bench.results):
        done = bench.run()
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: another run is writing to {bench.results}")
    assert bench.lines() == []


def test_timed_cells_get_equally_many_turns_and_a_dead_member_leaves_the_others_theirs(bench):
    bench.write_suite(
        actor("both live", pause_s=0.01),
        # Its fourth call is in a turn, after the first and the warm-up.
        actor("one dies", pause_s=0.01, behaviour="kills itself", only="throughput jax", at_call=4),
        throughput='"eager"',
    )
    done = bench.run("--backends", "torch", "jax")
    assert done.returncode == 1, done.stderr
    timed = {(r.variant, r.backend): r for r in bench.records() if r.kind == "throughput"}
    assert len(timed) == 4
    dead = timed.pop(("one dies", "jax"))
    assert (dead.status, dead.reason) == ("failed", "killed by signal 9 (SIGKILL)")
    for record in timed.values():
        assert record.status == "ok"
        assert len(record.timings["window_samples_per_s"]) == TIMED_TURNS
        assert min(record.timings["window_samples_per_s"]) > 0
    groups = {variant: {r.group for (v, _), r in timed.items() if v == variant} for variant, _ in timed}
    assert all(len(names) == 1 for names in groups.values())
    assert groups["both live"] != groups["one dies"] == {dead.group}


def workers_of(bench):
    """Worker processes of a bench's results folder that still run."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        is_worker = "benchmarks.harness.worker" in words and words[-1].startswith(str(bench.results))
        if is_worker and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def without_chance(records):
    """What does not depend on when and in which run a cell was measured."""
    names = ("kind", "model", "variant", "backend", "mode", "dataset", "seed", "index")
    kept = ("cell", "status", "reason", "metrics", "intervals", "curve", "hashes", "settings", "versions")
    return {
        json.dumps([record[name] for name in names]): json.dumps([record[name] for name in kept], sort_keys=True)
        for record in map(fields, records)
    }


def section(results, title):
    page = (results / "leaderboard.md").read_text(encoding="utf-8")
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def write_slow_suite(bench):
    bench.write_suite(actor("slow", pause_s=0.2), actor("slower", pause_s=0.3), indexes='{ name = "exact" }')


SLOW = ("--backends", "torch", "jax", "paddle")
N_SLOW_CELLS = 8  # in each of two variants: two that work, one that is unsupported, one index


@pytest.fixture(scope="module")
def undisturbed(repository, interactions, tmp_path_factory):
    """Results of the slow suite, of a run that nothing happened to."""
    bench = Bench(repository, interactions, tmp_path_factory.mktemp("undisturbed"))
    write_slow_suite(bench)
    assert bench.run(*SLOW).returncode == 0
    assert len(bench.records()) == N_SLOW_CELLS
    return bench


def test_unsupported_backend_is_a_row_with_the_registrys_reason(undisturbed):
    found = {(r.backend, r.status, r.reason) for r in undisturbed.records() if r.kind == "train"}
    assert found == {("torch", "ok", None), ("jax", "ok", None), ("paddle", "unsupported", "no stage")}
    assert section(undisturbed.results, "Failures").count("no stage") >= 2


def test_records_and_the_page_say_what_becomes_of_the_rows(undisturbed):
    (of_split,) = {tuple((row.period, row.use, row.reason, row.rows) for row in r.rows) for r in undisturbed.records()}
    assert of_split[0] == ("train", "trains", "", 960)
    assert sum(n for _, use, _, n in of_split if use != "unreachable") == 1200
    assert {record.warning for record in undisturbed.records()} == {None}
    assert "What becomes of the rows of file:interactions.csv" in section(undisturbed.results, "Accuracy")


def test_backends_that_do_the_same_agree(undisturbed):
    reached = verdicts(undisturbed.records())
    assert [(verdict.variant, verdict.verdict) for verdict in reached] == [("slow", "agrees"), ("slower", "agrees")]
    assert [verdict.spread for verdict in reached] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("options", "n_finished"), [((), N_SLOW_CELLS), (("--seeds", "1"), 0), (("--threads", "2"), 0)]
)
def test_cell_of_other_inputs_is_another_cell(undisturbed, options, n_finished):
    done = undisturbed.run("--dry-run", *SLOW, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  finished\n") == n_finished
    assert f"{N_SLOW_CELLS} cells, " in done.stdout
    assert len(undisturbed.lines()) == N_SLOW_CELLS


def test_trainings_side_by_side_leave_the_same_records_and_say_that_their_times_were_shared(bench, undisturbed):
    write_slow_suite(bench)
    assert bench.run(*SLOW, "--jobs", "3").returncode == 0
    assert without_chance(bench.records()) == without_chance(undisturbed.records())
    said = {record.kind for record in bench.records() if any("up to 3 cells side by side" in n for n in record.notes)}
    assert said == {"train"}
    assert not any("side by side" in note for record in undisturbed.records() for note in record.notes)
    assert outcomes(bench.run(*SLOW, "--jobs", "3")) == ["kept"] * N_SLOW_CELLS


def test_of_trainings_side_by_side_one_that_dies_is_one_row_and_the_rest_goes_on(bench):
    bench.write_suite(*(actor(deed, behaviour=deed) for deed in ("kills itself", "raises")), actor("fine"))
    assert bench.run("--backends", "torch", "--jobs", "2").returncode == 1
    ended = {record.variant: record.status for record in bench.records()}
    assert ended == {"kills itself": "failed", "raises": "failed", "fine": "ok"}
    assert workers_of(bench) == []


@pytest.mark.parametrize("n_finished", [1, 4])
def test_run_that_was_killed_goes_on_where_it_stopped_and_ends_as_if_it_had_not_been(bench, undisturbed, n_finished):
    write_slow_suite(bench)
    with bench.running(*SLOW) as process:
        assert until(lambda: len(bench.lines()) >= n_finished)
        assert until(lambda: workers_of(bench))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert until(lambda: not workers_of(bench), 5), "a worker outlived the run that it belonged to"
    finished = bench.lines()
    assert n_finished <= len(finished) < N_SLOW_CELLS
    with (bench.results / store.FILE_NAME).open("ab") as file:  # what a kill in the middle of a write leaves
        file.write(finished[0][: len(finished[0]) // 2])

    resumed = bench.run(*SLOW)
    assert resumed.returncode == 0, resumed.stderr
    assert bench.lines()[: len(finished)] == finished
    assert outcomes(resumed).count("kept") == len(finished)
    assert len(outcomes(resumed)) == len(bench.lines()) == N_SLOW_CELLS
    assert set(Counter(json.loads(line)["cell"] for line in bench.lines()).values()) == {1}
    assert without_chance(bench.records()) == without_chance(undisturbed.records())
    for title in ("Accuracy", "Agreement", "Failures"):
        assert section(bench.results, title) == section(undisturbed.results, title)
    assert "| actor | slower | identical in 2 of 3 | jax eager, torch eager | 0." in section(bench.results, "Accuracy")


@pytest.mark.parametrize("moment", ["as soon as it has started", "in its training"])
def test_worker_does_not_outlive_a_run_that_is_killed(bench, moment):
    bench.write_suite(actor("hangs", behaviour="hangs"))
    with bench.running("--backends", "torch") as process:
        assert until(lambda: workers_of(bench))
        if moment == "in its training":
            assert until(bench.marker.exists)
        process.send_signal(signal.SIGKILL)
        process.wait()
    try:
        assert until(lambda: not workers_of(bench), 10)
    finally:
        for left in workers_of(bench):
            left.kill()


def test_interrupted_run_ends_its_worker_and_says_how_to_go_on(bench):
    bench.write_suite(actor("hangs", behaviour="hangs"))
    with bench.running("--backends", "torch") as process:
        assert until(lambda: workers_of(bench))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "interrupted; the same command goes on where it stopped"
    assert workers_of(bench) == []


@pytest.mark.skipif(environment.machine().gpu is not None, reason="this machine has a GPU")
def test_gpu_that_is_not_there_skips_every_framework_with_a_reason(bench):
    bench.write_suite(
        '{ model = "mf-bpr", settings = { embedding_dim = 4, batch_size = 64, steps_per_epoch = 2, epochs = 1 } }'
    )
    done = bench.run("--device", "gpu")
    assert done.returncode == 3, done.stderr
    records = {record.backend: record for record in bench.records()}
    assert set(records) == set(FRAMEWORKS)
    assert {(record.status, record.device) for record in records.values()} == {("skipped", "gpu")}
    assert all(len(record.reason.split()) >= 4 for record in records.values())
    assert len({record.reason for record in records.values()}) == len(FRAMEWORKS)
