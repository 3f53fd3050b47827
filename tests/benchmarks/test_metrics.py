"""Every metric against a slow oracle that is written from the definitions, and its intervals."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.metrics import PER_QUERY, evaluate, retrieved_recall
from benchmarks.protocols.base import METRICS
from datasets.errors import InputError

N_ITEMS = 12


def csr(lists):
    return (
        np.cumsum([0, *map(len, lists)], dtype=np.int64),
        np.array([item for items in lists for item in items], dtype=np.int32),
    )


def first_places(ranking, k):
    """The first k recommendations, None where there is none or it was made before."""
    cut = ranking[:k]
    return [None if item == -1 or item in cut[:at] else item for at, item in enumerate(cut)]


def dcg(gains):
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def by_target(ranking, targets, k):
    places = [place for place, item in enumerate(targets, start=1) if item in ranking[:k]]
    best_places = range(1, len(places) + 1)
    gained, ideal = (sum(1 / math.log2(place + 1) for place in some) for some in (places, best_places))
    return gained / ideal if places else 0.0


def judge(ranking, targets, k):
    """Every metric of one query, straight from its definition."""
    places = first_places(ranking, k)
    gains = [0 if item is None else targets.count(item) for item in places]
    hit_ranks = [rank for rank, gain in enumerate(gains, start=1) if gain]
    relevances = sorted((targets.count(item) for item in set(targets)), reverse=True)
    average_precision = sum(sum(1 for r in hit_ranks if r <= rank) / rank for rank in hit_ranks)
    return {
        "precision": sum(gains) / k,
        "recall": sum(gains) / len(targets),
        "hit_rate": float(bool(hit_ranks)),
        "mrr": 1 / hit_ranks[0] if hit_ranks else 0.0,
        "map": average_precision / min(k, len(set(targets))),
        "ndcg": dcg(gains) / dcg(relevances[:k]),
        "ndcg_by_target": by_target(ranking, targets, k),
    }


def oracle(rankings, target_lists, ks):
    expected = {}
    for k in ks:
        judged = [judge(r, t, k) for r, t in zip(rankings, target_lists, strict=True) if t]
        for metric in judged[0]:
            expected[f"{metric}@{k}"] = sum(query[metric] for query in judged) / len(judged)
        rows = [
            sum(t.count(item) for item in first_places(r, k) if item is not None)
            for r, t in zip(rankings, target_lists, strict=True)
        ]
        expected[f"recall_micro@{k}"] = sum(rows) / sum(map(len, target_lists))
        expected[f"coverage@{k}"] = len({item for r in rankings for item in r[:k]} - {-1}) / N_ITEMS
    return expected


@st.composite
def evaluations(draw):
    depth = draw(st.integers(1, 8))
    ranking = st.lists(st.integers(-1, N_ITEMS - 1), min_size=depth, max_size=depth)
    rankings = draw(st.lists(ranking, min_size=1, max_size=6))
    targets = st.lists(st.integers(0, N_ITEMS - 1), max_size=9)
    target_lists = draw(st.lists(targets, min_size=len(rankings), max_size=len(rankings)))
    ks = sorted(draw(st.sets(st.integers(1, depth), min_size=1)))
    return rankings, target_lists, ks


@settings(max_examples=300, deadline=None)
@given(evaluations())
def test_every_metric_equals_the_oracle(case):
    rankings, target_lists, ks = case
    assume(any(target_lists))
    evaluation = evaluate(np.array(rankings, dtype=np.int32), *csr(target_lists), N_ITEMS, ks)
    assert evaluation.metrics == pytest.approx(oracle(rankings, target_lists, ks), rel=1e-12, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(evaluations())
def test_each_query_has_its_own_value(case):
    rankings, target_lists, ks = case
    assume(any(target_lists))
    evaluation = evaluate(np.array(rankings, dtype=np.int32), *csr(target_lists), N_ITEMS, ks)
    assert evaluation.queries.tolist() == [query for query, targets in enumerate(target_lists) if targets]
    for at, query in enumerate(evaluation.queries):
        for metric, value in judge(rankings[query], target_lists[query], ks[-1]).items():
            assert evaluation.per_query[f"{metric}@{ks[-1]}"][at] == pytest.approx(value, abs=1e-12)


def test_a_worked_example():
    # Item 3 stands on two lines of the invoice, and is recommended twice.
    evaluation = evaluate(np.array([[9, 3, -1, 3, 5]]), *csr([[3, 5, 3, 7]]), N_ITEMS, (5,))
    assert evaluation.metrics == pytest.approx(
        {
            "precision@5": 3 / 5,
            "recall@5": 3 / 4,
            "recall_micro@5": 3 / 4,
            "hit_rate@5": 1.0,
            "mrr@5": 1 / 2,
            "map@5": (1 / 2 + 2 / 5) / 3,
            "ndcg@5": (2 / math.log2(3) + 1 / math.log2(6)) / (2 + 1 / math.log2(3) + 1 / 2),
            "ndcg_by_target@5": 1.0,  # the targets at places 1, 2 and 3 are hit, as three hits can be at best
            "coverage@5": 3 / 12,
        }
    )


def test_without_cut_offs_there_are_four():
    evaluation = evaluate(np.arange(50, dtype=np.int32)[None], *csr([[49]]), 50)
    recalls = {name: value for name, value in evaluation.metrics.items() if name.startswith("recall@")}
    assert recalls == {"recall@5": 0.0, "recall@10": 0.0, "recall@20": 0.0, "recall@50": 1.0}


def test_the_best_possible_list_scores_one():
    metrics = evaluate(np.array([[4, 2, 0]]), *csr([[0, 2, 4, 4]]), N_ITEMS, (3,)).metrics
    assert {metric: metrics[f"{metric}@3"] for metric in PER_QUERY if metric != "precision"} == pytest.approx(
        dict.fromkeys(set(PER_QUERY) - {"precision"}, 1.0)
    )


def test_ndcg_by_target_looks_at_the_targets_places_and_not_at_ranks():
    # Item 3 stands at places 2 and 4, item 8 at place 5: 1/log2(3) + 1/log2(5) + 1/log2(6) of the three best.
    targets = csr([[7, 3, 5, 3, 8]])
    value = (1 / math.log2(3) + 1 / math.log2(5) + 1 / math.log2(6)) / (1 + 1 / math.log2(3) + 1 / 2)
    assert value == pytest.approx(0.6797, abs=1e-4)
    for ranking in ([3, 8, -1, 0], [0, -1, 8, 3], [8, 3, 3, 8]):
        metrics = evaluate(np.array([ranking]), *targets, N_ITEMS, (4,)).metrics
        assert metrics["ndcg_by_target@4"] == pytest.approx(value)
    late = evaluate(np.array([[0, 1, 2, 7]]), *targets, N_ITEMS, (3, 4)).metrics
    assert late["ndcg_by_target@3"] == 0.0
    assert late["ndcg_by_target@4"] == 1.0  # one hit, of the first target: perfect, at rank 4 and with four misses


def test_a_protocol_may_be_ranked_by_every_metric():
    assert sorted(METRICS) == sorted((*PER_QUERY, "coverage"))


def random_evaluation(n_queries=400, seed=0, ks=(5, 10)):
    generator = np.random.default_rng(seed)
    recommended = generator.integers(0, 50, (n_queries, ks[-1])).astype(np.int32)
    # Long lists of targets are hit less often, so that the pooled recall is far from the mean one.
    lengths = generator.choice([0, 1, 30], n_queries)
    targets = [generator.integers(0, 50 if n == 1 else 500, n).tolist() for n in lengths]
    return evaluate(recommended, *csr(targets), 500, ks)


def test_intervals_hold_the_metric_and_all_of_them_but_coverage():
    evaluation = random_evaluation()
    intervals = evaluation.intervals(seed=0)
    assert intervals.keys() == {name for name in evaluation.metrics if not name.startswith("coverage")}
    for name, (low, high) in intervals.items():
        assert low < evaluation.metrics[name] < high


def test_scores_add_up_to_the_metric():
    evaluation = random_evaluation()
    for name in evaluation.per_query:
        scores = evaluation.scores(name)
        assert len(scores["values"]) == len(evaluation.queries)
        assert sum(scores["values"]) / sum(scores["weights"]) == pytest.approx(evaluation.metrics[name], abs=1e-6)


def test_scores_are_written_to_six_digits():
    evaluation = evaluate(np.array([[1, 2, 3]]), *csr([[1, 4, 5]]), N_ITEMS, (3,))
    assert evaluation.scores("recall@3") == {"values": [0.333333], "weights": [1.0]}
    assert evaluation.scores("recall_micro@3") == {"values": [1.0], "weights": [3.0]}


def test_what_goes_into_a_record_is_made_of_pythons_own_numbers():
    evaluation = random_evaluation(n_queries=20)
    ends = [end for of_one in evaluation.intervals(seed=0).values() for end in of_one]
    scores = [score for of_one in evaluation.scores("ndcg@10").values() for score in of_one]
    vectors, answers = np.ones((2, 1), np.float32), np.array([[0, 1]])
    recall = retrieved_recall(answers, answers, vectors[:1], vectors)
    assert {type(value) for value in (*evaluation.metrics.values(), *ends, *scores, recall)} == {float}
    assert evaluation.n_rows.dtype == np.float64


def test_intervals_are_of_a_thousand_draws_unless_told():
    evaluation = random_evaluation(n_queries=20)
    assert evaluation.intervals(seed=0) == evaluation.intervals(seed=0, n_resamples=1000)
    assert evaluation.intervals(seed=0) != evaluation.intervals(seed=0, n_resamples=1001)


def test_coverage_is_a_share_of_what_can_be_recommended():
    judged = partial(evaluate, np.array([[0, 1]]), *csr([[0]]), 8, (1, 2))
    assert [judged(catalogue=4).metrics[f"coverage@{k}"] for k in (1, 2)] == [1 / 4, 2 / 4]
    assert [judged().metrics[f"coverage@{k}"] for k in (1, 2)] == [1 / 8, 2 / 8]


def test_intervals_equal_a_slow_bootstrap_of_the_same_draws():
    evaluation = random_evaluation(n_queries=200)
    n = len(evaluation.queries)
    generator = np.random.Generator(np.random.Philox(0))
    ratios = {name: [] for name in evaluation.per_query}
    for _ in range(500):
        draw = generator.integers(n, size=n)
        for name, values in evaluation.per_query.items():
            total = evaluation.n_rows[draw].sum() if "micro" in name else n
            ratios[name].append(values[draw].sum() / total)
    for name, interval in evaluation.intervals(seed=0, n_resamples=500).items():
        assert interval == pytest.approx(np.percentile(ratios[name], [2.5, 97.5]), rel=1e-12)


@pytest.mark.parametrize("name", ["hit_rate@10", "recall_micro@10"])
def test_intervals_cover_the_truth_as_often_as_they_say(name):
    truth = random_evaluation(n_queries=200_000, seed=99).metrics[name]
    covered = []
    for seed in range(200):
        low, high = random_evaluation(n_queries=150, seed=seed).intervals(seed=seed, n_resamples=200)[name]
        covered.append(low <= truth <= high)
    # 95 %, give or take three standard errors of 200 trials.
    assert 0.90 <= np.mean(covered) <= 0.995


def test_intervals_depend_on_the_seed_alone():
    evaluation = random_evaluation()
    assert evaluation.intervals(seed=3) == evaluation.intervals(seed=3)
    assert evaluation.intervals(seed=3) != evaluation.intervals(seed=4)


def test_intervals_do_not_depend_on_how_many_draws_are_held_at_once(monkeypatch):
    evaluation = random_evaluation(n_queries=50)
    at_once = evaluation.intervals(seed=0, n_resamples=100)
    monkeypatch.setattr("benchmarks.resampling.DRAWS_AT_ONCE", 7)
    one_by_one = evaluation.intervals(seed=0, n_resamples=100)
    assert {name: pytest.approx(bounds) for name, bounds in one_by_one.items()} == at_once


def test_one_query_has_an_interval_of_no_width():
    evaluation = evaluate(np.array([[1, 2], [3, 4]]), *csr([[1, 5], []]), N_ITEMS, (1, 2))
    for name, (low, high) in evaluation.intervals(seed=0, n_resamples=10).items():
        assert low == high == evaluation.metrics[name]


def test_retrieved_recall_counts_ties_and_no_item_twice():
    vectors = np.array([[3.0], [2.0], [2.0], [1.0]], dtype=np.float32)
    queries = np.ones((1, 1), dtype=np.float32)
    exact = np.array([[0, 1]], dtype=np.int32)
    for found, share in (([0, 1], 1.0), ([0, 2], 1.0), ([0, 0], 0.5), ([0, -1], 0.5), ([3, -1], 0.0)):
        assert retrieved_recall(np.array([found]), exact, queries, vectors) == share


def test_retrieved_recall_of_a_short_exact_answer():
    vectors, queries = np.ones((2, 1), dtype=np.float32), np.ones((1, 1), dtype=np.float32)
    for found in ([0, -1], [0, 1]):
        assert retrieved_recall(np.array([found]), np.array([[0, -1]]), queries, vectors) == 1.0


@pytest.mark.parametrize(("found", "exact"), [([[0, 1]], [[0]]), ([[0], [1]], [[0]]), ([[0, 1]], [[-1, -1]])])
def test_retrieved_recall_refuses_answers_that_are_not_those_to_the_same_question(found, exact):
    vectors, queries = np.ones((2, 1), dtype=np.float32), np.ones((1, 1), dtype=np.float32)
    with pytest.raises(InputError, match="cannot be held to exact ones"):
        retrieved_recall(np.array(found), np.array(exact), queries, vectors)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_retrieved_recall_takes_for_a_tie_what_differs_by_rounding_alone(scale):
    vectors = np.array([[1.0], [1 - 8e-6], [1 - 12e-6]], dtype=np.float32) * np.float32(scale)
    queries, exact = np.ones((1, 1), dtype=np.float32), np.array([[0]], dtype=np.int32)
    assert retrieved_recall(np.array([[1]]), exact, queries, vectors) == 1.0
    assert retrieved_recall(np.array([[2]]), exact, queries, vectors) == 0.0


def test_retrieved_recall_compares_in_more_digits_than_the_scores_have():
    """The nearest number to 0.99999 in float32 is below it, and so just too far from 1."""
    vectors, queries = np.array([[1.0], [0.99999]], dtype=np.float32), np.ones((1, 1), dtype=np.float32)
    assert retrieved_recall(np.array([[1]]), np.array([[0]], dtype=np.int32), queries, vectors) == 0.0


def test_retrieved_recall_takes_as_much_for_rounding_as_each_querys_own_scores_allow():
    """Scores may be below zero, and a query with large ones says nothing about another."""
    vectors = np.array([[-1.0], [-1 - 8e-6], [-1 - 12e-6]], dtype=np.float32)
    queries, exact = np.array([[1e-3], [1e3]], dtype=np.float32), np.array([[0], [0]], dtype=np.int32)
    assert retrieved_recall(np.array([[1], [1]]), exact, queries, vectors) == 1.0
    assert retrieved_recall(np.array([[2], [0]]), exact, queries, vectors) == 0.5


def test_retrieved_recall_of_many_queries_is_that_of_all_of_them():
    vectors, queries = np.array([[2.0], [1.0]], dtype=np.float32), np.ones((1_000, 1), dtype=np.float32)
    found = (np.arange(1_000) % 5 == 0).astype(np.int32)[:, None]  # every fifth query gets the worse item
    assert retrieved_recall(found, np.zeros_like(found), queries, vectors) == 0.8


@st.composite
def retrievals(draw):
    """Small whole numbers: products are exact, and many tie."""
    n_queries, interests, k = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 6))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    queries = generator.integers(-2, 3, (n_queries, interests, 2)).astype(np.float32)
    vectors = generator.integers(-2, 3, (N_ITEMS, 2)).astype(np.float32)
    exact = np.array([generator.permutation(N_ITEMS)[:k] for _ in range(n_queries)], dtype=np.int32)
    exact[generator.random(exact.shape) < 0.2] = -1
    assume((exact >= 0).any())
    return generator.integers(-1, N_ITEMS, (n_queries, k)).astype(np.int32), exact, queries, vectors


@settings(max_examples=200, deadline=None, derandomize=True)
@given(retrievals())
def test_retrieved_recall_scores_an_item_by_its_nearest_interest(case):
    right, asked = 0, 0
    for found, exact, interests in zip(*(array.tolist() for array in case[:3]), strict=True):
        scores = [max(sum(a * b for a, b in zip(i, v, strict=True)) for i in interests) for v in case[3].tolist()]
        answers = [item for item in exact if item >= 0]
        worst = min((scores[item] for item in answers), default=math.inf)
        reached = {item for item in found if item >= 0 and scores[item] >= worst}
        right += min(len(reached), len(answers))
        asked += len(answers)
    assert retrieved_recall(*case) == right / asked


def test_one_interest_is_a_query():
    generator = np.random.default_rng(0)
    queries, vectors = (generator.standard_normal((n, 8)).astype(np.float32) for n in (300, 50))
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10].astype(np.int32)
    found = np.where(generator.random(exact.shape) < 0.5, exact, generator.integers(0, 50, exact.shape, np.int32))
    share = retrieved_recall(found, exact, queries, vectors)
    assert 0.5 < share < 0.7
    assert retrieved_recall(found, exact, queries[:, None], vectors) == share


def test_an_interest_without_a_score_does_not_count():
    queries = np.array([[[np.nan], [1.0]]], dtype=np.float32)
    vectors = np.array([[3.0], [2.0], [1.0]], dtype=np.float32)
    assert retrieved_recall(np.array([[0, 2]]), np.array([[0, 1]]), queries, vectors) == 0.5


def test_a_catalogue_of_more_items_than_a_short_integer_counts():
    evaluation = evaluate(np.array([[69_999, 40_000]]), *csr([[69_999, 40_000, 5]]), 70_000, (2,))
    assert evaluation.metrics["recall@2"] == pytest.approx(2 / 3)
    assert evaluation.metrics["coverage@2"] == pytest.approx(2 / 70_000)


def test_more_rows_and_ranks_than_a_short_integer_counts():
    n = 40_000
    ranked = np.arange(1, n + 1, dtype=np.int32)[None]
    rows = np.concatenate([np.zeros(n, np.int32), [1, n]])  # one item on 40,000 rows
    metrics = evaluate(ranked, np.array([0, n + 2]), rows, n + 1, (1, n)).metrics
    assert metrics[f"recall@{n}"] == pytest.approx(2 / (n + 2))
    assert metrics[f"precision@{n}"] == pytest.approx(2 / n)
    assert metrics["recall@1"] == pytest.approx(1 / (n + 2))
    first = evaluate(np.array([[0]]), np.array([0, n + 2]), rows, n + 1, (1,)).metrics
    assert first["recall@1"] == pytest.approx(n / (n + 2))


def test_the_type_and_order_of_the_arrays_do_not_matter():
    rankings, (indptr, items) = np.array([[3, 1], [2, 0]]), csr([[1, 3], [2]])
    expected = evaluate(rankings.astype(np.int32), indptr, items, N_ITEMS, (1, 2)).metrics
    assert evaluate(np.asfortranarray(rankings), indptr.tolist(), items.tolist(), N_ITEMS, (1, 2)).metrics == expected
    assert evaluate(rankings.tolist(), indptr.astype(float), items.astype(float), N_ITEMS, (1, 2)).metrics == expected


GOOD = {"recommended": np.zeros((2, 3)), "indptr": np.array([0, 1, 2]), "items": np.array([0, 1]), "ks": (1, 3)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recommended": np.zeros(2)}, r"shape \(2,\)"),
        ({"recommended": np.full((2, 3), N_ITEMS)}, "recommended item is 12"),
        ({"recommended": np.full((2, 3), -2)}, "recommended item is -2"),
        ({"items": np.array([0, N_ITEMS])}, "target item is 12"),
        ({"items": np.array([0, -1])}, "target item is -1"),
        ({"indptr": np.array([0, 2])}, "indptr of length 2"),
        ({"indptr": np.array([0, 1, 3])}, "from 0 to 3"),
        ({"indptr": np.array([0, 3, 2])}, "must rise"),
        ({"indptr": np.array([0, 0, 0]), "items": np.array([])}, "None of the 2 queries has a target"),
        ({"ks": (1, 4)}, r"\(1, 4\)"),
        ({"ks": (0, 1)}, r"\(0, 1\)"),
        ({"ks": (2, 1)}, r"\(2, 1\)"),
        ({"ks": (2, 2)}, r"\(2, 2\)"),
        ({"indptr": np.array([1, 1, 2])}, "runs from 1 to 2"),
        ({"ks": ()}, r"cut-offs are \(\)"),
    ],
)
def test_refuses_what_does_not_fit(change, message):
    with pytest.raises(InputError, match=message):
        evaluate(n_items=N_ITEMS, **(GOOD | change))
