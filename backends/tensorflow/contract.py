"""The contract's functions in TensorFlow, shared by all model families."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from backends.contract import Arrays, UnavailableError
from backends.tensorflow import optimizers

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam, DifferentiableSpec

tf.config.experimental.enable_tensor_float_32_execution(False)  # float32 products stay float32 on a GPU too

Batch: TypeAlias = dict[str, tf.Tensor]


@dataclass
class State:
    """A model with its training loop; `parameters` are the model's own variables under their canonical names."""

    model: tf.Module
    parameters: dict[str, tf.Variable]
    train_steps: Callable[[Batch, optimizers.Scheduled], tf.Tensor]
    optimizer: Adam | SGD
    done: int
    device: str


def initialise(
    model_class: type[tf.Module], spec: DifferentiableSpec, parameters: Arrays, device: str, mode: str
) -> State:
    if device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise UnavailableError("TensorFlow sees no GPU device")
    target = f"/device:{device.upper()}:0"
    with tf.device(target):
        native = {
            name: tf.Variable(value, name=name, trainable=name not in spec.unlearnt)
            for name, value in parameters.items()
        }
        model = model_class(spec, native)
        step = _step(model, spec.optimizer, native)
    train_steps = tf.function(_loop(step), jit_compile=True) if mode == "compiled" else _eager_loop(step)
    return State(model, native, train_steps, spec.optimizer, 0, target)


def _learnt(parameters: dict[str, tf.Variable]) -> dict[str, tf.Variable]:
    return {name: value for name, value in parameters.items() if value.trainable}


def _loss_and_carried(outcome: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """A model returns its loss, or its loss and the next values of what it carries from step to step."""
    return outcome if isinstance(outcome, tuple) else (outcome, {})


def _step(
    model: tf.Module, optimizer: Adam | SGD, parameters: dict[str, tf.Variable]
) -> Callable[[Batch, optimizers.Scheduled], tf.Tensor]:
    variables = list(_learnt(parameters).values())
    update = optimizers.update(optimizer, variables)

    def step(batch: Batch, scheduled: optimizers.Scheduled) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss, carried = _loss_and_carried(model(batch))
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        # Dense: untouched rows decay their moments too.
        update([tf.convert_to_tensor(sparse) for sparse in gradients], scheduled)
        for name, value in carried.items():
            parameters[name].assign(value)
        return loss

    return step


def _loop(step: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """All steps of a call inside one graph: twice as fast as one call a step."""

    def loop(batches: Batch, schedule: optimizers.Scheduled) -> tf.Tensor:
        n_steps = schedule[0].shape[0]
        losses = tf.TensorArray(tf.float32, n_steps, element_shape=())
        for i in tf.range(n_steps):
            batch = {name: tf.ensure_shape(values[i], values.shape[1:]) for name, values in batches.items()}
            losses = losses.write(i, step(batch, tuple(values[i] for values in schedule)))
        return losses.stack()

    return loop


def _eager_loop(step: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    def loop(batches: Batch, schedule: optimizers.Scheduled) -> tf.Tensor:
        n_steps = schedule[0].shape[0]
        return tf.stack(
            [
                step({name: values[i] for name, values in batches.items()}, tuple(values[i] for values in schedule))
                for i in range(n_steps)
            ]
        )

    return loop


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    n_steps = len(next(iter(batches.values())))
    with tf.device(state.device):
        schedule = tuple(tf.constant(values) for values in state.optimizer.schedule(state.done, n_steps))
        losses = state.train_steps(_to_device(state, batches), schedule)
    state.done += n_steps
    return state, losses.numpy()


def gradients(state: State, batch: Arrays) -> dict[str, npt.NDArray[np.float32]]:
    with tf.device(state.device), tf.GradientTape() as tape:
        loss, _ = _loss_and_carried(state.model(_to_device(state, batch)))
    gradient = tape.gradient(loss, _learnt(state.parameters), unconnected_gradients="zero")
    return {name: np.array(tf.convert_to_tensor(value)) for name, value in gradient.items()}


def embed_users(state: State, inputs: Arrays) -> npt.NDArray[np.float32]:
    with tf.device(state.device):
        return state.model.users(_to_device(state, inputs)).numpy()


def embed_items(state: State) -> npt.NDArray[np.float32]:
    with tf.device(state.device):
        return state.model.items().numpy()


def export(state: State) -> dict[str, npt.NDArray[np.float32]]:
    return {name: np.array(value) for name, value in state.parameters.items()}


def sync(state: State) -> None:  # noqa: ARG001 - the contract's argument
    tf.test.experimental.sync_devices()


def _to_device(state: State, arrays: Arrays) -> Batch:
    with tf.device(state.device):
        return {name: tf.constant(value) for name, value in arrays.items()}
