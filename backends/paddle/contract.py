"""The contract's functions in PaddlePaddle, shared by all model families."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import paddle
from paddle import Tensor, nn

from backends.contract import Arrays, UnavailableError
from backends.paddle import optimizers

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam, DifferentiableSpec

Batch: TypeAlias = dict[str, Tensor]


@dataclass
class State:
    """A model with its step; `parameters` are the model's own tensors under their canonical names."""

    model: nn.Layer
    parameters: dict[str, Tensor]
    step: Callable[[Batch], Tensor]
    device: str


def initialise(
    model_class: type[nn.Layer], spec: DifferentiableSpec, parameters: Arrays, device: str, mode: str
) -> State:
    if device == "gpu" and not (paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count()):
        raise UnavailableError("PaddlePaddle is a CPU build, or sees no CUDA device")
    paddle.set_device(device)
    native = {name: _parameter(value, learnt=name not in spec.unlearnt) for name, value in parameters.items()}
    model = model_class(spec, native)
    return State(model, native, _step(model, spec.optimizer, native, mode), device)


def _parameter(value: npt.NDArray[Any], *, learnt: bool) -> Tensor:
    if value.dtype != np.float32:
        return paddle.to_tensor(value)  # Paddle has no parameters of integers
    parameter = paddle.create_parameter(list(value.shape), "float32")
    parameter.set_value(np.asarray(value))
    parameter.stop_gradient = not learnt
    return parameter


def _learnt(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in parameters.items() if not value.stop_gradient}


def _loss_and_carried(outcome: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """A model returns its loss, or its loss and the next values of what it carries from step to step."""
    return outcome if isinstance(outcome, tuple) else (outcome, {})


def _step(
    model: nn.Layer, optimizer: Adam | SGD, parameters: dict[str, Tensor], mode: str
) -> Callable[[Batch], Tensor]:
    update = optimizers.eager(optimizer, list(_learnt(parameters).values()))
    loss_of = paddle.jit.to_static(model, full_graph=True) if mode == "compiled" else model
    # The static graph's operators one after the other: a tenth faster on one thread than its thread pool.
    paddle.set_flags({"FLAGS_new_executor_serial_run": mode == "compiled"})

    def step(batch: Batch) -> Tensor:
        loss, carried = _loss_and_carried(loss_of(batch))
        loss.backward()
        update()
        for name, value in carried.items():
            parameters[name].set_value(value.detach())
        return loss.detach()

    return step


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    device_batches = _to_device(batches)
    n_steps = len(next(iter(batches.values())))
    losses = [state.step({name: values[i] for name, values in device_batches.items()}) for i in range(n_steps)]
    return state, paddle.stack(losses).numpy()


def gradients(state: State, batch: Arrays) -> dict[str, npt.NDArray[np.float32]]:
    learnt = _learnt(state.parameters)
    loss, _ = _loss_and_carried(state.model(_to_device(batch)))
    values = paddle.grad(loss, list(learnt.values()), allow_unused=True)
    pairs = zip(learnt.items(), values, strict=True)
    return {name: (paddle.zeros_like(native) if value is None else value).numpy() for (name, native), value in pairs}


@paddle.no_grad()
def embed_users(state: State, inputs: Arrays) -> npt.NDArray[np.float32]:
    return state.model.users(_to_device(inputs)).numpy()


@paddle.no_grad()
def embed_items(state: State) -> npt.NDArray[np.float32]:
    return state.model.items().numpy()


def export(state: State) -> dict[str, npt.NDArray[np.float32]]:
    return {name: value.numpy().copy() for name, value in state.parameters.items()}


def sync(state: State) -> None:
    if state.device == "gpu":
        paddle.device.synchronize()


def _to_device(arrays: Arrays) -> Batch:
    return {name: value if isinstance(value, Tensor) else paddle.to_tensor(value) for name, value in arrays.items()}
