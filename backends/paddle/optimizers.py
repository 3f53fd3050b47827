"""The optimizers' updates in PaddlePaddle, as `paddle.optimizer` gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import paddle
from paddle import Tensor

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam


def eager(optimizer: Adam | SGD, parameters: list[Tensor]) -> Callable[[], None]:
    """A step that updates the parameters by their `.grad`, which it clears."""
    if optimizer.name == "adam":
        native: Any = paddle.optimizer.Adam(
            optimizer.learning_rate,
            optimizer.beta1,
            optimizer.beta2,
            optimizer.epsilon,
            parameters=parameters,
            lazy_mode=False,
        )
    else:
        native = paddle.optimizer.SGD(optimizer.learning_rate, parameters=parameters)

    def step() -> None:
        if optimizer.name == "sgd":
            factor = _factor([parameter.grad for parameter in parameters], optimizer.clip_norm)
            for parameter in parameters:
                parameter.grad.set_value(parameter.grad * factor)
        native.step()
        native.clear_grad(set_to_zero=False)

    return step


def _factor(gradients: list[Tensor], clip_norm: float) -> Tensor:
    """What clips all gradients together to a norm; written out, to be the same in all four frameworks."""
    norm = paddle.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    return (clip_norm / norm).clip(max=1)
