"""`mutate` from the command line, with a function in place of the workers."""

import functools
import re

import pytest

from backends.registry import FRAMEWORKS
from benchmarks import cli
from benchmarks.cli import report
from benchmarks.harness import environment, executors, sources, store
from benchmarks.mutation import equivalent, judging, planning
from benchmarks.mutation.mutants import mutants

PATH = "backends/torch/mf_bpr.py"
FINE, FAILED, WRONG_INPUT, NOTHING_MEASURED = 0, 1, 2, 3
CAUGHT = {"fate": "caught", "how": "difference", "by": "mf-bpr as_published whole: loss"}


@functools.cache
def mutants_of(path):
    return mutants(path, (environment.ROOT / path).read_text(encoding="utf-8"))


class Workers:
    """Each of its mutants is caught, but for some, which are so many of the first file's."""

    def __init__(self):
        self.n_surviving = 0
        self.failing = ()
        self.jobs = []

    def __call__(self, tasks, *_):
        for task in tasks:
            self.jobs.append(task.job)
            yield task, {"wall_s": 1.0, "sources": [sources.tree_hash()], "reason": None, **self.result(task.job)}

    def result(self, job):
        if job["model"] in self.failing:
            return {"status": "failed", "reason": "it breaks as it is"}
        made, lines = mutants_of(job["model"]), []
        for at in job["inputs"]["chosen"]:
            mutant = made[at]
            fate = {"fate": "survived"} if self.n_surviving else CAUGHT
            self.n_surviving = max(0, self.n_surviving - 1)
            lines.append(
                {"line": mutant.line, "old": mutant.old, "new": mutant.new, "operator": mutant.operator, **fate}
            )
        return {"status": "ok", "mutants": lines, "metrics": judging._metrics(line["fate"] for line in lines)}


@pytest.fixture
def workers(monkeypatch):
    workers = Workers()
    monkeypatch.setattr(executors, "run", workers)
    monkeypatch.setattr(planning, "mutants", lambda path, _: mutants_of(path))
    monkeypatch.setattr(report, "write_pages", lambda *_: None)
    return workers


@pytest.fixture
def mutate(tmp_path, capsys, monkeypatch):
    """Calls the command at the root; gives its exit code, what it printed and what it complained about."""
    monkeypatch.chdir(environment.ROOT)

    def mutate(*arguments):
        code = cli.main(["mutate", *arguments, "--results", str(tmp_path / "results")])
        return code, *capsys.readouterr()

    return mutate


def test_a_file_has_a_line_and_the_rate_comes_last(mutate, workers):
    n = len(mutants_of(PATH))
    code, printed, _ = mutate(PATH)
    assert code == FINE
    assert printed == (
        f"{PATH}: {n} of {n} caught, 0 equivalent, 0 survived\n"
        f"kill rate: {n} of {n} mutants caught, 0 equivalent, 0 survived (100.0% caught or equivalent)\n"
    )
    (job,) = workers.jobs
    assert (job["kind"], job["model"], job["backend"]) == ("mutation", PATH, "torch")
    assert job["inputs"]["chosen"] == list(range(n))


def test_those_that_survive_are_listed_one_by_one(mutate, workers):
    workers.n_surviving = 2
    _, printed, _ = mutate(PATH)
    _, *survivors, _ = printed.splitlines()
    assert len(survivors) == 2
    for line, mutant in zip(survivors, mutants_of(PATH), strict=False):
        assert re.fullmatch(rf"  {PATH}:{mutant.line}  .+ -> .+  \({mutant.operator}\)", line)


@pytest.mark.parametrize(("least", "code"), [([], FAILED), (["--least", "0.9"], FINE), (["--least", "1"], FAILED)])
def test_fewer_than_the_least_share_fail_the_command(mutate, workers, least, code):
    workers.n_surviving = len(mutants_of(PATH)) // 12
    assert mutate(PATH, *least)[0] == code


def test_what_is_finished_is_not_tried_again(mutate, workers):
    first = mutate(PATH)
    assert mutate(PATH) == first
    assert len(workers.jobs) == 1
    mutate(PATH, "--timeout", "5")  # another limit may make another fate
    assert len(workers.jobs) == 2


