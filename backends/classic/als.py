"""Implicit ALS by the library `implicit`, on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse
from implicit.cpu.als import AlternatingLeastSquares

from backends.contract import Arrays

if TYPE_CHECKING:
    from benchmarks.specs.als import ALS


@dataclass
class State:
    model: AlternatingLeastSquares
    shape: tuple[int, int]


def init(spec: ALS, parameters: Arrays, device: str, mode: str) -> State:  # noqa: ARG001 - the contract's arguments
    model = AlternatingLeastSquares(
        factors=spec.embedding_dim,
        regularization=spec.regularization,
        iterations=spec.iterations,
        num_threads=0,  # as many as OMP_NUM_THREADS says, like every other backend
    )
    model.user_factors, model.item_factors = (parameters[name].copy() for name in ("user_factors", "item_factors"))
    return State(model, (len(model.user_factors), len(model.item_factors)))


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    user, item = batches["user"][0], batches["item"][0]
    counts = scipy.sparse.coo_matrix((np.ones(len(user), np.float32), (user, item)), shape=state.shape).tocsr()
    state.model.fit(counts, show_progress=False)
    return state, np.zeros(0, np.float32)


def embed_users(state: State, inputs: Arrays) -> npt.NDArray[np.float32]:
    return state.model.user_factors[inputs["user"]]


def embed_items(state: State) -> npt.NDArray[np.float32]:
    return state.model.item_factors


def sync(state: State) -> None:
    """Nothing is queued."""
