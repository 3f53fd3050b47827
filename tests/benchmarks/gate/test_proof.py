"""From streams of pairs to comparisons as gates take them, and how often what was said."""

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gate import pairs, proof
from benchmarks.gate.contestants import Contestant
from benchmarks.gate.figures import ACCURACY, MEMORY, SPEED, Measured
from benchmarks.gate.holding import CHANCE
from benchmarks.gate.kept import Kept
from benchmarks.gate.pairs import Pair, Where
from benchmarks.gate.plants import DUE, ELSEWHERE, NOTHING
from benchmarks.gate.proof import Comparison, Rate, comparisons, lines, measure, rates, write
from benchmarks.gate.sequential import IMPROVED, NO_WORSE, REGRESSED, SAME, UNDECIDED, Plan
from benchmarks.harness.teams import Here
from datasets.errors import InputError

PLAN = Plan(8, 3, 0.1)
ORIGIN = {"suite": "gate", "machine": "m", "commit": "c"}
WHERE = Where(Here(), Path("/nowhere"), 9.0)
TIMED, TRAINED = ("throughput · jax",), ("train · jax",)


def stream(speeds):
    return [Pair((Measured(cell=TIMED[0], figure=SPEED, base=1.0, head=math.exp(speed)),)) for speed in speeds]


def clear(mean, n):
    """A stream that is decided after four pairs."""
    return [mean + 0.001 * (-1) ** place for place in range(n)]


def test_comparisons_follow_one_another_and_what_a_stream_ends_in_does_not_count():
    found = list(comparisons({("10 % slower", TIMED): stream(clear(-0.105, 10))}, PLAN, **ORIGIN))
    assert [(one.verdict, one.pairs, one.place) for one in found] == [(REGRESSED, 4, DUE)] * 2


def test_one_that_nothing_decides_ends_at_the_cap():
    noisy = [0.5, -0.5] * 8
    found = list(comparisons({(NOTHING, TIMED): stream(noisy)}, PLAN, **ORIGIN))
    assert [(one.verdict, one.pairs) for one in found] == [(UNDECIDED, 8)] * 2


def test_trainings_that_learn_the_same_are_a_comparison_each():
    same = [Pair((Measured(cell=TRAINED[0], figure=ACCURACY, base=0.2, head=0.2, is_settled=True),))] * 3
    found = list(comparisons({(NOTHING, TRAINED): same}, PLAN, **ORIGIN))
    assert [(one.verdict, one.pairs, one.place) for one in found] == [(SAME, 1, ELSEWHERE)] * 3
    assert found[0].load is None


def test_a_comparison_has_the_load_of_its_own_pairs():
    pairs_of = [
        Pair(pair.measured, seconds=float(place), load=load)
        for place, (pair, load) in enumerate(
            zip(stream(clear(-0.105, 8)), [0.0] * 4 + [1.0, 1.0, 2.0, 2.0], strict=True)
        )
    ]
    found = list(comparisons({("10 % slower", TIMED): pairs_of}, PLAN, **ORIGIN))
    assert [one.load for one in found] == [0.0, 1.5]
    assert [one.is_busy for one in found] == [False, True]
    assert [one.seconds for one in found] == [1.5, 5.5]


def test_seconds_are_shared_out_over_the_cells_of_a_process():
    two = tuple(Measured(cell=cell, figure=SPEED, base=1.0, head=1.0) for cell in "ab")
    found = comparisons({(NOTHING, ("a", "b")): [Pair(two, seconds=8.0)] * 4}, PLAN, **ORIGIN)
    assert [one.seconds for one in found] == [4.0, 4.0]


def test_an_accuracy_of_chance_is_not_judged_as_a_gate_would_not():
    rng = np.random.default_rng(0)
    figures = [Measured(cell=TRAINED[0], figure=ACCURACY, base=base, head=0.01) for base in rng.uniform(0.05, 0.4, 4)]
    (found,) = comparisons({(NOTHING, TRAINED): [Pair((figure,)) for figure in figures]}, PLAN, **ORIGIN)
    assert found.verdict == CHANCE


