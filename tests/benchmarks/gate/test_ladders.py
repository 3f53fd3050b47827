"""What two climbs say of each other."""

import pytest

from benchmarks.gate import figures, ladders
from benchmarks.gate.sequential import IMPROVED, REGRESSED, SAME, settled


def climbed(*differences, trained="t", holds=True):
    rungs = [
        {"rung": f"rung {n}", "holds": True, "difference": difference, "tolerance": 1e-4, "where": "w"}
        for n, difference in enumerate(differences)
    ]
    rungs.insert(0, {"rung": "round trip", "holds": True, "difference": 0.0, "tolerance": 0.0, "where": "w"})
    if not holds:
        rungs[-1] |= {"holds": False, "difference": None}
    return {"answers": [{"rungs": rungs, "hashes": {"trained": trained}}]}


def compared(base, head):
    (one,) = ladders.compared(["a"], base, head)
    return one


@pytest.mark.parametrize(
    ("base", "head", "verdict", "note"),
    [
        (climbed(1e-6, 2e-6), climbed(1e-6, 2e-6), SAME, "the same bits"),
        (climbed(1e-6, 2e-6), climbed(1e-6, 2e-6, holds=False), REGRESSED, "breaks at rung 1"),
        (climbed(1e-6, 2e-6, holds=False), climbed(1e-6), IMPROVED, "breaks at rung 1"),
        (climbed(1e-6, holds=False), climbed(1e-6, holds=False), SAME, "breaks at rung 0"),
    ],
)
def test_the_same_bits_and_what_breaks_are_settled_by_one_pair(base, head, verdict, note):
    one = compared(base, head)
    assert (one.is_settled, settled(one.ratio).verdict, one.note) == (True, verdict, note)


@pytest.mark.parametrize("head", [climbed(1e-6, 4e-6), climbed(1e-6, 2e-6, trained="other")])
def test_other_bits_that_hold_are_left_to_the_seeds(head):
    one = compared(climbed(1e-6, 2e-6), head)
    assert not one.is_settled
    assert one.base == pytest.approx(0.02)
    assert (one.ratio < 0) == (one.head > one.base)
    assert figures.n_noisy("agreement", 3) == 3
