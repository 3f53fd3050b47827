"""The contract's functions in PyTorch, shared by all model families."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from backends.contract import Arrays, UnavailableError

Batch: TypeAlias = dict[str, Tensor]


@dataclass
class State:
    """A model with its step; `parameters` are the model's own tensors under their canonical names."""

    model: nn.Module
    parameters: dict[str, nn.Parameter]
    step: Callable[[Batch], Tensor]
    device: torch.device


def initialise(model_class: type[nn.Module], spec: Any, parameters: Arrays, device: str, mode: str) -> State:
    if device == "gpu" and not torch.cuda.is_available():
        raise UnavailableError("PyTorch sees no CUDA device")
    target = torch.device("cuda" if device == "gpu" else "cpu")
    native = {name: nn.Parameter(torch.tensor(value, device=target)) for name, value in parameters.items()}
    model = model_class(spec, native)
    step = _compiled_step(model, spec) if mode == "compiled" else _eager_step(model, spec)
    return State(model, native, step, target)


def _eager_step(model: nn.Module, spec: Any) -> Callable[[Batch], Tensor]:
    """The loop that every tutorial writes, with the optimizer as `torch.optim` gives it."""
    adam = spec.optimizer
    optimizer = torch.optim.Adam(
        model.parameters(), lr=adam.learning_rate, betas=(adam.beta1, adam.beta2), eps=adam.epsilon
    )

    def step(batch: Batch) -> Tensor:
        optimizer.zero_grad()
        loss = model(batch)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _compiled_step(model: nn.Module, spec: Any) -> Callable[[Batch], Tensor]:
    """Gradient and update as one graph: three to four times faster than compiling the loss alone."""
    adam = spec.optimizer
    parameters: dict[str, Tensor] = dict(model.named_parameters())
    first_moment = {name: torch.zeros_like(value) for name, value in parameters.items()}
    second_moment = {name: torch.zeros_like(value) for name, value in parameters.items()}

    def loss_of(values: dict[str, Tensor], batch: Batch) -> Tensor:
        return torch.func.functional_call(model, values, (batch,))

    @torch.compile(dynamic=False, fullgraph=True)
    def update(batch: Batch, step_size: Tensor, epsilon: Tensor) -> Tensor:
        gradients, loss = torch.func.grad_and_value(loss_of)(parameters, batch)
        for name, gradient in gradients.items():
            m = first_moment[name].lerp_(gradient, 1 - adam.beta1)
            v = second_moment[name].lerp_(gradient * gradient, 1 - adam.beta2)
            parameters[name].sub_(step_size * m / (v.sqrt() + epsilon))
        return loss

    done = 0

    def step(batch: Batch) -> Tensor:
        nonlocal done
        step_size, epsilon = (torch.from_numpy(value)[0] for value in adam.schedule(done, 1))
        done += 1
        with torch.no_grad():
            return update(batch, step_size, epsilon)

    return step


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    device_batches = _to_device(state, batches)
    n_steps = len(next(iter(batches.values())))
    losses = torch.empty(n_steps, device=state.device)
    for i in range(n_steps):
        losses[i] = state.step({name: values[i] for name, values in device_batches.items()})
    return state, losses.numpy(force=True)


def gradients(state: State, batch: Arrays) -> dict[str, npt.NDArray[np.float32]]:
    loss = state.model(_to_device(state, batch))
    values = torch.autograd.grad(loss, list(state.parameters.values()), materialize_grads=True)
    return {name: value.numpy(force=True) for name, value in zip(state.parameters, values, strict=True)}


@torch.no_grad()
def embed_users(state: State, inputs: Arrays) -> npt.NDArray[np.float32]:
    return state.model.users(_to_device(state, inputs)).numpy(force=True)


@torch.no_grad()
def embed_items(state: State) -> npt.NDArray[np.float32]:
    return state.model.items().numpy(force=True)


def export(state: State) -> dict[str, npt.NDArray[np.float32]]:
    return {name: value.numpy(force=True).copy() for name, value in state.parameters.items()}


def sync(state: State) -> None:
    if state.device.type == "cuda":
        torch.cuda.synchronize(state.device)


def _to_device(state: State, arrays: Arrays) -> Batch:
    return {name: torch.from_numpy(np.ascontiguousarray(value)).to(state.device) for name, value in arrays.items()}