def one(**changes):
    made = {"plant": NOTHING, "cell": "a", "figure": SPEED, "place": ELSEWHERE, "verdict": NO_WORSE, "ratio": 1.0,
            "pairs": 4, "machine": "m", "commit": "c"}  # fmt: skip
    return Comparison(**{**made, **changes})


def test_alarms_are_both_ways_and_power_is_what_is_due():
    found = [
        one(), one(verdict=REGRESSED), one(verdict=IMPROVED), one(verdict=UNDECIDED), one(verdict=SAME),
        one(verdict=CHANCE),
        one(plant="10 % slower", place=DUE, verdict=REGRESSED), one(plant="10 % slower", place=DUE, verdict=SAME),
        one(plant="Faiss probes half the lists", place="beside", verdict=IMPROVED),
        one(plant="Faiss probes half the lists", verdict=REGRESSED),
    ]  # fmt: skip
    told = {rate.name: (rate.said, rate.n) for rate in rates(found)}
    assert told == {
        "false alarms": (2, 4),
        "10 % slower: found": (1, 2),
        "Faiss probes half the lists: said of what it does not touch": (1, 1),
    }
    assert lines(found)[0] == "false alarms: 2 of 4 (6.8% – 93.2%), 1 undecided"
    assert lines([*found, one(load=1.5)])[-1] == "on a busy machine, false alarms: 0 of 1 (0.0% – 97.5%), 0 undecided"


@pytest.mark.parametrize(("said", "n", "high"), [(0, 300, 0.0122), (0, 0, 1.0)])
def test_an_interval_is_clopper_and_pearsons(said, n, high):
    assert Rate("a", DUE, n, said).interval == pytest.approx((0.0, high), abs=1e-4)


def test_what_other_plants_suites_commits_and_machines_have_said_stays(tmp_path):
    path = tmp_path / "comparisons.jsonl"
    others = [one(commit="d"), one(machine="n"), one(suite="s"), one(cell="b"), one(load=1.5)]
    others.append(one(plant="10 % slower", place=DUE))
    write(path, [one(), *others])
    everything = write(path, [one(verdict=REGRESSED)])
    assert everything == [*others, one(verdict=REGRESSED)]
    assert write(path, []) == everything


def test_a_line_that_is_no_comparison_is_a_sentence(tmp_path):
    path = tmp_path / proof.FILE
    write(path, [one()])
    path.write_bytes(path.read_bytes() + b'{"plant": 3}\n')
    with pytest.raises(
        InputError, match=r"comparisons\.jsonl, line 2 is no comparison of a gate .*; mend or delete it"
    ):
        proof.read(path)


@pytest.fixture
def sides(tmp_path):
    base = Contestant("base", tmp_path, sys.executable, {TIMED: {"kind": "throughput"}, TRAINED: {"kind": "train"}})
    made = [base, *(dataclasses.replace(base, name=name) for name in (NOTHING, "10 % slower"))]
    for side in made:
        vars(side)["key"] = side.name  # as if each had sources of its own
    return made


def one_by_one(made):
    """What stands for processes: pairs are made when they are asked for."""
    return lambda _, due, __: ((one, made(one)) for one in due)


def test_rounds_go_on_where_they_stopped_and_leave_out_what_a_plant_does_not_touch(sides, tmp_path, monkeypatch):
    ran = []

    def made(due):
        ran.append(([head.name for head in due.heads], due.what, due.number))
        return [Pair((Measured(cell=due.what[0], figure=MEMORY, base=1.0, head=1.0),), due.number) for _ in due.heads]

    monkeypatch.setattr(pairs, "run", one_by_one(made))
    kept = Kept(tmp_path / "pairs", "m")
    first = measure(sides, kept, 2, WHERE, lambda *_: None)
    both, alone = [NOTHING, "10 % slower"], [NOTHING]
    assert ran == [(both, TIMED, 0), (alone, TRAINED, 0), (both, TIMED, 1), (alone, TRAINED, 1)]
    ran.clear()
    again = measure(sides, kept, 3, WHERE, lambda *_: None)
    assert ran == [(both, TIMED, 2), (alone, TRAINED, 2)]
    assert {of: len(stream) for of, stream in again.items()} == {
        of: len(stream) + bool(stream) for of, stream in first.items()
    }


