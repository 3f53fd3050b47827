"""What runs where and when on a cluster of two nodes: workers are scripts, which take no time to start."""

import dataclasses
import itertools
import re
import time
from collections import Counter

from scripted_workers import N_CPUS, slow

from benchmarks.cluster import executor, node
from benchmarks.harness import load
from benchmarks.harness.training import STOP

RAN = re.compile(node.RAN.format(r"(\w+)", r"(\S+)", r"(\S+)"))
SHORT = "time.sleep(0.03)"


def spans(results):
    """Node, beginning and end of each task, as its result says."""
    (notes,) = {tuple(result["notes"]) for result in results}
    (found,) = (match for note in notes if (match := RAN.fullmatch(note)))
    return found.groups()


def overlap(one, other):
    return one[1] < other[2] and other[1] < one[2]


def test_nothing_is_ever_beside_what_is_timed(bench):
    teams = []
    for n in range(12):
        teams.append(bench.team(SHORT, SHORT, turns=2))
        teams += [bench.team(SHORT) for _ in range(n % 4)]
    ended = [(team.turns, *spans(results)) for team, results in zip(teams, bench.run(*teams), strict=True)]
    timed = [span for turns, *span in ended if turns]
    others = [span for turns, *span in ended if not turns]
    assert len(timed) == 12
    assert len({place for place, *_ in timed}) == 2
    beside = [
        (one, other) for one in timed for other in (*timed, *others)
        if one is not other and one[0] == other[0] and overlap(one, other)
    ]  # fmt: skip
    assert beside == []
    # And the test would see it: both nodes were at work at the same time, and tasks without turns side by side.
    assert any(overlap(one, other) for one in timed for other in timed if one[0] != other[0])


@slow
def test_tasks_without_turns_are_packed_as_their_threads_fit(bench, tmp_path):
    """On each node so many wait for each other."""
    assert bench.cluster.at_once == 2 * N_CPUS
    meets = (
        f"place = pathlib.Path({str(tmp_path)!r}, folder.parents[2].name)\nplace.mkdir(exist_ok=True)\n"
        f"(place / folder.name).touch()\nwhile len([*place.iterdir()]) < {N_CPUS}: time.sleep(0.01)"
    )
    ended = bench.run(*(bench.team(meets) for _ in range(2 * N_CPUS)))
    assert [result["status"] for (result,) in ended] == ["ok"] * 2 * N_CPUS
    places = Counter(place for place, *_ in map(spans, ended))
    assert sorted(places.values()) == [N_CPUS, N_CPUS]


def test_a_team_is_asked_for_when_there_is_room_for_it(bench):
    asked, ended = [], []

    def teams():
        for n in range(10):
            asked.append(n)
            assert len(asked) - len(ended) <= bench.cluster.at_once
            yield bench.team(SHORT)

    for team, _ in bench.cluster.run(teams(), 60.0):
        ended.append(team)
    assert len(ended) == 10


def test_lines_are_heard_in_order_and_a_task_can_be_ended_early(bench):
    heard = []

    def listener(folder, line):
        heard.append(line)
        if line == "point 3":
            (folder / STOP).touch()

    says = (
        "[print('point', n, flush=True) for n in range(1, 4)]\n"
        f"while not (folder / '{STOP}').exists() and time.time() < began + 20: time.sleep(0.01)"
    )
    start = time.monotonic()
    ((result,),) = bench.run(bench.team(says, listener=listener))
    assert result["status"] == "ok"
    assert heard == ["point 1", "point 2", "point 3"]
    assert time.monotonic() - start < 15


def test_the_time_limit_holds(bench):
    ((result,),) = bench.run(bench.team("time.sleep(60)"), timeout_s=0.5)
    assert (result["status"], result["reason"]) == ("timeout", "not done within 0.5 s; see --timeout")


def test_a_worker_that_is_killed_is_one_failed_cell_as_on_one_machine(bench):
    (killed,), (fine,) = bench.run(bench.team("os.kill(os.getpid(), 9)"), bench.team(SHORT))
    assert (killed["status"], killed["reason"]) == ("failed", "killed by signal 9 (SIGKILL)")
    assert fine["status"] == "ok"


def test_void_figures_are_taken_again_and_never_kept(bench, monkeypatch, capsys):
    monkeypatch.setattr(load, "MOST", {load.LOAD: -1.0, load.STEAL: float("inf")})
    ((result,),) = bench.run(bench.team(SHORT, turns=2))
    assert result["status"] == "failed"
    assert re.fullmatch(r"run 3 times .*\(others kept \d.\d\d processors busy, expected at most -1\)", result["reason"])
    assert "timings" not in result
    assert capsys.readouterr().err.count("so it is run again") == executor.MOST_TRIES - 1
    monkeypatch.setattr(load, "MOST", {load.LOAD: float("inf"), load.STEAL: float("inf")})
    ((result,),) = bench.run(bench.team(SHORT, turns=3))
    assert result["status"] == "ok"
    assert [len(result["timings"][name]) for name in (load.LOAD, load.STEAL)] == [3, 3]


def test_at_most_as_many_as_are_asked_for(bench, monkeypatch):
    monkeypatch.setattr(bench.cluster, "_asked", dataclasses.replace(bench.cluster._asked, most=1))
    assert bench.cluster.at_once == 1
    ended = sorted(spans(results)[1:] for results in bench.run(*(bench.team(SHORT) for _ in range(4))))
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(ended))
