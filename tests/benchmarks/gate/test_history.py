"""The lines of a history, and where a figure has changed in the course of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.gate import history, telling
from benchmarks.gate.figures import SPEED, Measured
from benchmarks.gate.history import Figure, Gated, changes, series
from benchmarks.gate.holding import Held
from benchmarks.gate.pairs import Pair
from benchmarks.gate.sequential import Plan


def noisy(levels, deviation=0.02, seed=0):
    return np.exp(np.log(levels) + np.random.default_rng(seed).normal(0, deviation, len(levels))).tolist()


def test_a_change_is_found_where_it_is_with_its_size():
    (found,) = changes(noisy([100.0] * 12 + [80.0] * 10))
    assert found.place == 12
    assert found.ratio == pytest.approx(0.8, rel=0.03)
    assert found.p <= 0.01


def test_several_changes_are_found_in_their_order():
    found = changes(noisy([100.0] * 10 + [80.0] * 10 + [100.0] * 10))
    assert [change.place for change in found] == [10, 20]
    assert [change.ratio for change in found] == [pytest.approx(0.8, rel=0.04), pytest.approx(1.25, rel=0.04)]


def test_where_nothing_changes_hardly_anything_is_found():
    found = [bool(changes(noisy([100.0] * 20, 0.1, seed))) for seed in range(100)]
    assert sum(found) <= 5


@settings(deadline=None)
@given(st.lists(st.floats(1e-3, 1e3), max_size=12), st.floats(1e-3, 1e3))
def test_a_change_has_enough_gates_on_both_sides_and_does_not_depend_on_the_unit(values, unit):
    found = changes(values)
    bounds = [0, *(change.place for change in found), len(values)]
    assert all(end - start >= history.SHORTEST for start, end in itertools.pairwise(bounds)) or not found
    assert [change.place for change in changes([value * unit for value in values])] == [c.place for c in found]


@pytest.mark.parametrize("values", [[], [1.0], [2.0] * 30, [0.0] * 30])
def test_what_never_moves_has_not_changed(values):
    assert changes(values) == []


def told():
    seen = [Pair((Measured(cell="a", figure=SPEED, base=4.0, head=head),)) for head in (1.0, 2.0, 9.0, 2.0)]
    one = Held(("a",), "throughput", seen)
    one.judge(4, Plan(4, 1, 0.1))
    return telling.rows([one, Held(("b",), fault="missing", reason="gone")], 0.1)


def test_a_gate_is_a_line_that_is_read_again_and_a_torn_one_is_passed_over(tmp_path):
    path = tmp_path / history.FILE
    gate = history.gated(told(), "gate", "HEAD~1", "working tree", machine="m-9", seconds=61.23)
    assert gate.figures == (Figure(cell="a", figure=SPEED, value=2.0, verdict=gate.figures[0].verdict),)
    assert history.read(path) == []
    history.append(path, gate)
    with path.open("a") as file:
        file.write('{"at": "20')
    history.append(path, gate)
    assert history.read(path) == [gate, gate]


def test_series_are_of_one_machine_and_suite():
    def gate(value, **changes):
        made = {"at": "t", "suite": "gate", "base": "x", "head": "y", "machine": "m"}
        return Gated(**{**made, **changes}, figures=(Figure(cell="a", figure=SPEED, value=value, verdict="same"),))

    found = series([gate(1.0), gate(2.0, machine="n"), gate(3.0, suite="own"), gate(4.0)])
    assert [(one.machine, one.suite, one.values) for one in found] == [
        ("m", "gate", (1.0, 4.0)), ("n", "gate", (2.0,)), ("m", "own", (3.0,)),
    ]  # fmt: skip
