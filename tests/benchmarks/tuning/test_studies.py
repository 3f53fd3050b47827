"""A study is its records: what it draws next, what it counts as tried, and what it chooses."""

import dataclasses
import math

import pytest
from record_lines import line

from benchmarks import records, specs
from benchmarks.harness.plan import Cell
from benchmarks.specs.base import settings
from benchmarks.suites import spaces
from benchmarks.tuning import studies
from benchmarks.tuning.studies import Study

SPACE = {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}, "embedding_dim": {"low": 4, "high": 200}}
METRIC = "recall@5"


def origin(model="mf-bpr", **given):
    return Cell(
        kind="trial",
        model=model,
        settings=settings(specs.make(model, given)),
        backend="torch",
        mode="eager",
        device="cpu",
        threads=1,
        seed=0,
        dataset="shop",
        protocol={"name": "leave-k-out", "primary_metric": METRIC},
        inputs={"search": {"cap_s": 9.0}},
    )


def study(n_trials, known=(), space=SPACE, model="mf-bpr", **given):
    cell = origin(model, **given)
    return Study(cell, spaces.axes(cell.model, given, space), n_trials, known)


def value(drawn):
    """Best at a learning rate of 0.01, whatever the dimension."""
    return math.exp(-((math.log10(drawn.get("learning_rate", 0.01)) + 2) ** 2))


def record(cell, **changes):
    """What a trial of that cell is recorded as, unless something else came of it."""
    made = {
        **cell.described(),
        "variant": "as_published",
        "metrics": {METRIC: value(cell.trial["drawn"])},
        "curve": [{"epoch": 1, "steps": 1, "loss": 1.0, "metrics": {METRIC: value(cell.trial["drawn"])}}],
        "settings": {**cell.settings, "primary_metric": METRIC},
        "ended": "complete",
    }
    return records.of(line(**{**made, **changes}))


def run(searched, n=100):
    """Draws and tells until the budget is spent; what was drawn, in order."""
    drawn = []
    while len(drawn) < n and (cell := searched.draw()) is not None:
        drawn.append(cell.trial["drawn"])
        searched.tell(record(cell))
    return drawn


class TestDraws:
    def test_the_first_are_the_rows_own_settings(self):
        first = study(3).draw()
        own = specs.make("mf-bpr", {})
        assert first.trial["number"] == 1
        assert first.trial["drawn"] == {name: getattr(own, name) for name in SPACE}
        assert dict(first.settings) == settings(own)

    def test_own_settings_outside_of_the_space_are_not_tried(self):
        first = study(3, space={"embedding_dim": {"low": 500, "high": 600}}).draw()
        assert 500 <= first.trial["drawn"]["embedding_dim"] <= 600

    def test_each_is_within_its_space_and_of_its_type(self):
        for drawn in run(study(12)):
            assert 1e-4 <= drawn["learning_rate"] <= 1e-1
            assert isinstance(drawn["embedding_dim"], int)
            assert 4 <= drawn["embedding_dim"] <= 200

    def test_no_settings_are_tried_twice_and_a_small_space_ends(self):
        searched = study(50, space={"filter_seen": [True, False], "embedding_dim": [8, 16, 32]})
        drawn = [tuple(sorted(each.items())) for each in run(searched)]
        assert len(drawn) == len(set(drawn)) == 6
        assert (searched.n_trials, searched.n_left) == (6, 0)

    def test_settings_that_do_not_go_together_are_drawn_anew(self):
        space = {"embedding_dim": [12, 16, 20], "n_heads": [1, 3]}
        drawn = run(study(20, model="sasrec", space=space, embedding_dim=12))
        assert {(each["embedding_dim"], each["n_heads"]) for each in drawn} == {(12, 1), (12, 3), (16, 1), (20, 1)}

    def test_they_get_better(self):
        drawn = run(study(40))
        early, late = ([value(each) for each in part] for part in (drawn[1:9], drawn[-16:]))
        assert sum(late) / len(late) > sum(early) / len(early)

    def test_another_seed_draws_others(self):
        other = Study(dataclasses.replace(origin(), seed=1), spaces.axes("mf-bpr", {}, SPACE), 5, ())
        assert run(other)[1:] != run(study(5))[1:]


