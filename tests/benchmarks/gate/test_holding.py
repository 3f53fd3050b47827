"""How pairs are run until all is decided, what is kept of them, and what comes out of a side that fails."""

import dataclasses
import json
import math
import sys
from pathlib import Path

import pytest

from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.gate import holding, pairs, telling
from benchmarks.gate.contestants import Contestant
from benchmarks.gate.figures import ACCURACY, MEMORY, SPEED, Measured
from benchmarks.gate.holding import CHANCE, Gate
from benchmarks.gate.kept import Kept
from benchmarks.gate.pairs import Pair, Where
from benchmarks.gate.sequential import IMPROVED, NO_WORSE, REGRESSED, SAME, UNDECIDED, Plan
from benchmarks.harness.teams import Here
from datasets.errors import InputError

FAST, SLOW, NOISY = ("fast",), ("slow",), ("noisy",)
EFFECTS = {FAST: (0.2, 0.002), SLOW: (math.log(0.8), 0.002), NOISY: (0.0, 0.3)}
WHERE = Where(Here(2), Path("/nowhere"), 9.0)
WOBBLE = (1.0, -1.0, 0.5, -0.5, 0.25, -0.25, 0.75, -0.75)


@pytest.fixture
def sides(tmp_path):
    cells = {what: {"kind": "throughput"} for what in EFFECTS}
    base = Contestant("base", tmp_path, sys.executable, cells)
    return base, dataclasses.replace(base, name="head")


@pytest.fixture
def ran(monkeypatch):
    """The pairs that were run, in their order."""
    numbers = []

    def made(due):
        numbers.append((due.what, due.number))
        (cell,), (mean, deviation) = due.what, EFFECTS[due.what]
        wobble = WOBBLE[due.number % len(WOBBLE)]
        speed = Measured(cell=cell, figure=SPEED, base=7.0, head=7.0 * math.exp(mean + deviation * wobble))
        memory = Measured(cell=cell, figure=MEMORY, base=9e8, head=9e8 * math.exp(-1e-4 * wobble))
        return Pair((speed, memory), due.number)

    monkeypatch.setattr(pairs, "run", one_by_one(made))
    return numbers


def one_by_one(made):
    """What stands for processes: each pair is made when it is asked for."""

    def run(_, due, where):
        assert where is WHERE
        for one in due:
            yield one, [made(one)]

    return run


def held(sides, path, most=12, machine="m"):
    gate = Gate(*sides, Plan(most, 6, 0.1), Kept(path, machine), WHERE)
    return {one.what: one for one in gate.hold(lambda _: None)}


def verdicts(found):
    return {what: one.judgements[what[0], SPEED].verdict for what, one in found.items()}


def test_what_is_decided_is_left_alone_and_the_rest_goes_on_to_the_cap(sides, ran, tmp_path):
    found = held(sides, tmp_path / "pairs")
    assert verdicts(found) == {FAST: IMPROVED, SLOW: REGRESSED, NOISY: UNDECIDED}
    assert {what: one.judgements[what[0], MEMORY].verdict for what, one in found.items()} == dict.fromkeys(
        found, NO_WORSE
    )
    assert {what: len(one.pairs) for what, one in found.items()} == {FAST: 4, SLOW: 4, NOISY: 12}
    assert [number for what, number in ran if what == NOISY] == list(range(12))


def test_a_gate_that_was_killed_goes_on_and_says_the_same(sides, ran, tmp_path):
    path = tmp_path / "pairs"
    whole = held(sides, path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:9], "[1]", '{"key": 3}', '{"key": "', "no"]))
    ran.clear()
    again = held(sides, path)
    assert len(ran) == len(lines) - 9
    assert verdicts(again) == verdicts(whole)
    assert again[NOISY].judgements == whole[NOISY].judgements


def with_cells(side, **changes):
    return dataclasses.replace(side, cells={what: {**job, **changes} for what, job in side.cells.items()})


