"""The optimizers' updates in PyTorch: as `torch.optim` gives them, and as tensor expressions for the compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam

Scheduled: TypeAlias = tuple[Tensor, ...]  # a step's size, epsilon and decay, as `optimizer.schedule` has them


def eager(optimizer: Adam | SGD, parameters: list[Tensor]) -> Callable[[], None]:
    """A step that updates the parameters by their `.grad`, which it clears."""
    warm_up = None
    if optimizer.name == "adam":
        native: Any = torch.optim.AdamW(
            parameters,
            lr=optimizer.learning_rate,
            betas=(optimizer.beta1, optimizer.beta2),
            eps=optimizer.epsilon,
            weight_decay=optimizer.weight_decay,
        )
        if optimizer.warmup_steps:
            warm_up = LambdaLR(native, optimizer.warmth)
    else:
        native = torch.optim.SGD(parameters, lr=optimizer.learning_rate)

    def step() -> None:
        if optimizer.clip_norm:
            gradients = [parameter.grad for parameter in parameters]
            torch._foreach_mul_(gradients, _factor(gradients, optimizer.clip_norm))
        native.step()
        if warm_up is not None:
            warm_up.step()
        native.zero_grad()

    return step


def compiled(
    optimizer: Adam | SGD, parameters: Mapping[str, Tensor]
) -> Callable[[Mapping[str, Tensor], Scheduled], None]:
    """An update in place, given the gradients and the step's schedule; to be compiled with what surrounds it."""
    first_moment = {name: torch.zeros_like(value) for name, value in parameters.items()}
    second_moment = {name: torch.zeros_like(value) for name, value in parameters.items()}

    if optimizer.name == "adam":

        def adam(gradients: Mapping[str, Tensor], scheduled: Scheduled) -> None:
            step_size, epsilon, decay = scheduled
            for name, gradient in _clipped(gradients, optimizer.clip_norm).items():
                if optimizer.weight_decay:
                    parameters[name].sub_(decay * parameters[name])
                m = first_moment[name].lerp_(gradient, 1 - optimizer.beta1)
                v = second_moment[name].lerp_(gradient * gradient, 1 - optimizer.beta2)
                parameters[name].sub_(step_size * m / (v.sqrt() + epsilon))

        return adam

    def sgd(gradients: Mapping[str, Tensor], scheduled: Scheduled) -> None:
        step_size, *_ = scheduled
        for name, gradient in _clipped(gradients, optimizer.clip_norm).items():
            parameters[name].sub_(step_size * gradient)

    return sgd


def _clipped(gradients: Mapping[str, Tensor], clip_norm: float) -> Mapping[str, Tensor]:
    """The gradients, all together of that norm at most; 0 clips nothing."""
    if not clip_norm:
        return gradients
    factor = _factor(list(gradients.values()), clip_norm)
    return {name: factor * gradient for name, gradient in gradients.items()}


def _factor(gradients: list[Any], clip_norm: float) -> Tensor:
    """What clips all gradients together to a norm; written out, since PyTorch's own adds 1e-6 to the norm.

    Of gradients that are all zero, it is 1: what is divided by zero is infinite, and cut off.
    """
    norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    return (clip_norm / norm).clamp(max=1)
