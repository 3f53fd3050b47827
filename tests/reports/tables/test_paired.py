"""Differences on the same queries: against a slow bootstrap, and which records are paired at all."""

import numpy as np
import pytest
from made_records import trained

from reports.tables.leaderboard import build
from reports.tables.paired import N_RESAMPLES

N = 40
WEIGHTS = np.random.Generator(np.random.Philox(5)).integers(1, 9, N)


def hits(seed, mean=0.5):
    return np.random.Generator(np.random.Philox(seed)).binomial(WEIGHTS, mean)


def scored(model, values, **changes):
    scores = {"values": np.asarray(values, float).tolist(), "weights": WEIGHTS.tolist()}
    figure = float(np.sum(values) / WEIGHTS.sum())
    return trained(model, figure, scores=scores, **{"hashes": {"dataset": "d" * 16, "split": "5" * 16}} | changes)


def paired(records):
    return build(records, []).paired


def test_the_difference_and_its_interval_are_those_of_a_slow_paired_bootstrap():
    (table,) = paired([scored("mf-bpr", hits(0, 0.6)), scored("item-cf", hits(1), backend="classic")])
    assert (table.metric, table.n_queries, table.baselines) == ("precision@5", N, (("item-cf", "as_published"),))
    assert [row.model for row in table.rows] == ["mf-bpr", "item-cf"]
    (difference,) = table.rows[0].differences
    generator = np.random.Generator(np.random.Philox(0))
    draws = [generator.integers(N, size=N) for _ in range(N_RESAMPLES)]
    apart = [(hits(0, 0.6)[draw].sum() - hits(1)[draw].sum()) / WEIGHTS[draw].sum() for draw in draws]
    assert difference.mean == pytest.approx((hits(0, 0.6).sum() - hits(1).sum()) / WEIGHTS.sum())
    assert (difference.low, difference.high) == pytest.approx(tuple(np.percentile(apart, [2.5, 97.5])))


def test_a_baseline_has_no_difference_from_itself_and_the_opposite_one_from_another():
    records = [scored("item-cf", hits(1), backend="classic"), scored("popularity", hits(2, 0.2), backend="classic")]
    (table,) = paired(records)
    (own, ahead), (behind, other) = (row.differences for row in table.rows)
    assert own is None
    assert other is None
    assert (ahead.mean, ahead.low, ahead.high) == pytest.approx((-behind.mean, -behind.high, -behind.low))


def test_seeds_are_averaged_query_by_query():
    seeds = [scored("mf-bpr", hits(seed), seed=seed) for seed in range(3)]
    (table,) = paired([*seeds, scored("item-cf", hits(9), backend="classic")])
    (row,) = [row for row in table.rows if row.model == "mf-bpr"]
    mean = np.mean([hits(seed) for seed in range(3)], axis=0)
    assert row.n_seeds == 3
    assert row.differences[0].mean == pytest.approx((mean - hits(9)).sum() / WEIGHTS.sum())


def test_pairing_shows_what_two_intervals_side_by_side_hide():
    base = hits(0)
    (table,) = paired([scored("mf-bpr", base + (WEIGHTS > 2)), scored("item-cf", base, backend="classic")])
    difference = table.rows[0].differences[0]
    assert difference.low > 0
    assert difference.high - difference.low < 0.1


def test_other_queries_are_not_paired():
    other = {"dataset": "d" * 16, "split": "6" * 16}
    assert paired([scored("mf-bpr", hits(0)), scored("item-cf", hits(1), backend="classic", hashes=other)]) == ()


def test_nothing_to_compare_is_no_table():
    assert paired([scored("item-cf", hits(1), backend="classic")]) == ()
    assert paired([scored("mf-bpr", hits(1)), scored("mf-logloss", hits(2))]) == ()
    assert paired([scored("mf-bpr", hits(1)), scored("oracle", hits(2), backend="classic")]) == ()
    assert paired([trained("mf-bpr", 0.1), trained("popularity", 0.1, backend="classic")]) == ()


def test_a_failed_training_and_older_records_are_left_out():
    records = [scored("mf-bpr", hits(0)), trained("mf-logloss", 0.3), scored("item-cf", hits(1), backend="classic")]
    (table,) = paired(records)
    assert {row.model for row in table.rows} == {"mf-bpr", "item-cf"}


class TestLead:
    def lead(self, *records):
        (table,) = paired([*records, scored("popularity", hits(99, 0.05), backend="classic")])
        return table.lead

    def test_it_is_that_of_the_best_before_the_best_of_another_model(self):
        other_variant = scored("mf-bpr", hits(0, 0.85), variant="other")
        lead = self.lead(scored("mf-bpr", hits(0, 0.9)), other_variant, scored("als", hits(1, 0.5), backend="classic"))
        assert (lead.ahead, lead.behind, lead.n_others) == (("mf-bpr", "as_published"), ("als", "as_published"), 2)
        assert lead.by == pytest.approx((hits(0, 0.9).sum() - hits(1, 0.5).sum()) / WEIGHTS.sum())
        assert lead.p < 0.01

    def test_the_chance_is_that_of_a_slow_test_times_the_models_that_it_was_picked_from(self):
        one, other = hits(0, 0.55), hits(1, 0.5)
        apart = one - other
        signs = np.random.Generator(np.random.Philox(7)).choice([-1, 1], (20_000, N))
        slow = (np.abs((signs * apart).sum(1)) >= abs(apart.sum())).mean()
        lead = self.lead(scored("mf-bpr", one), scored("als", other, backend="classic"))
        assert lead.p == pytest.approx(min(1.0, 2 * slow), abs=0.03)

    def test_two_that_score_the_same_are_not_told_apart(self):
        assert self.lead(scored("mf-bpr", hits(0)), scored("als", hits(0), backend="classic")).p == 1.0

    def test_an_oracle_is_no_contestant(self):
        known = scored("oracle", hits(0, 0.99), backend="classic")
        lead = self.lead(known, scored("mf-bpr", hits(1, 0.6)), scored("als", hits(2, 0.4), backend="classic"))
        assert (lead.ahead[0], lead.behind[0]) == ("mf-bpr", "als")

    def test_one_model_alone_leads_nobody(self):
        (table,) = paired([scored("item-cf", hits(0), backend="classic"), scored("item-cf", hits(1), variant="b",
                                                                                    backend="classic")])  # fmt: skip
        assert table.lead is None
