"""The contract's functions in PyTorch, shared by all model families."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from backends.contract import Arrays, UnavailableError
from backends.torch import optimizers

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam, DifferentiableSpec

# Each state is compiled anew, and a process may make many; the compiler would take the ninth for a mistake.
torch._dynamo.config.recompile_limit = 256

Batch: TypeAlias = dict[str, Tensor]


@dataclass
class State:
    """A model with its step; `parameters` are the model's own tensors under their canonical names."""

    model: nn.Module
    parameters: dict[str, nn.Parameter]
    step: Callable[[Batch], Tensor]
    device: torch.device


def initialise(
    model_class: type[nn.Module], spec: DifferentiableSpec, parameters: Arrays, device: str, mode: str
) -> State:
    if device == "gpu" and not torch.cuda.is_available():
        raise UnavailableError("PyTorch sees no CUDA device")
    target = torch.device("cuda" if device == "gpu" else "cpu")
    native = {
        name: nn.Parameter(torch.tensor(value, device=target), requires_grad=name not in spec.unlearnt)
        for name, value in parameters.items()
    }
    model = model_class(spec, native)
    if mode == "eager":
        step = _eager_step(model, spec.optimizer, native)
    elif any(isinstance(module, nn.RNNBase) for module in model.modules()):
        step = _two_graph_step(model, spec.optimizer, native)
    else:
        step = _one_graph_step(model, spec.optimizer, native)
    return State(model, native, step, target)


def _learnt(parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    return {name: value for name, value in parameters.items() if value.requires_grad}


def _loss_and_carried(outcome: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """A model returns its loss, or its loss and the next values of what it carries from step to step."""
    return outcome if isinstance(outcome, tuple) else (outcome, {})


def _carry(parameters: dict[str, nn.Parameter], carried: dict[str, Tensor]) -> None:
    for name, value in carried.items():
        parameters[name].data.copy_(value)


def _eager_step(
    model: nn.Module, optimizer: Adam | SGD, parameters: dict[str, nn.Parameter]
) -> Callable[[Batch], Tensor]:
    """The loop that every tutorial writes, with the optimizer as `torch.optim` gives it."""
    update = optimizers.eager(optimizer, list(_learnt(parameters).values()))

    def step(batch: Batch) -> Tensor:
        loss, carried = _loss_and_carried(model(batch))
        loss.backward()
        update()
        _carry(parameters, carried)
        return loss.detach()

    return step


def _one_graph_step(
    model: nn.Module, optimizer: Adam | SGD, parameters: dict[str, nn.Parameter]
) -> Callable[[Batch], Tensor]:
    """Gradient and update as one graph: for factorisations twice as fast as a graph for each."""
    native: dict[str, Tensor] = {name: value for name, value in model.named_parameters() if value.requires_grad}
    apply = optimizers.compiled(optimizer, native)

    def loss_of(values: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return _loss_and_carried(torch.func.functional_call(model, values, (batch,)))

    @torch.compile(dynamic=False, fullgraph=True)
    def update(batch: Batch, scheduled: optimizers.Scheduled) -> tuple[Tensor, dict[str, Tensor]]:
        gradients, (loss, carried) = torch.func.grad_and_value(loss_of, has_aux=True)(native, batch)
        apply(gradients, scheduled)
        return loss, carried

    schedule = _schedule(optimizer)

    @torch.no_grad()
    def step(batch: Batch) -> Tensor:
        loss, carried = update(batch, next(schedule))
        _carry(parameters, carried)
        return loss

    return step


def _two_graph_step(
    model: nn.Module, optimizer: Adam | SGD, parameters: dict[str, nn.Parameter]
) -> Callable[[Batch], Tensor]:
    """One graph for loss and gradient, one for the update: a loop over time has no gradient inside a graph."""
    learnt = _learnt(parameters)
    loss_of = torch.compile(model, dynamic=False, fullgraph=True)
    update = torch.compile(optimizers.compiled(optimizer, learnt), dynamic=False, fullgraph=True)
    schedule = _schedule(optimizer)

    def step(batch: Batch) -> Tensor:
        loss, carried = _loss_and_carried(loss_of(batch))
        gradients = torch.autograd.grad(loss, list(learnt.values()))
        with torch.no_grad():
            update(dict(zip(learnt, gradients, strict=True)), next(schedule))
            _carry(parameters, carried)
        return loss.detach()

    return step


def _schedule(optimizer: Adam | SGD) -> Iterator[optimizers.Scheduled]:
    """What is scheduled for one step after the other."""
    for done in itertools.count():
        yield tuple(torch.from_numpy(values)[0] for values in optimizer.schedule(done, 1))


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    device_batches = _to_device(state, batches)
    n_steps = len(next(iter(batches.values())))
    losses = torch.empty(n_steps, device=state.device)
    for i in range(n_steps):
        losses[i] = state.step({name: values[i] for name, values in device_batches.items()})
    return state, losses.numpy(force=True)


def gradients(state: State, batch: Arrays) -> dict[str, npt.NDArray[np.float32]]:
    learnt = _learnt(state.parameters)
    loss, _ = _loss_and_carried(state.model(_to_device(state, batch)))
    values = torch.autograd.grad(loss, list(learnt.values()), materialize_grads=True)
    return {name: value.numpy(force=True) for name, value in zip(learnt, values, strict=True)}


@torch.no_grad()
def embed_users(state: State, inputs: Arrays) -> npt.NDArray[np.float32]:
    return state.model.users(_to_device(state, inputs)).numpy(force=True)


@torch.no_grad()
def embed_items(state: State) -> npt.NDArray[np.float32]:
    return state.model.items().numpy(force=True).copy()  # of a table it would be a view, which training moves


def export(state: State) -> dict[str, npt.NDArray[np.float32]]:
    return {name: value.numpy(force=True).copy() for name, value in state.parameters.items()}


def sync(state: State) -> None:
    if state.device.type == "cuda":
        torch.cuda.synchronize(state.device)


def _to_device(state: State, arrays: Arrays) -> Batch:
    return {
        name: value if isinstance(value, Tensor) else torch.from_numpy(np.ascontiguousarray(value)).to(state.device)
        for name, value in arrays.items()
    }
