"""The optimizers' updates in PaddlePaddle, as `paddle.optimizer` gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import paddle
from paddle import Tensor
from paddle.optimizer.lr import LambdaDecay

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam


def eager(optimizer: Adam | SGD, parameters: list[Tensor]) -> Callable[[], None]:
    """A step that updates the parameters by their `.grad`, which it clears."""
    warm_up = None
    if optimizer.name == "adam":
        if optimizer.warmup_steps:
            warm_up = LambdaDecay(optimizer.learning_rate, optimizer.warmth)
        native: Any = paddle.optimizer.AdamW(
            warm_up or optimizer.learning_rate,
            optimizer.beta1,
            optimizer.beta2,
            optimizer.epsilon,
            parameters=parameters,
            weight_decay=optimizer.weight_decay,
            lazy_mode=False,
        )
    else:
        native = paddle.optimizer.SGD(optimizer.learning_rate, parameters=parameters)

    def step() -> None:
        if optimizer.clip_norm:
            factor = _factor([parameter.grad for parameter in parameters], optimizer.clip_norm)
            for parameter in parameters:
                parameter.grad.set_value(parameter.grad * factor)
        native.step()
        if warm_up is not None:
            warm_up.step()
        native.clear_grad(set_to_zero=False)

    return step


def _factor(gradients: list[Tensor], clip_norm: float) -> Tensor:
    """What clips all gradients together to a norm; written out, to be the same in all four frameworks.

    Of gradients that are all zero, it is 1: what is divided by zero is infinite, and cut off.
    """
    norm = paddle.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    return (clip_norm / norm).clip(max=1)