def test_pairs_that_measured_something_else_do_not_count(sides, ran, tmp_path):
    base, head = sides
    held(sides, tmp_path / "pairs")
    n = len(ran)
    held((with_cells(base, split="elsewhere"), with_cells(head, vectors="elsewhere")), tmp_path / "pairs")
    assert len(ran) == n
    others = [
        {"sides": sides, "machine": "another"},
        {"sides": (with_cells(base, threads=2), with_cells(head, threads=2))},
        {"sides": (base, with_cells(head, settings={"n_queries": 50}))},
    ]
    for done, other in enumerate(others, 1):
        held(path=tmp_path / "pairs", **other)
        assert len(ran) == (done + 1) * n


def test_processes_with_other_cells_are_not_compared_and_that_is_said(sides, tmp_path):
    base, head = (
        dataclasses.replace(side, cells={what: {"kind": "index"}})
        for side, what in zip(sides, [("one",), ("one", "two")], strict=True)
    )
    found = held((base, head), tmp_path / "pairs")
    assert {one.fault for one in found.values()} == {holding.MISSING}
    assert {one.reason for one in found.values()} == {"head has other cells in the same process",
                                                      "base has other cells in the same process"}  # fmt: skip
    assert telling.code_of(list(found.values())) == NOTHING_MEASURED


def test_pairs_that_end_out_of_turn_are_taken_in_their_order_and_after_a_first_that_says_all_none_is_begun(
    sides, tmp_path, monkeypatch
):
    numbers = []

    def run(_, due, __):
        taken = list(due)  # as many as there are, at once
        numbers.extend(one.number for one in taken)
        for one in reversed(taken):
            figure = Measured(cell="fast", figure=SPEED, base=1.0, head=1.0 + 0.01 * one.number, is_settled=settled)
            yield one, [Pair((figure,), one.number)]

    monkeypatch.setattr(pairs, "run", run)
    base, head = (dataclasses.replace(side, cells={FAST: {"kind": "train"}}) for side in sides)
    settled = False
    (one,) = held((base, head), tmp_path / "pairs", most=4).values()
    assert [pair.measured[0].head for pair in one.pairs] == [1.0, 1.01, 1.02, 1.03]
    assert numbers == [0, 1, 2, 3]
    settled = True
    numbers.clear()
    (one,) = held((base, head), tmp_path / "others", most=4).values()
    assert (numbers, len(one.pairs)) == ([0], 1)


@pytest.mark.usefixtures("ran")
def test_figures_once_decided_are_not_looked_at_again(sides, tmp_path):
    found = held(sides, tmp_path / "pairs")
    assert found[NOISY].judgements["noisy", MEMORY].n == 4
    assert found[NOISY].judgements["noisy", SPEED].n == 12


@pytest.mark.parametrize(
    ("lacks", "fails", "expected"),
    [
        ("head", "", (holding.FAILED, FAILED)),
        ("base", "", (holding.MISSING, NOTHING_MEASURED)),
        ("", "head: oom, killed", (holding.FAILED, FAILED)),
        ("", "base: failed, no such model", (holding.MISSING, NOTHING_MEASURED)),
    ],
)
def test_a_side_without_a_figure_never_passes(sides, tmp_path, monkeypatch, lacks, fails, expected):  # noqa: PLR0917
    monkeypatch.setattr(pairs, "run", one_by_one(lambda _: Pair(failed=fails, side=fails.partition(":")[0])))
    one = {FAST: {"kind": "throughput"}}
    base, head = (dataclasses.replace(side, cells={} if side.name == lacks else one) for side in sides)
    (found,) = held((base, head), tmp_path / "pairs").values()
    assert fails in found.reason if fails else f"{lacks} has no such cell" == found.reason
    assert (found.fault, telling.code_of([found])) == expected
    assert not (tmp_path / "pairs").exists()
    (line,) = telling.lines(telling.rows([found], 0.1))
    assert line == f"{found.fault}: fast: {found.reason}"


def test_nothing_at_all_is_nothing_measured():
    assert telling.code_of([]) == NOTHING_MEASURED


