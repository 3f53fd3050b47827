"""The optimizers' updates in PyTorch: as `torch.optim` gives them, and as tensor expressions for the compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam


def eager(optimizer: Adam | SGD, parameters: list[Tensor]) -> Callable[[], None]:
    """A step that updates the parameters by their `.grad`, which it clears."""
    if optimizer.name == "adam":
        betas = (optimizer.beta1, optimizer.beta2)
        native: Any = torch.optim.Adam(parameters, lr=optimizer.learning_rate, betas=betas, eps=optimizer.epsilon)
    else:
        native = torch.optim.SGD(parameters, lr=optimizer.learning_rate)

    def step() -> None:
        if optimizer.name == "sgd":
            gradients = [parameter.grad for parameter in parameters]
            torch._foreach_mul_(gradients, _factor(gradients, optimizer.clip_norm))
        native.step()
        native.zero_grad()

    return step


def compiled(
    optimizer: Adam | SGD, parameters: Mapping[str, Tensor]
) -> Callable[[Mapping[str, Tensor], Tensor, Tensor], None]:
    """An update in place, given the gradients, a step size and an epsilon; to be compiled with what surrounds it."""
    first_moment = {name: torch.zeros_like(value) for name, value in parameters.items()}
    second_moment = {name: torch.zeros_like(value) for name, value in parameters.items()}

    if optimizer.name == "adam":

        def adam(gradients: Mapping[str, Tensor], step_size: Tensor, epsilon: Tensor) -> None:
            for name, gradient in gradients.items():
                m = first_moment[name].lerp_(gradient, 1 - optimizer.beta1)
                v = second_moment[name].lerp_(gradient * gradient, 1 - optimizer.beta2)
                parameters[name].sub_(step_size * m / (v.sqrt() + epsilon))

        return adam

    def sgd(gradients: Mapping[str, Tensor], step_size: Tensor, epsilon: Tensor) -> None:  # noqa: ARG001
        factor = _factor(list(gradients.values()), optimizer.clip_norm)
        for name, gradient in gradients.items():
            parameters[name].sub_(step_size * factor * gradient)

    return sgd


def _factor(gradients: list[Any], clip_norm: float) -> Tensor:
    """What clips all gradients together to a norm; written out, since PyTorch's own adds 1e-6 to the norm."""
    norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    return (clip_norm / norm).clamp(max=1)
