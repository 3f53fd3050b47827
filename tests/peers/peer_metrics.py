"""Other libraries' metrics of a case, called as their own evaluation calls them.

`PEERS` names the versions. An adapter takes the library's name of a metric and a case, and returns what the library
says. None of the libraries knows -1 except implicit: to the others a list is handed without it.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from metric_cases import Case


@dataclass(frozen=True)
class Peer:
    """A library.

    Attributes:
        module: what is imported.
        version: the one that the table of differences is about.
        value: (its name of a metric, case) -> what it says.
        offers: its names of everything that it says about ranked lists.
        framework: the one that importing it loads.
    """

    module: str
    version: str
    value: Callable[[str, Case], float]
    offers: Callable[[], set[str]]
    framework: str = ""

    @property
    def is_there(self) -> bool:
        return importlib.util.find_spec(self.module) is not None


def scored(case: Case) -> Any:
    """float64[users, items], the scores of all items: those that are not listed share the lowest.

    An item has one score, that of its first place.
    """
    scores = np.empty((len(case.rankings), case.n_items))
    for row, ranking, of_ranking in zip(scores, case.rankings, case.scores, strict=True):
        row[:] = min(of_ranking) - 1
        for item, score in reversed(list(zip(ranking, of_ranking, strict=True))):
            if item >= 0:
                row[item] = score
    return scores


def listed(case: Case) -> list[list[int]]:
    """The lists without their -1."""
    return [[item for item in ranking if item >= 0] for ranking in case.rankings]


def relevances(case: Case) -> Any:
    """int64[users, items], the number of target rows."""
    return np.array([np.bincount(np.array(rows, np.int64), minlength=case.n_items) for rows in case.targets])


def recbole(name: str, case: Case) -> float:
    """Scores and positives through the collector and the evaluator, as `Trainer.evaluate` hands them over.

    As there, item 0 is padding, and the users are those who have rows in the evaluated period
    (`FullSortEvalDataLoader`). The number of items is `Dataset.num`, which counts the padding. Values are asked for
    with 16 digits; `metric_decimal_place` is 4 unless it is set.
    """
    import torch
    from recbole.evaluator import Collector, Evaluator

    asked = case.users(case.asked)
    config = {
        "metrics": [name],
        "topk": [case.k],
        "metric_decimal_place": 16,
        "device": "cpu",
        "eval_args": {"mode": "full"},
    }
    scores = np.pad(scored(asked), ((0, 0), (1, 0)), constant_values=-np.inf)
    user = [user for user, rows in enumerate(asked.targets) for _ in rows]
    item = [item + 1 for rows in asked.targets for item in rows]
    collector = Collector(config)
    collector.eval_batch_collect(torch.tensor(scores), None, torch.tensor(user), torch.tensor(item))
    collected = collector.get_data_struct()  # fails on the number of items, which is why that follows
    collected.set("data.num_items", case.n_items + 1)
    return float(Evaluator(config).evaluate(collected)[f"{name.lower()}@{case.k}"])


def recbole_offers() -> set[str]:
    from recbole.evaluator import metric_types, metrics_dict
    from recbole.utils import EvaluatorType

    return {kind.__name__ for name, kind in metrics_dict.items() if metric_types[name] is EvaluatorType.RANKING}


class ListsOf:
    """A case's lists as a model whose `recommend` implicit calls."""

    def __init__(self, case: Case) -> None:
        self.ids = np.array(case.rankings, np.int32)

    def recommend(self, userid: Any, user_items: Any, N: int) -> tuple[Any, Any]:  # noqa: ARG002, N803
        return np.ascontiguousarray(self.ids[np.asarray(userid), :N]), None


def ranking_metrics(case: Case, function: Callable[..., Any]) -> Any:
    """What a function of `implicit.evaluation` says of the case."""
    from scipy.sparse import csr_matrix

    targets = csr_matrix(relevances(case).astype(np.float32))
    return function(ListsOf(case), csr_matrix(targets.shape), targets, K=case.k, show_progress=False)


