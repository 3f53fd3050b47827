"""Our metrics against other libraries', row by row: equal, or different in the way that the row names.

`docs/metrics.md` says the same in words, and is held to these tables. Everything that can be installed beside our
locked versions runs in `tox -e peers`; elsewhere, what is not installed is skipped.
"""

import functools
import importlib.metadata
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path

import metric_cases
import metric_differences
import numpy as np
import pytest
from metric_cases import orders_of_ties, ours
from metric_differences import (
    ALWAYS_FULL,
    CLOSE_UP,
    DIGITS,
    EXPONENTIAL,
    MEAN_HITS,
    NO_IDEAL,
    NO_NONE,
    NP_FLOAT,
    ONE_TARGET,
    ONES,
    ONLY_ASKED,
    OVER_MIN,
    OVER_N,
    PADDING,
    POOLED,
    POOLED_HITS,
    REPEATS,
    ROWS,
    TIES,
    UNCUT,
    ZEROS,
    Difference,
)
from peer_metrics import PEERS, ranking_metrics

from backends.registry import FRAMEWORKS
from benchmarks import metrics
from benchmarks.protocols.base import METRICS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
LOCKS = (ROOT / "constraints.txt", ROOT / "constraints-peers.txt")
KINDS = metric_cases.generated()
CASES = [case for cases in KINDS.values() for case in cases]
EXACT = 1e-12
APART = 1e-6


@dataclass(frozen=True)
class Row:
    """How a library computes one of our metrics.

    Attributes:
        library: a name of PEERS.
        metric: ours.
        call: theirs.
        differences: what turns theirs into ours, in the order in which it is done.
    """

    library: str
    metric: str
    call: str
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        return f"{self.library}-{self.metric}-{self.call}"

    @property
    def always(self) -> tuple[Difference, ...]:
        """What differs on plain cases too; nothing means that the two are equal there."""
        return tuple(difference for difference in self.differences if difference.always)

    @property
    def line(self) -> str:
        """The row in the page's table of the metric."""
        always, elsewhere = ([d.name for d in self.differences if d.always is which] for which in (True, False))
        return f"| {self.library} | `{self.call}` | {'; '.join(always) or 'equal'} | {'; '.join(elsewhere)} |"


LISTS = (REPEATS, NO_NONE)  # of a library that takes lists: what it counts again, and what it cannot be told
SCORES = (REPEATS, TIES, NO_NONE)  # of one that ranks by scores: what it cannot be told, and what it decides

TABLE = (
    Row("RecBole", "precision", "Precision", (*SCORES, ROWS)),
    Row("implicit", "precision", "precision", (REPEATS, ROWS, POOLED)),
    Row("torch-rechub", "precision", "precision_score", (*LISTS, ROWS, ZEROS, DIGITS)),
    Row("ranx", "precision", "precision", (*SCORES, ROWS, ZEROS)),
    Row("scikit-learn", "precision", "precision_score, samples", (*LISTS, ROWS, ZEROS)),
    Row("RecBole", "recall", "Recall", (*SCORES, ROWS)),
    Row("torch-rechub", "recall", "recall_score", (*LISTS, ROWS, ZEROS, DIGITS)),
    Row("ranx", "recall", "recall", (*SCORES, ROWS, ZEROS)),
    Row("scikit-learn", "recall", "recall_score, samples", (NO_NONE, ROWS, ZEROS)),
    Row("implicit", "recall_micro", "precision", (REPEATS, ROWS, OVER_MIN)),
    Row("torch-rechub", "recall_micro", "hit_score", (*LISTS, ROWS, DIGITS)),
    Row("ranx", "recall_micro", "hits", (*SCORES, ROWS, MEAN_HITS)),
    Row("scikit-learn", "recall_micro", "recall_score, micro", (NO_NONE, ROWS)),
    Row("RecBole", "hit_rate", "Hit", SCORES),
    Row("torch-rechub", "hit_rate", "hit_score", (NO_NONE, POOLED_HITS)),
    Row("ranx", "hit_rate", "hit_rate", (*SCORES, ZEROS)),
    Row("scikit-learn", "hit_rate", "top_k_accuracy_score", (*SCORES, ONE_TARGET)),
    Row("RecBole", "mrr", "MRR", (*SCORES, NP_FLOAT)),
    Row("torch-rechub", "mrr", "mrr_score", (NO_NONE, ZEROS, DIGITS)),
    Row("ranx", "mrr", "mrr", (*SCORES, ZEROS)),
    Row("RecBole", "map", "MAP", (*SCORES, NP_FLOAT)),
    Row("implicit", "map", "map", (REPEATS,)),
    Row("ranx", "map", "map", (*SCORES, ZEROS, OVER_N)),
    Row("scikit-learn", "map", "average_precision_score, samples", (*SCORES, ZEROS, UNCUT)),
    Row("scikit-learn", "map", "label_ranking_average_precision_score", (*SCORES, ONES, UNCUT)),
    Row("RecBole", "ndcg", "NDCG", (*SCORES, ROWS, NP_FLOAT)),
    Row("implicit", "ndcg", "ndcg", (REPEATS, ROWS)),
    Row("torch-rechub", "ndcg", "ndcg_score", (*LISTS, ROWS, ZEROS, DIGITS)),
    Row("ranx", "ndcg", "ndcg", (*SCORES, ZEROS)),
    Row("ranx", "ndcg", "ndcg_burges", (*SCORES, EXPONENTIAL, ZEROS)),
    Row("scikit-learn", "ndcg", "ndcg_score", (*SCORES, ZEROS)),
    Row("scikit-learn", "ndcg", "dcg_score", (*SCORES, ZEROS, NO_IDEAL)),
    Row("RecBole", "coverage", "ItemCoverage", (ALWAYS_FULL, TIES, ONLY_ASKED, PADDING)),
    Row("torch-rechub", "coverage", "coverage_score", (CLOSE_UP, DIGITS)),
)

