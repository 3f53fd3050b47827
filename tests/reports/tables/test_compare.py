"""What changed between two sets of records: which cells are matched, and what counts as more than noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import MACHINE, changed, mutated, record

from reports.tables.compare import compare

N_QUERIES = 400
OTHER_MACHINE = MACHINE | {"id": "m-2", "cpu": "Another CPU"}


def trained(values, **changes):
    """A training with these scores, one a query."""
    metric = float(np.mean(values))
    half = 1.96 * float(np.std(values)) / len(values) ** 0.5
    return record(
        metrics={"precision@5": metric},
        intervals={"precision@5": [metric - half, metric + half]},
        scores={"values": list(map(float, values)), "weights": [1.0] * len(values)},
        hashes={"dataset": "d" * 16, "split": "s" * 16, "spec": "5" * 16},
        **changes,
    )


def timed(rates, **changes):
    timings = {"window_samples_per_s": list(map(float, rates))}
    return record(kind="throughput", group="g", timings=timings, **changes)


def scores(seed=0):
    return np.random.default_rng(seed).random(N_QUERIES)


def windows(median, seed=0, spread=0.02):
    return median * np.exp(spread * np.random.default_rng(seed).standard_normal(7))


def the_only(found):
    (change,) = found.changes
    return change


class TestMatching:
    def test_the_same_records_are_identical(self):
        both = [trained(scores()), timed(windows(100))]
        found = compare(both, both)
        assert [change.verdict for change in found.changes] == ["identical", "identical"]
        others = (found.failures, found.mended, found.only_a, found.only_b, found.versions)
        assert not any(others)

    def test_cells_are_matched_by_what_they_are_whatever_their_keys(self):
        a, b = trained(scores(), commit="abc", cell="a" * 16), trained(scores(), commit="def", cell="b" * 16)
        assert the_only(compare([a], [b])).verdict == "identical"

    def test_what_is_in_one_only(self):
        a, b = trained(scores()), trained(scores(), seed=1)
        found = compare([a], [b])
        assert (found.changes, found.only_a, found.only_b) == ((), (a,), (b,))

    def test_a_changed_setting_is_named(self):
        small, large = (
            trained(scores(), settings={"primary_metric": "precision@5", "embedding_dim": dim}) for dim in (8, 16)
        )
        assert the_only(compare([small], [large])).settings == ("embedding_dim",)
        # With both on one side it is known which of them is which.
        found = compare([small, large], [large])
        assert (the_only(found).settings, found.only_a) == ((), (small,))

    def test_of_a_cell_measured_twice_the_last_counts(self):
        a, b, c = (timed(windows(rate)) for rate in (100, 300, 301))
        assert the_only(compare([a, b], [c])).a == pytest.approx(300, rel=0.05)

    def test_versions_that_differ(self):
        a, b = (trained(scores(), versions={"torch": version, "numpy": "2"}) for version in ("2.12", "2.13"))
        assert compare([a], [b]).versions == {"torch": ("2.12", "2.13")}


class TestAccuracy:
    def test_the_same_queries_are_compared_pair_by_pair(self):
        """A difference that is far within both intervals, and that nearly every query has."""
        before, after = scores(), scores() + 0.01 + 0.005 * scores(1)
        change = the_only(compare([trained(before)], [trained(after)]))
        assert (change.noise, change.verdict) == ("queries", "better")
        assert change.low < change.change < change.high
        assert change.change == pytest.approx((after - before).mean())
        a, b = (changed(trained(values), scores=None) for values in (before, after))
        change = the_only(compare([a], [b]))
        assert (change.noise, change.verdict) == ("intervals", "within noise")

    def test_other_queries_lean_on_the_intervals(self):
        a, b = trained(scores()), trained(scores()[:-1] + 0.5)
        change = the_only(compare([a], [b]))
        assert (change.noise, change.verdict) == ("intervals", "better")

    @pytest.mark.parametrize(("lost", "verdict"), [(0.001, "within noise"), (0.01, "worse")])
    def test_without_an_interval_there_is_a_tolerance(self, lost, verdict):
        a, b = (record(metrics={"precision@5": value}) for value in (0.2, 0.2 - lost))
        change = the_only(compare([a], [b]))
        assert (change.noise, change.verdict) == ("tolerance", verdict)

    def test_other_data_are_not_compared(self):
        a = [trained(scores()), timed(windows(100))]
        b = [changed(record, hashes={**record.hashes, "split": "t" * 16}) for record in a]
        found = compare(a, b)
        assert (found.changes, found.other_data) == ((), tuple(zip(a, b, strict=True)))

    def test_of_an_index_the_recall_is_compared(self):
        index = {"name": "annoy", "build": {}, "query": {}}
        a, b = (
            record(kind="index", index=index, metrics={"precision@5": 0.2, "index_recall@5": recall})
            for recall in (0.99, 0.9)
        )
        change = the_only(compare([a], [b]))
        assert (change.measure, change.verdict) == ("index_recall@5", "worse")

    def test_accuracy_is_compared_across_machines(self):
        a, b = trained(scores()), trained(scores(), machine=OTHER_MACHINE)
        assert the_only(compare([a], [b])).verdict == "identical"


class TestSpeed:
    def test_a_ratio_of_medians_with_its_interval(self):
        change = the_only(compare([timed(windows(100))], [timed(windows(80, seed=1))]))
        assert (change.verdict, change.is_rate) == ("worse", True)
        assert change.low < 0.8 < change.high
        assert change.change == pytest.approx(change.b / change.a)

    def test_is_refused_across_machines(self):
        a, b = timed(windows(100)), timed(windows(100), machine=OTHER_MACHINE)
        found = compare([a], [b])
        assert (found.changes, found.other_machine) == ((), ((a, b),))

    def test_what_moves_like_everything_else_is_noise_between_runs(self):
        """Ratios that scatter by 20 % while windows scatter by 2 %: a tenth more or less says nothing."""
        models = [f"model {n}" for n in range(12)]
        factors = np.exp(0.2 * np.random.default_rng(5).standard_normal(len(models)))
        a = [timed(windows(100, seed), model=model) for seed, model in enumerate(models)]
        b = [timed(windows(100 * f, 50 + n), model=models[n]) for n, f in enumerate(factors)]
        alone = compare(a[:1], b[:1]).changes
        assert {change.verdict for change in alone} != {"within noise"}
        assert {change.verdict for change in compare(a, b).changes} == {"within noise"}

    def test_many_cells_that_are_the_same_are_hardly_ever_called_changed(self):
        a, b = ([timed(windows(100, 1000 * side + n), model=f"m{n}") for n in range(100)] for side in (1, 2))
        changes = compare(a, b).changes
        assert sum(change.low > 1 or change.high < 1 for change in changes) > 0  # beyond an interval of its own
        assert sum(change.verdict != "within noise" for change in changes) == 0

    def test_what_all_rates_have_in_common(self):
        models = ("k", "l", "m")
        a, b = ([timed(windows(rate, n), model=model) for n, model in enumerate(models)] for rate in (100, 50))
        assert compare(a, b).common_ratio == pytest.approx(0.5)
        assert compare(a[:2], b[:2]).common_ratio is None

    def test_what_is_furthest_beyond_noise_comes_first(self):
        a = [timed(windows(100), model="m"), timed(windows(100), model="n")]
        b = [timed(windows(101, 1), model="m"), timed(windows(200, 1), model="n")]
        assert [change.cell.model for change in compare(a, b).changes] == ["n", "m"]


class TestFailures:
    def test_new_ones_and_mended_ones(self):
        well, ill = trained(scores()), record(status="failed", reason="killed")
        found = compare([well], [ill])
        assert (found.failures, found.mended, found.changes) == (((ill, "failed: killed"),), (), ())
        found = compare([ill], [well])
        assert (found.failures, found.mended) == ((), ((well, "failed: killed"),))
        assert compare([ill], [ill]).failures == ()

    def test_an_adapter_that_departs_from_its_reference(self):
        rung = {"rung": "loss", "holds": True, "difference": 0.0, "tolerance": 1e-6, "where": "step 1"}
        holds, breaks = (record(kind="agreement", rungs=[rung | {"holds": held}]) for held in (True, False))
        assert compare([holds], [breaks]).failures == ((breaks, "breaks at loss, in step 1"),)
        wide = changed(breaks, climb="wide")
        found = compare([holds, changed(wide, rungs=[rung])], [holds, wide])
        assert found.failures == ((wide, "breaks at loss, in step 1, on the climb 'wide'"),)

    def test_mutants_that_survive(self):
        path = "backends/torch/gru4rec.py"
        caught, two = mutated(path, "error", "equivalent"), mutated(path, "survived", "survived")
        assert compare([caught], [two]).failures == ((two, "2 generated mutants survive"),)
        one = mutated(path, "survived", "error")
        assert compare([one], [caught]).mended == ((caught, "1 generated mutant survives"),)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(1, 1e6), min_size=2, max_size=7), st.lists(st.floats(1, 1e6), min_size=2, max_size=7))
def test_the_other_way_round_everything_is_turned_round(before, after):
    there, back = (the_only(compare([timed(a)], [timed(b)])) for a, b in ((before, after), (after, before)))
    assert there.change * back.change == pytest.approx(1)
    assert there.low * back.high == pytest.approx(1)
    assert there.distance == pytest.approx(back.distance, nan_ok=False)
    assert {there.verdict, back.verdict} in ({"better", "worse"}, {"within noise"}, {"identical"})
