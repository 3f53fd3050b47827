"""What is read of two results, and how one figure stands to another."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.gate import accuracy, figures
from benchmarks.gate.figures import ACCURACY, BUILD, FIGURES, FIRST_STEP, MEMORY, RECALL, SIZE, SPEED, Measured

positive = st.floats(1e-6, 1e6)


@given(st.sampled_from(sorted(FIGURES)), positive, positive)
def test_better_is_above_zero_whichever_way_round_a_figure_goes(figure, base, head):
    ratio = Measured(cell="a", figure=figure, base=base, head=head).ratio
    is_better = head < base if FIGURES[figure].lower_is_better else head > base
    assert (ratio > 0) == is_better
    assert abs(ratio) == pytest.approx(abs(math.log(head / base)))


@pytest.mark.parametrize(("base", "head", "sign"), [(0.0, 0.0, 0), (0.1, 0.0, -1), (0.0, 0.1, 1)])
def test_a_figure_that_one_side_does_not_have_is_as_far_off_as_can_be(base, head, sign):
    assert Measured(cell="a", figure=ACCURACY, base=base, head=head).ratio == sign * figures.FARTHEST


def index(recalls, rate, built_s):
    answers = [
        {"metrics": {"index_recall@10": recall}, "timings": {"batch_qps": [rate, 4 * rate]}} for recall in recalls
    ]
    memory = {"peak_rss_bytes": 900, "index_bytes": 80, "resident_bytes": 3 << 20}
    return {"answers": answers, "timings": {"build_s": built_s}, "memory": memory}


def test_an_index_has_speed_and_recall_a_setting_and_the_rest_once():
    found = figures.compared("index", ["a", "b"], index([0.9, 0.8], 10.0, 2.0), index([0.9, 0.7], 5.0, 3.0))
    told = {one.place: (one.base, one.head) for one in found}
    assert told == {
        ("a", SPEED): (pytest.approx(20), pytest.approx(10)),
        ("b", SPEED): (pytest.approx(20), pytest.approx(10)),
        ("a", RECALL): (0.9, 0.9),
        ("b", RECALL): (0.8, 0.7),
        ("a", BUILD): (2.0, 3.0),
        ("a", MEMORY): (3 << 20, 3 << 20),
        ("a", SIZE): (80, 80),
    }
    assert figures.n_noisy("index", 2) == 4  # two speeds, the build time and the memory


def test_a_training_has_speed_first_step_and_memory():
    result = {"timings": {"window_samples_per_s": [3.0, 3.0], "first_step_s": 2.0}, "memory": {"peak_rss_bytes": 9}}
    found = {one.figure: one.base for one in figures.compared("throughput", ["a"], result, result)}
    assert found == {SPEED: pytest.approx(3.0), FIRST_STEP: 2.0, MEMORY: 9}


class TestTrainings:
    @staticmethod
    def of(tmp_path, heads, head_metric, number=0):
        job = {"protocol": {"primary_metric": "ndcg@10"}, "seed": 3}
        results, folders = {}, {}
        for side, values, metric in (("base", [1.0, 2.0], 0.25), ("head", heads, head_metric)):
            folders[side] = tmp_path / side
            folders[side].mkdir()
            np.savez(folders[side] / "parameters.npz", table=np.array(values, np.float32))
            scores = {"values": [metric * 4, 0.0, 0.0, 0.0], "weights": [1.0] * 4}
            results[side] = {"metrics": {"ndcg@10": metric}, "scores": scores}
        return accuracy.compared("a", number, job, results, folders)

    def test_the_same_bits_end_the_question(self, tmp_path):
        found = self.of(tmp_path, [1.0, 2.0], 0.25)
        assert (found.is_settled, found.note, found.ratio) == (True, "the same bits are learnt", 0.0)

    def test_the_same_bits_that_are_judged_otherwise_are_a_difference(self, tmp_path):
        found = self.of(tmp_path, [1.0, 2.0], 0.2)
        assert (found.is_settled, found.note) == (True, "the same bits are learnt and judged otherwise")
        assert found.ratio == pytest.approx(math.log(0.8))

    def test_other_bits_have_the_interval_over_queries_beside_them(self, tmp_path):
        found = self.of(tmp_path, [1.0, 2.5], 0.125)
        assert not found.is_settled
        assert found.note.startswith("seed 3: ndcg@10 0.2500 and then 0.1250, over the queries -0.1250 (-0.")

    def test_further_seeds_say_nothing_of_queries(self, tmp_path):
        assert self.of(tmp_path, [1.0, 2.5], 0.125, number=1).note == ""
