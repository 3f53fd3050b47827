"""SLIM: one elastic net an item, all by coordinate descent over the items' Gram matrix; lists as neighbours' are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse
from numba import get_num_threads, njit, prange

from backends.classic import neighbours
from backends.contract import Arrays

if TYPE_CHECKING:
    from benchmarks.specs.slim import SLIM

TOLERANCE = 1e-4  # no weight moves by more in the last pass; a weight is a share of a row that is 0 or 1
MOST_PASSES = 200


@dataclass
class State:
    """The spec, and float64[n_items, n_items]: in each row the weights of one item of a history for the others."""

    spec: SLIM
    weights: neighbours.Matrix


def init(spec: SLIM, parameters: Arrays, device: str, mode: str) -> State:  # noqa: ARG001 - the contract's arguments
    return State(spec, scipy.sparse.csr_array((0, 0)))


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    sets = neighbours.training_sets(batches).astype(np.float64)
    shared = (sets.T @ sets).tocsr()
    return State(state.spec, fitted(shared, state.spec.l1, state.spec.l2)), np.zeros(0, np.float32)


def recommend(state: State, inputs: Arrays, k: int) -> npt.NDArray[np.int32]:
    """See the contract; a list ends early where fewer than k items have a score, as in `item_cf`."""
    read = neighbours.read_items(inputs, state.weights.shape[0])
    lists, _ = neighbours.best(read, state.weights, k, excluded=read if state.spec.filter_seen else None)
    return lists


def sync(state: State) -> None:
    """Nothing is queued."""


def fitted(
    shared: neighbours.Matrix, l1: float, l2: float, tolerance: float = TOLERANCE, most_passes: int = MOST_PASSES
) -> neighbours.Matrix:
    """float64[n_items, n_items]: W of the spec, column by column the minimum of its elastic net.

    Args:
        shared: float64[n_items, n_items], how many users any two items share.
        l1: the penalty of a weight.
        l2: the penalty of half its square.
        tolerance: passes over a column end when no weight moves by more.
        most_passes: or after so many.
    """
    nets = _Nets(*neighbours.places(shared), shared.data, shared.diagonal(), l1, l2, tolerance, most_passes)
    weights = _descend(nets, np.empty((get_num_threads(), shared.shape[0])))
    there = weights > 0
    indptr = np.append(0, np.cumsum(there))[shared.indptr]
    of_items = scipy.sparse.csr_array((weights[there], shared.indices[there], indptr), shared.shape)
    return of_items.T.tocsr()  # an item's row was its column of W


class _Nets(NamedTuple):
    """What the compiled loops read: G, how many users any two items share, its diagonal, and what `fitted` is given."""

    indptr: npt.NDArray[np.int64]
    columns: npt.NDArray[np.uint32]
    shared: neighbours.Floats
    counts: neighbours.Floats
    l1: float
    l2: float
    tolerance: float
    most_passes: int


@njit(cache=True, parallel=True)
def _descend(nets, room):  # type: ignore[no-untyped-def]
    """float64[pairs that share a user]: in the pair of j and i, how much i weighs for j.

    Coordinate descent, where left[i] = G[i, j] - sum of G[i, k] w[k] is kept up to date: the "covariance updates" of
    Friedman, Hastie and Tibshirani (2010, section 2.2). Items that share no user with j weigh nothing.
    """
    weights = np.zeros(len(nets.shared))
    n_threads, n_items = room.shape
    for thread in prange(n_threads):
        left = room[thread]  # what stands where i shares no user with j is never read
        slots = np.full(n_items, -1, np.int32)
        for item in range(thread, n_items, n_threads):  # dealt out in turn: popular items take longest
            begin, end = nets.indptr[item], nets.indptr[item + 1]
            for at in range(begin, end):
                left[nets.columns[at]] = nets.shared[at]
            own = weights[begin:end]
            for _ in range(nets.most_passes):
                if _pass_over_all(nets, item, own, left) <= nets.tolerance:
                    break
                _settle(nets, item, own, left, slots)
    return weights


@njit(cache=True)
def _pass_over_all(nets, item, own, left):  # type: ignore[no-untyped-def]
    """Each weight in turn becomes the best for the others as they are; returns by how much the largest has moved.

    Who shares no more than l1 users with the item weighs nothing: left[i] <= G[i, j], since no weight is negative.
    """
    moved, begin = 0.0, nets.indptr[item]
    for at in range(len(own)):
        other = nets.columns[begin + at]
        if other == item or nets.shared[begin + at] <= nets.l1:
            continue
        by = max(0.0, left[other] + nets.counts[other] * own[at] - nets.l1) / (nets.counts[other] + nets.l2) - own[at]
        if by != 0:
            own[at] += by
            _take(nets, other, by, left)
            moved = max(moved, abs(by))
    return moved


@njit(cache=True)
def _settle(nets, item, own, left, slots):  # type: ignore[no-untyped-def]
    """Passes over the weights above 0 alone, until none moves: they are few, and their part of the matrix is small.

    `slots` is int32[n_items], -1 everywhere before and after.
    """
    active = np.flatnonzero(own)
    items = nets.columns[nets.indptr[item] + active]
    among = np.zeros((len(active), len(active)))
    slots[items] = np.arange(len(active))
    for slot in range(len(active)):
        for place in range(nets.indptr[items[slot]], nets.indptr[items[slot] + 1]):
            if slots[nets.columns[place]] >= 0:
                among[slot, slots[nets.columns[place]]] = nets.shared[place]
    slots[items] = -1
    weights, rest = own[active], left[items]
    for _ in range(nets.most_passes):
        moved = 0.0
        for slot in range(len(active)):
            count = among[slot, slot]
            by = max(0.0, rest[slot] + count * weights[slot] - nets.l1) / (count + nets.l2) - weights[slot]
            weights[slot] += by
            rest -= by * among[slot]
            moved = max(moved, abs(by))
        if moved <= nets.tolerance:
            break
    for slot in range(len(active)):
        _take(nets, items[slot], weights[slot] - own[active[slot]], left)
        own[active[slot]] = weights[slot]


@njit(cache=True)
def _take(nets, other, by, left):  # type: ignore[no-untyped-def]
    """What is left after a weight has grown by so much."""
    for place in range(nets.indptr[other], nets.indptr[other + 1]):
        left[nets.columns[place]] -= by * nets.shared[place]