MISSING = {
    "precision": (),
    "recall": ("implicit",),
    "recall_micro": ("RecBole",),
    "hit_rate": ("implicit",),
    "mrr": ("implicit", "scikit-learn"),
    "map": ("torch-rechub",),
    "ndcg": (),
    "ndcg_by_target": tuple(PEERS),
    "coverage": ("implicit", "ranx", "scikit-learn"),
}
"""Which libraries have no counterpart of a metric."""

BESIDES = {
    "RecBole": ("AveragePopularity", "GAUC", "GiniIndex", "ShannonEntropy", "TailPercentage"),
    "implicit": ("auc",),
    "torch-rechub": (
        "auc_score",
        "diversity_score",
        "gauc_score",
        "get_user_pred",
        "log_loss",
        "novelty_score",
        "topk_metrics",
    ),
    "ranx": (
        "bpref",
        "dcg",
        "dcg_burges",
        "f1",
        "get_hit_lists",
        "interpolated_precision_at_recall",
        "r_precision",
        "rank_biased_precision",
    ),
    "scikit-learn": (
        "auc",
        "confusion_matrix_at_thresholds",
        "coverage_error",
        "det_curve",
        "label_ranking_loss",
        "metric_at_thresholds",
        "precision_recall_curve",
        "roc_auc_score",
        "roc_curve",
    ),
}
"""What they offer that no row is about: none of it is a metric of ours."""


BY_TIES = {
    "ndcg_score": "mean over all orders",
    "dcg_score": "mean over all orders",
    "average_precision_score, samples": "last place",
    "label_ranking_average_precision_score": "last place",
}
"""What tied items get in scikit-learn; everywhere else, what they get in one of their orders."""

SEPARATE = [(row, named) for row in TABLE for named in row.differences]
DECIDING = [row for row in TABLE if TIES in row.differences and row.metric != "coverage"]
DIFFERENCES = [value for value in vars(metric_differences).values() if isinstance(value, Difference)]


def peer(library):
    """The library, where it can be asked."""
    found = PEERS[library]
    if not found.is_there:
        pytest.skip(f"{library} is not installed here; `tox -e peers` installs {found.version} and runs this")
    if found.framework and any(importlib.util.find_spec(name) for name in set(FRAMEWORKS) - {found.framework}):
        pytest.skip(
            f"{library} loads {found.framework}, which no other framework may meet; `tox -e peers` has no other"
        )
    return found