def test_pairs_that_end_out_of_turn_stand_in_their_order_and_what_is_lacking_is_measured(sides, tmp_path, monkeypatch):
    def measured(numbers):
        def run(_, due, __):
            for one in reversed(list(due)):
                numbers.append(one.number)
                if one.number != 1 or len(numbers) > 3:  # the process of number 1 fails at first
                    figure = Measured(cell=one.what[0], figure=MEMORY, base=1.0, head=1.0 + one.number)
                    yield one, [Pair((figure,), one.number)]
                else:
                    yield one, [Pair(number=1, failed="base: killed")]

        monkeypatch.setattr(pairs, "run", run)
        streams = measure(alone, Kept(tmp_path / "pairs", "m"), 3, WHERE, lambda *_: None)
        return [pair.number for pair in streams[NOTHING, TIMED]]

    alone = [dataclasses.replace(side, cells={TIMED: {"kind": "throughput"}}) for side in sides[:2]]
    for side in alone:
        vars(side)["key"] = side.name
    ran = []
    assert measured(ran) == [0, 2]
    assert measured(ran) == [0, 1, 2]
    assert ran == [2, 1, 0, 1]


def test_a_process_that_fails_is_told_and_tried_in_the_next_round(sides, tmp_path, monkeypatch):
    told = []

    def made(due):
        figures = (Measured(cell=due.what[0], figure=MEMORY, base=1.0, head=1.0),)
        return [
            Pair(failed=f"{head.name}: oom") if due.number == 0 else Pair(figures, due.number) for head in due.heads
        ]

    monkeypatch.setattr(pairs, "run", one_by_one(made))
    streams = measure(sides, Kept(tmp_path / "pairs", "m"), 2, WHERE, lambda *said: told.append(said))
    both = [f"{NOTHING}: oom", "10 % slower: oom"]
    assert told == [(1, TIMED, both), (1, TRAINED, both[:1]), (2, TIMED, []), (2, TRAINED, [])]
    assert len(streams[NOTHING, TIMED]) == 1


def test_what_a_pair_settles_is_not_measured_in_every_round(sides, tmp_path, monkeypatch):
    ran = []

    def made(due):
        ran.append((due.what, due.number))
        is_settled = due.what == TRAINED
        settled = Measured(cell=due.what[0], figure=ACCURACY, base=1.0, head=1.0, is_settled=is_settled)
        return [Pair((settled,), due.number) for _ in due.heads]

    monkeypatch.setattr(pairs, "run", one_by_one(made))
    measure(sides, Kept(tmp_path / "pairs", "m"), 9, WHERE, lambda *_: None)
    assert [number for what, number in ran if what == TRAINED] == list(range(proof.MOST_SETTLED))
    assert [number for what, number in ran if what == TIMED] == list(range(9))


@pytest.mark.parametrize(
    ("kind", "is_run"),
    [("throughput", True), ("index", True), ("train", False), ("agreement", False), ("pieces", False)],
)
def test_more_work_in_what_takes_turns_is_measured_there_alone(kind, is_run):
    assert proof._is_run("10 % slower", kind) is is_run
    assert proof._is_run("metrics are off by one rank", kind)


def test_the_same_code_twice_is_hardly_ever_called_anything():
    rng = np.random.default_rng(0)
    streams = {(NOTHING, (f"throughput · {n}",)): stream(rng.normal(0, 0.05, 400)) for n in range(20)}
    alarms = rates(list(comparisons(streams, Plan(32, 18, 0.1), **ORIGIN)))[0]
    assert alarms.n > 500
    assert alarms.said <= 3
    assert proof.lines([]) == ["false alarms: 0 of 0 (0.0% – 100.0%), 0 undecided"]