class TestTrainings:
    """One pair with the bits that are learnt, the metric of each side, and what is said of them."""

    @pytest.fixture
    def trained(self, tmp_path, monkeypatch):
        def hold(pair_of):
            monkeypatch.setattr(pairs, "run", one_by_one(lambda due: Pair((pair_of(due.number),), due.number)))
            cells = {FAST: {"kind": "train"}}
            base = Contestant("base", tmp_path, sys.executable, cells)
            (one,) = held((base, dataclasses.replace(base, name="head")), tmp_path / "pairs").values()
            return one.judgements["fast", ACCURACY].verdict, len(one.pairs)

        return hold

    @staticmethod
    def figures(base, head, **more):
        return Measured(cell="fast", figure=ACCURACY, base=base, head=head, **more)

    @pytest.mark.parametrize(("head", "verdict"), [(0.2, SAME), (0.19, REGRESSED), (0.21, IMPROVED), (0.0, REGRESSED)])
    def test_one_pair_is_enough_where_the_same_bits_are_learnt(self, trained, head, verdict):
        assert trained(lambda _: self.figures(0.2, head, is_settled=True)) == (verdict, 1)

    @pytest.mark.parametrize(
        ("loss", "verdict"), [(0.2, REGRESSED), (0.0, NO_WORSE), (-0.2, IMPROVED), (0.01, NO_WORSE)]
    )
    def test_else_the_seeds_decide(self, trained, loss, verdict):
        def of_seed(number):
            base = 0.2 + 0.002 * WOBBLE[number % 8]
            return self.figures(base, base * (1 - loss + 0.0005 * WOBBLE[(number + 3) % 8]))

        assert trained(of_seed) == (verdict, 4)

    def test_a_figure_of_chance_is_not_held(self, trained):
        assert trained(lambda number: self.figures(0.2 + 0.15 * WOBBLE[number % 8], 0.01)) == (CHANCE, 4)


@pytest.mark.usefixtures("ran")
class TestWords:
    def test_the_worst_come_first_with_ratio_interval_and_pairs(self, sides, tmp_path):
        found = list(held(sides, tmp_path / "pairs").values())
        slow, noisy, *fine, fast = telling.lines(telling.rows(found, 0.1))
        assert slow.startswith("regressed: slow · speed 0.800 of base's (")
        assert slow.endswith("; 4 pairs")
        assert noisy.startswith("undecided (needs ")
        assert fast.startswith("improved: fast · speed 1.22")
        assert len(fine) == 3
        assert all(line.startswith("no worse than by 10%: ") for line in fine)
        assert telling.code_of(found) == FAILED
        assert telling.code_of([one for one in found if one.what != SLOW]) == FINE

    def test_json_has_a_line_for_each_figure(self, sides, tmp_path):
        told = telling.rows(held(sides, tmp_path / "pairs").values(), 0.1)
        lines = [json.loads(line) for line in telling.as_json(told, {"base": "a", "head": "b"}).splitlines()]
        assert len(lines) == 6
        assert {line["base"] for line in lines} == {"a"}
        worst = lines[0]
        assert (worst["cell"], worst["figure"], worst["verdict"], worst["pairs"]) == ("slow", SPEED, REGRESSED, 4)

    def test_a_pull_request_has_tables_and_what_is_fine_is_folded_away(self, sides, tmp_path):
        told = telling.rows(held(sides, tmp_path / "pairs").values(), 0.1)
        title, _, head, _, worst, noisy, _, details, summary, *_ = telling.as_markdown(told, "b against a").splitlines()
        assert title == "### b against a"
        assert head.count("|") == worst.count("|") == 7
        assert worst.startswith("| regressed | slow | speed | 0.800 |")
        assert noisy.startswith("| undecided (needs ")
        assert (details, summary) == ("<details><summary>", "4 figures as good as before")


def test_a_second_gate_on_the_machine_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(holding, "LOCK", tmp_path / "lock")
    with holding.alone(), pytest.raises(InputError, match="another gate is measuring on this machine"), holding.alone():
        pass
    (tmp_path / "lock").chmod(0o444)  # as it is for all other users
    with holding.alone():
        pass