class TestGoingOn:
    @pytest.mark.parametrize("n_before", [1, 5, 11])
    def test_a_search_that_was_killed_draws_what_it_would_have_drawn(self, n_before):
        whole = run(study(14))
        known, first = [], study(14)
        for _ in range(n_before):
            known.append(record(first.draw()))
            first.tell(known[-1])
        again = study(14, known)
        assert again.n_left == 14 - n_before
        assert run(again) == whole[n_before:]

    def test_a_trial_that_was_running_is_drawn_again(self):
        first = study(4)
        lost = first.draw()
        assert study(4).draw().key == lost.key

    def test_a_raised_budget_goes_on(self):
        first = study(3)
        run(first)
        assert len(run(study(5, first.trials))) == 2

    @pytest.mark.parametrize("order", [(1, 0), (2, 0, 1), (2, 1), (1,)])
    def test_killed_with_several_running_it_draws_what_was_lost(self, order):
        whole, first = run(study(6)), study(6)
        running = [first.draw() for _ in range(3)]
        known = [record(running[place]) for place in order]
        again = study(6, known)
        drawn = [cell.trial for cell in iter(again.draw, None)]
        numbers = [trial["number"] for trial in drawn]
        assert sorted([*numbers, *(each.number for each in known)]) == [1, 2, 3, 4, 5, 6]
        own = [trial["drawn"] for trial in drawn if trial["number"] == 1] or [known[order.index(0)].drawn]
        assert own[0] == whole[0]

    def test_a_smaller_budget_counts_no_more_than_it_has(self):
        large = study(6)
        run(large)
        small = study(2, large.trials[::-1])
        assert [trial.number for trial in small.trials] == [1, 2]
        assert (small.n_left, small.best.number in {1, 2}) == (0, True)

    def test_records_of_another_search_do_not_count(self):
        first = study(3)
        run(first)
        assert study(3, first.trials, space={"embedding_dim": [8, 16]}).trials == []

    @pytest.mark.parametrize(("status", "is_counted"), [("diverged", True), ("timeout", True), ("failed", False)])
    def test_what_failed_for_another_reason_is_tried_again(self, status, is_counted):
        first = study(3)
        lost = record(first.draw(), status=status, reason="it broke", metrics={}, curve=[], ended=None)
        assert len(study(3, [lost]).trials) == is_counted


class TestPruning:
    def curve(self, cell, values, searched, folder):
        """Whether a trial with these points was ended."""
        for epoch, point in enumerate(values, 1):
            searched.hear(cell, folder, f"point {epoch} {point}")
        return (folder / "stop").exists()

    def told(self, searched, values, folder):
        cell = searched.draw()
        assert not self.curve(cell, values, searched, folder)
        searched.tell(record(cell, metrics={METRIC: max(values)}))

    def test_a_curve_below_the_median_of_the_others_ends_a_trial(self, tmp_path):
        searched = study(20)
        for high in (0.3, 0.4, 0.5, 0.6):
            self.told(searched, [high / 4, high / 2, high, high], tmp_path)
        assert not self.curve(searched.draw(), [0.01, 0.02], searched, tmp_path)  # the first epochs are spared
        assert not self.curve(searched.draw(), [0.2, 0.3, 0.5, 0.6], searched, tmp_path)
        assert self.curve(searched.draw(), [0.01, 0.02, 0.03], searched, tmp_path)

    def test_nothing_is_ended_while_too_few_have_run_to_their_end(self, tmp_path):
        searched = study(20)
        self.told(searched, [0.5] * 5, tmp_path)
        assert not self.curve(searched.draw(), [0.0] * 5, searched, tmp_path)

    def test_a_line_that_is_no_point_is_nobodys(self, tmp_path):
        searched = study(3)
        cell = searched.draw()
        for said in ("", "hello", "points 3 4", "ready"):
            searched.hear(cell, tmp_path, said)
        assert not list(tmp_path.iterdir())


class TestChoice:
    def trial(self, number, metric, ended="complete", **changes):
        cell = dataclasses.replace(
            origin(embedding_dim=number),
            trial={"search": "0" * 16, "number": number, "drawn": {"embedding_dim": number}, "space": {}, "cap_s": 9.0},
        )
        return record(cell, metrics={METRIC: metric}, ended=ended, **changes)

    def test_the_highest_metric_and_of_equals_the_first(self):
        trials = [self.trial(1, 0.1), self.trial(3, 0.4), self.trial(2, 0.4), self.trial(4, 0.3)]
        assert studies.best(trials).number == 2

    def test_one_that_was_pruned_only_where_all_were(self):
        pruned, whole = self.trial(1, 0.9, "pruned"), self.trial(2, 0.2, "capped")
        assert studies.best([pruned, whole]).number == 2
        assert studies.best([pruned]).number == 1

    def test_none_where_all_failed(self):
        failed = self.trial(1, 0.9, None, status="diverged", reason="it broke")
        assert studies.best([failed]) is None
