"""Popularity as an inner product: every user is [1], every item is [its count]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from backends.contract import Arrays

if TYPE_CHECKING:
    from benchmarks.specs.popularity import Popularity


@dataclass
class State:
    count: npt.NDArray[np.float32]


def init(spec: Popularity, parameters: Arrays, device: str, mode: str) -> State:  # noqa: ARG001 - the contract's arguments
    return State(np.zeros(0, np.float32))


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:  # noqa: ARG001
    return State(batches["count"][0].astype(np.float32)), np.zeros(0, np.float32)


def embed_users(state: State, inputs: Arrays) -> npt.NDArray[np.float32]:  # noqa: ARG001
    return np.ones((len(inputs["user"]), 1), np.float32)


def embed_items(state: State) -> npt.NDArray[np.float32]:
    return state.count[:, None]


def sync(state: State) -> None:
    """Nothing is queued."""