def test_a_file_is_recorded_anew_when_more_is_known_to_be_equivalent(mutate, workers, monkeypatch):
    mutate(PATH)
    row = equivalent.Equivalent(PATH, "a line", "old", None, "it is only said")
    monkeypatch.setattr(equivalent, "equivalents", lambda: (row,))
    mutate(PATH)
    assert [len(job["inputs"]["equivalent"]) for job in workers.jobs] == [0, 1]


def test_a_file_that_failed_fails_the_command_and_is_tried_again(mutate, workers):
    workers.failing = (PATH,)
    code, printed, _ = mutate("backends/torch/mf_bpr.py", "backends/jax/mf_bpr.py")
    assert code == FAILED
    assert f"{PATH}: failed, it breaks as it is\n" in printed
    assert "; 1 of 2 files failed, and their mutants are not among these" in printed
    workers.failing = ()
    assert mutate(PATH, "backends/jax/mf_bpr.py")[0] == FINE
    assert [job["model"] for job in workers.jobs] == [PATH, "backends/jax/mf_bpr.py", PATH]


def test_without_a_path_everything_is_tried_that_can_be(mutate, workers):
    mutate("--backends", "torch", "paddle")
    assert {job["backend"] for job in workers.jobs} == {"torch", "paddle"}
    assert len(workers.jobs) == sum(backend in {"torch", "paddle"} for backend in judging.files().values())


def test_a_folder_stands_for_its_files(mutate, workers):
    mutate("backends/jax", PATH)
    assert {job["backend"] for job in workers.jobs} == {"jax", "torch"}
    assert sum(job["backend"] == "torch" for job in workers.jobs) == 1


def test_what_adapters_share_comes_last(mutate, workers):
    mutate("--backends", "torch")
    names = [job["model"].rpartition("/")[2] for job in workers.jobs]
    assert set(names[-3:]) == {"contract.py", "layers.py", "optimizers.py"}
    assert len(names) > 10


def test_a_sample_is_drawn_from_few_files_and_the_same_for_the_same_seed(mutate, workers):
    mutate("backends/jax", "--sample", "200", "--seed", "a")
    chosen = {job["model"]: job["inputs"]["chosen"] for job in workers.jobs}
    assert sum(map(len, chosen.values())) == 200
    sizes = [len(mutants_of(path)) for path in chosen]
    assert 200 <= sum(sizes) < 200 + max(sizes)
    assert sum(map(len, chosen.values())) < sum(sizes)
    workers.jobs.clear()
    mutate("backends/jax", "--sample", "200", "--seed", "b")
    assert {job["model"]: job["inputs"]["chosen"] for job in workers.jobs} != chosen
    workers.jobs.clear()
    code, printed, _ = mutate("backends/jax", "--sample", "200", "--seed", "a")
    assert (code, workers.jobs) == (FINE, [])
    assert "kill rate: 200 of 200 mutants caught" in printed


@pytest.mark.usefixtures("workers")
def test_without_a_seed_the_commit_says_what_is_drawn(mutate, monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "commit", lambda: ("c0ffee", False))
    mutate(PATH, "--sample", "5")
    (record,) = store.read(tmp_path / "results")
    assert record.settings["sample_seed"] == "c0ffee"
    assert record.variant == "sample"
    assert len(record.mutants) == 5


def test_nothing_tried_has_an_exit_code_of_its_own(mutate, workers):
    code, printed, _ = mutate(PATH, "--backends", "jax")
    assert code == NOTHING_MEASURED
    assert printed == "kill rate: 0 of 0 mutants caught, 0 equivalent, 0 survived\n"
    assert not workers.jobs


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("given", ["README.md", "no/such/file.py", "backends/torch/__init__.py", "backends/classic"])
def test_a_path_without_mutants_is_refused_in_a_sentence(mutate, given):
    code, _, complaint = mutate(given)
    assert code == WRONG_INPUT
    assert complaint.startswith(f"error: {given} has no mutants that can be judged, expected one of ")
    for known in (*(f"backends/{framework}/" for framework in FRAMEWORKS), "benchmarks/metrics.py", "backends/ann/"):
        assert f" {known}, " in complaint
    assert complaint.count("\n") == 1


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("least", ["1.5", "-1", "much", "nan"])
def test_a_share_is_from_0_to_1(mutate, least):
    code, _, complaint = mutate(PATH, f"--least={least}")
    assert code == WRONG_INPUT
    assert "is not a number from 0 to 1" in complaint
