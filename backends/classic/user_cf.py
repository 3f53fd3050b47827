"""User-based neighbours: the training users most like a query, and what they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse

from backends.classic import neighbours
from backends.contract import Arrays

if TYPE_CHECKING:
    from benchmarks.specs.user_cf import UserCF


@dataclass
class State:
    """The spec, and bool[n_users, n_items] by user and bool[n_items, n_users] by item: who has what."""

    spec: UserCF
    items: neighbours.Matrix
    users: neighbours.Matrix


def init(spec: UserCF, parameters: Arrays, device: str, mode: str) -> State:  # noqa: ARG001 - the contract's arguments
    nothing = scipy.sparse.csr_array((0, 0), dtype=np.bool_)
    return State(spec, nothing, nothing)


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    items = neighbours.training_sets(batches)
    return State(state.spec, items, items.T.tocsr()), np.zeros(0, np.float32)


def recommend(state: State, inputs: Arrays, k: int) -> npt.NDArray[np.int32]:
    """See the contract; a list ends early where fewer than k items have a score, as in `item_cf`."""
    n_users, n_items = state.items.shape
    read = neighbours.read_items(inputs, n_items)
    n_users_have = neighbours.sizes(state.users)
    weight = neighbours.rarity(n_users_have) if state.spec.item_weighted else np.ones(n_items)
    near, similarity = neighbours.best(
        neighbours.weighted(read, weight),
        state.users,
        min(state.spec.n_neighbours, n_users),
        excluded=_who_asks(inputs["user"], n_users),
        normalised_by=(neighbours.sizes(read), neighbours.sizes(state.items)),
    )
    who = neighbours.as_matrix(near, similarity, n_users)
    lists, _ = neighbours.best(who, state.items, k, excluded=read if state.spec.filter_seen else None)
    return lists


def _who_asks(user: npt.NDArray[np.int32], n_users: int) -> neighbours.Matrix:
    """bool[q, n_users], the training user who asks, if it is one."""
    asks = np.flatnonzero((user >= 0) & (user < n_users))
    return neighbours.distinct_pairs(asks, user[asks], (len(user), n_users))


def sync(state: State) -> None:
    """Nothing is queued."""
