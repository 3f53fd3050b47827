"""What only a GPU is asked for, in PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from backends.contract import Arrays


def resident(arrays: Arrays) -> dict[str, Tensor]:
    """The arrays in the GPU's memory, once they are there: a step that is given them copies nothing."""
    there = {name: torch.from_numpy(np.ascontiguousarray(value)).to("cuda") for name, value in arrays.items()}
    torch.cuda.synchronize()
    return there


def peak_bytes() -> int | None:
    """The most of the GPU's memory that this process has had arrays in, in bytes; None where nobody counts."""
    return torch.cuda.max_memory_allocated()