def implicit(name: str, case: Case) -> float:
    from implicit.evaluation import ranking_metrics_at_k

    return ranking_metrics(case, ranking_metrics_at_k)[name]


def implicit_offers() -> set[str]:
    from implicit.evaluation import ranking_metrics_at_k

    return set(ranking_metrics(Case([[0, 1]], [[0.0, -1.0]], [[1]], 3, 2), ranking_metrics_at_k))


def torch_rechub(name: str, case: Case) -> float:
    """Lists in dictionaries; the answer is a text such as "NDCG@5: 0.7956"."""
    from torch_rechub.basic import metric

    lists = dict(enumerate(listed(case)))
    if name == "coverage_score":
        (text,) = metric.coverage_score(lists, range(case.n_items), topKs=[case.k])["Coverage"]
    else:
        (text,) = getattr(metric, name)(dict(enumerate(case.targets)), lists, topKs=[case.k])
    return float(text.partition(": ")[2])


def torch_rechub_offers() -> set[str]:
    from torch_rechub.basic import metric

    return {name for name, value in vars(metric).items() if getattr(value, "__module__", "") == metric.__name__}


def ranx(name: str, case: Case) -> float:
    """An item's relevance is the number of its target rows; the lists are handed over by item number, with scores."""
    from ranx import Qrels, Run, evaluate

    wanted = {str(user): {str(i): n for i, n in Counter(rows).items()} for user, rows in enumerate(case.targets)}
    scores = scored(case)
    found = {str(user): {str(i): scores[user, i] for i in sorted(items)} for user, items in enumerate(listed(case))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Numba's, about the library's hashes
        return float(evaluate(Qrels(wanted), Run(found), f"{name}@{case.k}"))


def ranx_offers() -> set[str]:
    import ranx.metrics

    return set(ranx.metrics.__all__) - {"average_precision", "reciprocal_rank"} | {"map", "mrr"}


def scikit_learn(name: str, case: Case) -> float:
    """Scores of the whole catalogue where the metric ranks, and the set of the first K where it takes labels."""
    from sklearn import metrics

    wanted, scores = relevances(case), scored(case)
    function = getattr(metrics, name.partition(",")[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # users without targets are warned of, and counted as the table says
        if name in {"ndcg_score", "dcg_score"}:
            return float(function(wanted, scores, k=case.k))
        if name == "top_k_accuracy_score":
            only = [rows[0] if len(rows) == 1 else rows for rows in case.targets]
            return float(function(only, scores, k=case.k, labels=np.arange(case.n_items)))
        if name == "label_ranking_average_precision_score":
            return float(function(wanted > 0, scores))
        if name == "average_precision_score, samples":
            return float(function(wanted > 0, scores, average="samples"))
        chosen = np.zeros(scores.shape, np.bool_)
        for row, items in zip(chosen, listed(case), strict=True):
            row[items[: case.k]] = True
        return float(function(wanted > 0, chosen, average=name.partition(", ")[2], zero_division=0))


def scikit_learn_offers() -> set[str]:
    """What is in the module of ranking metrics."""
    from sklearn import metrics

    ranking = "sklearn.metrics._ranking"
    return {name for name in metrics.__all__ if getattr(getattr(metrics, name), "__module__", None) == ranking}


PEERS = {
    "RecBole": Peer("recbole", "1.2.1", recbole, recbole_offers, "torch"),
    "implicit": Peer("implicit", "0.7.3", implicit, implicit_offers),
    "torch-rechub": Peer("torch_rechub", "0.9.0", torch_rechub, torch_rechub_offers, "torch"),
    "ranx": Peer("ranx", "0.3.21", ranx, ranx_offers),
    "scikit-learn": Peer("sklearn", "1.9.1", scikit_learn, scikit_learn_offers),
}
