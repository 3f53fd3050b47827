"""Workers side by side and by turns: how many there are at a time, and that each result comes as soon as it is there.

The workers are scripts in place of the interpreter; they wait for files, not for time.
"""

import json
import sys
import textwrap
import types

import pytest

from benchmarks.harness import environment, executors

WORKER = """\
    #!{python}
    import json, os, pathlib, sys, time
    folder = pathlib.Path(sys.argv[-1])
    job = json.loads((folder / "job.json").read_text())
    (folder / "started").touch()
    n_running = len([f for f in folder.parent.glob("*/started") if not (f.parent / "result.json").exists()])
    (folder / "environment.json").write_text(json.dumps(dict(os.environ)))
    while job["awaits"] and not (folder.parent / job["awaits"]).exists():
        time.sleep(0.01)
    if job.get("dies"):
        sys.exit("no reason")
    (folder / "result.partial").write_text(json.dumps({{"status": "ok", "n_running": n_running}}))
    (folder / "result.partial").rename(folder / "result.json")
"""

OF_TURNS = """\
    #!{python}
    import json, pathlib, sys, time
    folder = pathlib.Path(sys.argv[-1])
    job = json.loads((folder / "job.json").read_text())

    def note(what):
        with (folder.parent / "log").open("a") as log:
            log.write(f"{{folder.name}} {{what}}\\n")

    def say(word):
        (folder / word).touch()
        print(word, flush=True)

    note("starts")
    while job["awaits"] and f"{{job['awaits']}} starts" not in (folder.parent / "log").read_text():
        time.sleep(0.01)
    if not job["is_older"]:
        say("loaded")
        sys.stdin.readline()
    note("steps")
    say("ready")
    for _ in sys.stdin:
        note("turns")
        say("done")
    (folder / "result.json").write_text(json.dumps({{"status": "ok"}}))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    script = tmp_path / "interpreter"
    script.write_text(textwrap.dedent(WORKER).format(python=sys.executable))
    script.chmod(0o755)
    monkeypatch.setattr(executors, "interpreter", lambda _: str(script))

    def run(jobs, at_once):
        tasks = []
        for name, job in jobs.items():
            (tmp_path / name).mkdir()
            common = {"awaits": "", "backend": "none", "threads": 1, "device": "cpu"}
            given = {name: job[name] for name in ("environment", "needs_bytes") if name in job}
            tasks.append(executors.Task(common | job, tmp_path / name, **given))
        return [(task.folder.name, result) for task, result in executors.run(tasks, 0, 60.0, at_once)]

    return run


def test_a_process_has_the_variables_of_its_task_and_no_other(run, tmp_path):
    run({"a": {"environment": {"OF_A": "1"}}, "b": {}}, at_once=1)
    of_a, of_b = (json.loads((tmp_path / name / "environment.json").read_text()) for name in "ab")
    assert of_a.pop("OF_A") == "1"
    assert "OF_A" not in of_b
    assert of_a["OMP_NUM_THREADS"] == of_b["OMP_NUM_THREADS"] == "1"


def test_two_that_wait_for_each_other_run_at_the_same_time(run):
    done = run({"a": {"awaits": "b/started"}, "b": {"awaits": "a/started"}}, at_once=2)
    assert sorted(name for name, _ in done) == ["a", "b"]
    assert all(result["status"] == "ok" for _, result in done)


def test_one_at_a_time_runs_in_order(run):
    done = run({"a": {}, "b": {}, "c": {}}, at_once=1)
    assert [name for name, _ in done] == ["a", "b", "c"]
    assert [result["n_running"] for _, result in done] == [1, 1, 1]


def test_a_result_comes_as_soon_as_it_is_there_and_the_next_takes_its_place(run):
    done = run({"slow": {"awaits": "third/result.json"}, "second": {}, "third": {}}, at_once=2)
    assert done[0][0] == "second"
    assert sorted(name for name, _ in done[1:]) == ["slow", "third"]
    assert max(result["n_running"] for _, result in done) <= 2


def test_one_that_dies_leaves_the_others_alone(run):
    done = dict(run({"a": {"dies": True}, "b": {}}, at_once=2))
    assert done["a"]["status"] == "failed"
    assert done["a"]["reason"] == "exit status 1 without a result: no reason"
    assert done["b"]["status"] == "ok"


def test_as_many_as_the_memory_is_enough_for_and_one_in_any_case(run, monkeypatch):
    memory = types.SimpleNamespace(available=10)
    monkeypatch.setattr(executors.psutil, "virtual_memory", lambda: memory)
    done = run({"a": {"needs_bytes": 6}, "b": {"needs_bytes": 6}, "c": {"needs_bytes": 60}}, at_once=3)
    assert [(name, result["n_running"]) for name, result in done] == [("a", 1), ("b", 1), ("c", 1)]
    done = run({"d": {"needs_bytes": 4, "awaits": "e/started"}, "e": {"needs_bytes": 6, "awaits": "d/started"}}, 3)
    assert sorted(name for name, _ in done) == ["d", "e"]


class TestTurns:
    @pytest.fixture
    def log(self, tmp_path, monkeypatch):
        """Runs workers that take two turns on two cores, and gives the lines of what they did."""
        script = tmp_path / "interpreter"
        script.write_text(textwrap.dedent(OF_TURNS).format(python=sys.executable))
        script.chmod(0o755)
        monkeypatch.setattr(executors, "interpreter", lambda _: str(script))
        monkeypatch.setattr(environment, "usable_cores", lambda: 2)

        def log(jobs):
            tasks = []
            for name, job in jobs.items():
                (tmp_path / name).mkdir()
                common = {"awaits": "", "is_older": False, "backend": "none", "threads": 1, "device": "cpu"}
                common["loads_first"] = not job.get("is_older")
                tasks.append(executors.Task(common | job, tmp_path / name))
            assert [result["status"] for _, result in executors.run(tasks, 2, 60.0)] == ["ok"] * len(jobs)
            return (tmp_path / "log").read_text().splitlines()

        return log

    def test_they_load_side_by_side_and_step_alone(self, log):
        """The first waits until the second has started, which a harness that starts one after the other never has."""
        found = log({"a": {"awaits": "b"}, "b": {}, "c": {}})
        assert set(found[:3]) == {"a starts", "b starts", "c starts"}
        assert found[3:] == ["a steps", "b steps", "c steps", *(f"{name} turns" for name in "abcbca")]

    def test_no_more_load_at_a_time_than_there_are_cores(self, log, tmp_path):
        log({"a": {}, "b": {}, "c": {}})
        started, loaded = ((tmp_path / name).stat().st_mtime_ns for name in ("c/job.json", "a/loaded"))
        assert loaded <= started

    @pytest.mark.parametrize("older", ["a", "b"])
    def test_beside_one_of_a_revision_that_steps_at_once_none_loads(self, log, older):
        found = log({"a": {"is_older": older == "a"}, "b": {"is_older": older == "b"}})
        steps = [line for line in found if not line.endswith("turns")]
        assert steps == (
            ["a starts", "a steps", "b starts", "b steps"] if older == "a" else
            ["a starts", "b starts", "b steps", "a steps"]
        )  # fmt: skip
        assert found[-4:] == ["a turns", "b turns", "b turns", "a turns"]

    def test_one_that_takes_all_cores_loads_alone(self, log, tmp_path):
        log({"a": {"threads": 2}, "b": {"threads": 2}})
        started, loaded = ((tmp_path / name).stat().st_mtime_ns for name in ("b/job.json", "a/loaded"))
        assert loaded <= started
