"""What only a GPU is asked for, in JAX."""

from __future__ import annotations

import jax
from jax import Array

from backends.contract import Arrays


def resident(arrays: Arrays) -> dict[str, Array]:
    """The arrays in the GPU's memory, once they are there: a step that is given them copies nothing."""
    return jax.block_until_ready(jax.device_put(dict(arrays), jax.devices("gpu")[0]))


def peak_bytes() -> int | None:
    """The most of the GPU's memory that this process has had arrays in, in bytes; None where nobody counts."""
    return (jax.devices("gpu")[0].memory_stats() or {}).get("peak_bytes_in_use")
