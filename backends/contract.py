"""The contract between the harness and an adapter: the same functions in every backend.

An adapter is a module, one a model family and backend. It holds a `Model` in the framework's own idiom (what a good
user of that framework would write) and `init`; the other functions are the backend's, from its `contract.py`, and are
re-exported so that an adapter is complete in itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy.typing as npt

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]


class UnavailableError(Exception):
    """What was asked for does not exist on this machine, e.g. a GPU; the cell is skipped with this reason."""


class Adapter(Protocol):
    """The functions of an adapter module. `State` is the backend's own; the harness only hands it on.

    The classic models (no gradient steps) have no `gradients` and no `export`; one that ranks without vectors has
    `recommend` in place of the two `embed` functions, and its spec says `serves = "lists"`. It is asked as
    `embed_users` is: for users by their numbers, or for histories in the form that the spec's `inputs` gives them.
    """

    def init(self, spec: Any, parameters: Arrays, device: str, mode: str) -> Any:
        """A trainable model that starts from exactly these parameters.

        Args:
            spec: the model's frozen dataclass (benchmarks/specs).
            parameters: canonical name -> float32 array; copied, never written to.
            device: "cpu" or "gpu".
            mode: "eager" (op by op, but for parts that the framework's users compile by themselves) or "compiled" (the
                framework's compiler over the whole step).

        Raises:
            UnavailableError: if the device is not there for this framework.
        """
        ...

    def train(self, state: Any, batches: Arrays) -> tuple[Any, npt.NDArray[Any]]:
        """Takes one optimizer step a batch.

        Args:
            state: from `init` or an earlier `train`; not to be used again.
            batches: name -> array[steps, batch, ...]; on a GPU what its backend's `gpu.resident` has made of them.

        Returns:
            The new state, and float32[steps]: each step's loss before its update.
        """
        ...

    def gradients(self, state: Any, batch: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Gradient of one batch's loss for every parameter, dense, under its canonical name; for the ladder only."""
        ...

    def embed_users(self, state: Any, inputs: Arrays) -> npt.NDArray[Any]:
        """float32[n, dim], or [n, interests, dim]: vectors such that scores are inner products with `embed_items`.

        Of several interests an item's largest product counts.
        """
        ...

    def embed_items(self, state: Any) -> npt.NDArray[Any]:
        """float32[n_items, dim]: the vectors of the whole catalogue, biases folded in."""
        ...

    def export(self, state: Any) -> dict[str, npt.NDArray[Any]]:
        """Copies of all parameters, canonical name -> float32 array; those of a fresh state are what it was given."""
        ...

    def sync(self, state: Any) -> None:
        """Returns when all queued device work is done."""
        ...

    def recommend(self, state: Any, inputs: Arrays, k: int) -> npt.NDArray[Any]:
        """int32[n, k]: item lists, best first, -1 where there are fewer; only where the spec serves lists.

        What was seen is left out here, where the spec says so: nobody filters the lists afterwards.
        """
        ...
