"""The generating model's own lists, which come with the queries of a synthetic data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from backends.contract import Arrays, UnavailableError

if TYPE_CHECKING:
    from benchmarks.specs.oracle import Oracle

State: TypeAlias = None


def init(spec: Oracle, parameters: Arrays, device: str, mode: str) -> State:  # noqa: ARG001 - the contract's arguments
    return None


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:  # noqa: ARG001
    return None, np.zeros(0, np.float32)


def recommend(state: State, inputs: Arrays, k: int) -> npt.NDArray[np.int32]:  # noqa: ARG001
    """See the contract.

    Raises:
        UnavailableError: if the data set does not know its own probabilities, or is too large to rank by them.
    """
    best = inputs["best"]
    if best.shape[1] < k:
        raise UnavailableError(
            f"the data come without true lists of {k} items: they are real, or too large, or the lists too long"
        )
    return best[:, :k]


def sync(state: State) -> None:
    """Nothing is queued."""
