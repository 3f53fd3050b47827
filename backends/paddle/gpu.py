"""What only a GPU is asked for, in PaddlePaddle."""

from __future__ import annotations

import paddle
from paddle import Tensor

from backends.contract import Arrays


def resident(arrays: Arrays) -> dict[str, Tensor]:
    """The arrays in the GPU's memory, once they are there: a step that is given them copies nothing."""
    there = {name: paddle.to_tensor(value, place=paddle.CUDAPlace(0)) for name, value in arrays.items()}
    paddle.device.synchronize()
    return there


def peak_bytes() -> int | None:
    """The most of the GPU's memory that this process has had arrays in, in bytes; None where nobody counts."""
    return paddle.device.cuda.max_memory_allocated()