def theirs(row, differences):
    """Their metric, as a function of a case, with these differences taken out."""
    ask = functools.partial(peer(row.library).value, row.call)
    for difference in reversed(differences):
        ask = difference.theirs(ask)
    return ask


def restricted(row, differences):
    """Ours, given no more than theirs can be told."""
    ask = functools.partial(ours, row.metric)
    for difference in reversed(differences):
        ask = difference.ours(ask)
    return ask


def disagree(row, differences, case):
    """Whether the two differ, or theirs does not even take the case."""
    try:
        value = theirs(row, differences)(case)
    except (AttributeError, IndexError, ValueError):
        return True
    return not abs(value - restricted(row, differences)(case)) < APART


def without(row, named):
    return [difference for difference in row.differences if difference is not named]


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_theirs_is_ours_once_the_differences_are_taken_out(row):
    their, our = theirs(row, row.differences), restricted(row, row.differences)
    for case in CASES:
        assert their(case) == pytest.approx(our(case), rel=EXACT, abs=EXACT), case


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_on_plain_cases_the_differences_that_always_show_are_all(row):
    their, our = theirs(row, row.always), restricted(row, row.always)
    for case in KINDS["plain"]:
        assert their(case) == pytest.approx(our(case), rel=EXACT, abs=EXACT), case


@pytest.mark.parametrize(("row", "named"), SEPARATE, ids=[f"{row}-{named.name}" for row, named in SEPARATE])
def test_each_difference_makes_a_difference(row, named):
    cases = KINDS["plain"] if named.always else CASES
    assert any(disagree(row, without(row, named), case) for case in cases)


@pytest.mark.parametrize("row", DECIDING, ids=str)
def test_what_a_tie_is_worth(row):
    their, our = theirs(row, without(row, TIES)), restricted(row, without(row, TIES))
    for user in [user for case in KINDS["ties"] for user in case.alone]:
        worth = BY_TIES.get(row.call)
        if worth == "last place":
            whole = replace(user, k=len(user.rankings[0]))
            assert their(whole) == pytest.approx(average_precision_at_the_last_place(whole), abs=EXACT)
            continue
        values = np.array([our(order) for order in orders_of_ties(user)])
        expected = values.mean() if worth == "mean over all orders" else values
        assert np.min(np.abs(their(user) - expected)) < EXACT


def average_precision_at_the_last_place(user):
    """A hit stands where its tie ends, and all hits of the tie count there; K is the whole list."""
    (ranking,), (scores,), (targets,) = user.rankings, user.scores, user.targets
    places = [sum(other >= scores[at] for other in scores) for at, item in enumerate(ranking) if item in targets]
    return sum(sum(other <= place for other in places) / place for place in places) / min(user.k, len(targets))


def test_every_metric_and_library_is_in_one_of_the_tables():
    assert tuple(MISSING) == METRICS == (*metrics.PER_QUERY, "coverage")
    for metric, missing in MISSING.items():
        there = [row.library for row in TABLE if row.metric == metric]
        assert sorted(set(there)) == sorted(set(PEERS) - set(missing)), metric


@pytest.mark.parametrize("library", PEERS)
def test_nothing_that_they_offer_is_passed_over(library):
    named = {row.call.partition(",")[0] for row in TABLE if row.library == library}
    assert peer(library).offers() - named == set(BESIDES[library])


@pytest.mark.parametrize("library", PEERS)
def test_versions_are_those_of_the_table(library):
    version, name = PEERS[library].version, library.lower()
    assert f"{name}=={version}" in "\n".join(lock.read_text(encoding="utf-8") for lock in LOCKS).splitlines()
    assert f"{library} {version}" in PAGE
    peer(library)
    assert importlib.metadata.version(name) == version


@pytest.mark.filterwarnings("ignore")
def test_implicit_fills_what_no_item_is_left_for():
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender
    from scipy.sparse import csr_matrix

    seen = csr_matrix(np.eye(3, 6, dtype=np.float32) + np.eye(3, 6, 1, dtype=np.float32))
    als, neighbours = AlternatingLeastSquares(factors=2, iterations=1, num_threads=1), CosineRecommender(num_threads=1)
    for model in (als, neighbours):
        model.fit(seen, show_progress=False)
    items, _ = als.recommend([0], seen[[0]], N=8)
    assert set(items[0, 4:6].tolist()) == {0, 1}, "the two that were to be filtered"
    assert items[0, 6:].tolist() == [0, 0], "beyond the catalogue, the first item again and again"
    items, _ = neighbours.recommend([0], seen[[0]], N=8)
    assert items[0, -1] == -1


