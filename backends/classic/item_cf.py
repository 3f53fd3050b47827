"""Item-based neighbours: a table of similar items, summed over what a query has read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse

from backends.classic import neighbours
from backends.contract import Arrays

if TYPE_CHECKING:
    from benchmarks.specs.item_cf import ItemCF


@dataclass
class State:
    """The spec, and float64[n_items, n_items]: of each item the similarity of its neighbours, no others."""

    spec: ItemCF
    similarity: neighbours.Matrix


def init(spec: ItemCF, parameters: Arrays, device: str, mode: str) -> State:  # noqa: ARG001 - the contract's arguments
    return State(spec, scipy.sparse.csr_array((0, 0)))


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    sets = neighbours.training_sets(batches)
    users = sets.T.tocsr()
    n_users, n_items = neighbours.sizes(users), sets.shape[1]
    n_users_has = neighbours.sizes(sets)
    weight = neighbours.rarity(n_users_has) if state.spec.user_weighted else np.ones_like(n_users_has)
    near, similarity = neighbours.best(
        neighbours.weighted(users, weight),
        sets,
        min(state.spec.n_neighbours, n_items),
        excluded=scipy.sparse.eye_array(n_items, dtype=np.bool_, format="csr"),
        normalised_by=(n_users, n_users),
    )
    return State(state.spec, neighbours.as_matrix(near, similarity, n_items)), np.zeros(0, np.float32)


def recommend(state: State, inputs: Arrays, k: int) -> npt.NDArray[np.int32]:
    """See the contract.

    Where fewer than k items have a score, the list ends early: what is popular is another model's answer, and filling
    up with it would hide how far the neighbours reach.
    """
    read = neighbours.read_items(inputs, state.similarity.shape[0])
    lists, _ = neighbours.best(read, state.similarity, k, excluded=read if state.spec.filter_seen else None)
    return lists


def sync(state: State) -> None:
    """Nothing is queued."""