@pytest.mark.parametrize(
    ("name", "entry"), [("precision_at_k", "precision"), ("mean_average_precision_at_k", "map"), ("ndcg_at_k", "ndcg")]
)
def test_implicits_functions_are_entries_of_one(name, entry):
    from implicit import evaluation

    for case in KINDS["everything"]:
        values = ranking_metrics(case, getattr(evaluation, name))
        assert values == ranking_metrics(case, evaluation.ranking_metrics_at_k)[entry]


def test_torch_rechub_counts_target_rows_below_the_line_only():
    peer("torch-rechub")
    from torch_rechub.basic import metric

    assert metric.recall_score({0: [1, 1]}, {0: [1, 2]}, topKs=[2]) == ["Recall@2: 0.5"]
    assert metric.ndcg_score({0: [1, 1]}, {0: [1, 2]}, topKs=[2]) == [f"NDCG@2: {1 / (1 + 1 / np.log2(3)):.4f}"]


def test_torch_rechub_takes_minus_one_for_an_item_and_no_list_below_k():
    peer("torch-rechub")
    from torch_rechub.basic import metric

    assert metric.mrr_score({0: [2]}, {0: [-1, 2]}, topKs=[2]) == ["MRR@2: 0.5"]
    assert metric.coverage_score({0: [-1, 2]}, range(4), topKs=[2])["Coverage"] == ["Coverage@2: 0.5"]
    with pytest.raises(IndexError):
        metric.mrr_score({0: [2]}, {0: [2]}, topKs=[2])


def test_recbole_cannot_collect_what_its_coverage_needs():
    peer("RecBole")
    from recbole.evaluator import Collector

    collector = Collector({"metrics": ["ItemCoverage"], "topk": [1], "device": "cpu", "eval_args": {"mode": "full"}})
    collector.data_struct.set("data.num_items", 4)
    with pytest.raises(AttributeError, match="cpu"):
        collector.get_data_struct()


def test_ranx_counts_a_user_without_targets_as_0_and_takes_none_in_a_plain_dictionary():
    peer("ranx")
    import ranx

    wanted, found = {"a": {"1": 1}, "b": {}}, {"a": {"1": 1.0}, "b": {"1": 1.0}}
    assert ranx.evaluate(ranx.Qrels(wanted), ranx.Run(found), "precision@1") == 0.5
    with pytest.raises(AssertionError):
        ranx.evaluate(wanted, found, "precision@1")


def docstring_rows():
    """The rows of the tables in the docstring of benchmarks/metrics.py, by metric."""
    lines = [line for line in metrics.__doc__.splitlines() if line.startswith("| ") and "@K" in line]
    return {line.removeprefix("| ").partition("@K")[0]: line for line in lines}


def section(metric):
    """The page's lines about a metric."""
    return PAGE.partition(f"\n### {metric}\n")[2].partition("\n#")[0].splitlines()


@pytest.mark.parametrize("metric", METRICS)
def test_the_page_has_our_definition_and_the_rows_of_the_table(metric):
    assert docstring_rows()[metric] in PAGE.splitlines()
    expected = [row.line for row in TABLE if row.metric == metric]
    expected += [f"| {library} | – | has none | |" for library in MISSING[metric]]
    there = [line for line in section(metric) if line.startswith(tuple(f"| {library} |" for library in PEERS))]
    assert sorted(there) == sorted(expected)


def test_the_page_says_what_each_difference_means():
    used = {difference for row in TABLE for difference in row.differences}
    assert used == set(DIFFERENCES)
    assert {f"| {d.name} | {d.remedy} |" for d in DIFFERENCES} <= set(PAGE.splitlines())


@pytest.mark.parametrize("library", PEERS)
def test_the_page_names_what_they_have_besides(library):
    assert f"- {library}: {', '.join(f'`{name}`' for name in BESIDES[library])}" in PAGE.splitlines()
