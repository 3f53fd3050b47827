"""Layers that several models share, in JAX and Flax."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

if TYPE_CHECKING:
    from benchmarks.specs.positions import PositionsSpec

LSTMState: TypeAlias = tuple[Array, Array]  # hidden and cell, each [layers, batch, hidden]
LSTM_PARTS = ("weight_input", "weight_hidden", "bias_input", "bias_hidden")


def lookup(table: nnx.Param, history: Array) -> Array:
    """Rows of a table whose row 0 is padding, which counts as zeros and learns nothing: float32[..., dim]."""
    return table[history] * (history > 0)[..., None]


def at(outputs: Array, place: Array) -> Array:
    """outputs[i, place[i]]: float32[batch, dim] from float32[batch, length, dim]."""
    return outputs[jnp.arange(len(outputs)), place]


def at_each(outputs: Array, place: Array) -> Array:
    """outputs[i, place[i, k]]: float32[batch * places, dim] from float32[batch, length, dim]."""
    return outputs[jnp.arange(len(outputs))[:, None], place].reshape(-1, outputs.shape[-1])


def softmax_loss(logits: Array, target: Array) -> Array:
    """Mean cross entropy of int targets[n] under float32[n, classes] logits; targets of -1 do not count."""
    losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(target, 0))
    return jnp.mean(losses, where=target >= 0)


def next_item_loss(
    spec: PositionsSpec, outputs: Array, table: Array, target: Array, batch: dict[str, Array], *, n_before: int = 0
) -> Array:
    """The spec's loss of int targets[n], items by number, under float32[n, dim] outputs; targets of -1 do not count.

    The table's rows are the classes, n_before of which stand before that of the first item.
    """
    if not spec.n_negatives:
        return softmax_loss(outputs @ table.T, target + n_before)
    row, negatives = jnp.maximum(target, 0) + n_before, batch["negatives"] + n_before
    of_target = (outputs * table[row]).sum(1)
    if spec.objective == "bce":
        of_negatives = scores(outputs, table, negatives.reshape(-1, negatives.shape[-1]))
        return binary_loss(of_target, of_negatives, target >= 0, spec.beta(len(table) - n_before))
    of_negatives = outputs @ table[negatives].T
    if spec.log_q:
        of_target = of_target - batch["target_log_q"].ravel()
        of_negatives = of_negatives - batch["negative_log_q"]
    of_negatives = jnp.where(negatives == row[:, None], -jnp.inf, of_negatives)
    return softmax_loss(jnp.concatenate([of_target[:, None], of_negatives], 1), jnp.minimum(target, 0))


def scores(outputs: Array, table: Array, rows: Array) -> Array:
    """Inner products of float32[n, dim] outputs with rows of a table, int[n, k], of their own: float32[n, k].

    By way of all scores where these are fewer numbers than the rows would be: five times as fast at 3,400 items and
    256 of them each.
    """
    if len(table) <= rows.shape[1] * table.shape[1]:
        return jnp.take_along_axis(outputs @ table.T, rows, 1)
    return jnp.einsum("nd,nkd->nk", outputs, table[rows])


def binary_loss(of_target: Array, of_negatives: Array, known: Array, beta: float) -> Array:
    """-log of sigmoid(of_target)^beta and of 1 - sigmoid(of_negatives), a mean over the two, and over known targets.

    Of float32[n] and float32[n, k].
    """
    minus_logs = beta * jax.nn.softplus(-of_target) + jax.nn.softplus(of_negatives).sum(1)
    return jnp.mean(minus_logs, where=known) / (1 + of_negatives.shape[1])


def dropped(x: Array, inputs: dict[str, Array], place: int, scale: float) -> Array:
    """What dropout leaves of float32[batch, length, dim], scaled; all of it where nothing is learnt."""
    return x * inputs["keep"][:, place] * scale if "keep" in inputs else x


def propagated(x: Array, to: Array, from_: Array, weight: Array, n_layers: int) -> Array:
    """The mean of the layers of a graph, x the first of them: float32[nodes, dim] from the same.

    In a layer a node has the sum of the rows at the other ends of its edges, weighted. Edges come both ways, sorted by
    where they lead to: int32[edges] to and from, and float32[edges] weight.
    """
    layer = total = x
    for _ in range(n_layers):
        layer = _edge_sums(layer, to, from_, weight)
        total = total + layer
    return total / (n_layers + 1)


def _edge_sums(x: Array, to: Array, from_: Array, weight: Array) -> Array:
    return jax.ops.segment_sum(x[from_] * weight[:, None], to, len(x), indices_are_sorted=True)


def multi_hot(history: Array, n_items: int) -> Array:
    """Who has what, float32[batch, n_items] of 0 and 1, from int[batch, length]: item + 1, 0 being padding."""
    has = jnp.zeros((len(history), n_items + 1))
    return has.at[jnp.arange(len(history))[:, None], history].set(1.0)[:, 1:]


def normalised(vectors: Array) -> Array:
    """Vectors divided by max(their length, 1e-12), over the last axis."""
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


class GRU(nnx.Module):
    """One layer, outputs of every step: float32[batch, length, hidden]."""

    def __init__(self, parameters: dict[str, nnx.Param]) -> None:
        self.gru_weight_input = parameters["gru_weight_input"]
        self.gru_weight_hidden = parameters["gru_weight_hidden"]
        self.gru_bias_input = parameters["gru_bias_input"]
        self.gru_bias_hidden = parameters["gru_bias_hidden"]

    def __call__(self, x: Array) -> Array:
        return _gru(
            x,
            self.gru_weight_input[...],
            self.gru_weight_hidden[...],
            self.gru_bias_input[...],
            self.gru_bias_hidden[...],
        )


@jax.jit  # op by op, a scan would be traced and compiled anew in every step
def _gru(x: Array, weight_input: Array, weight_hidden: Array, bias_input: Array, bias_hidden: Array) -> Array:
    def cell(state: Array, of_input: Array) -> tuple[Array, Array]:
        of_state = state @ weight_hidden.T + bias_hidden
        (r, z, n), (r_state, z_state, n_state) = jnp.split(of_input, 3, 1), jnp.split(of_state, 3, 1)
        update = jax.nn.sigmoid(z + z_state)
        new = jnp.tanh(n + jax.nn.sigmoid(r + r_state) * n_state)
        state = new + update * (state - new)
        return state, state

    zeros = jnp.zeros((len(x), weight_hidden.shape[1]))
    _, outputs = jax.lax.scan(cell, zeros, (x @ weight_input.T + bias_input).swapaxes(0, 1))
    return outputs.swapaxes(0, 1)


class LSTM(nnx.Module):
    """Stacked layers: outputs of every step, float32[batch, length, hidden], and the state that is left."""

    def __init__(self, parameters: dict[str, nnx.Param], n_layers: int) -> None:
        self.n_layers = n_layers
        for layer in range(n_layers):
            for part in LSTM_PARTS:
                setattr(self, f"lstm_{part}_{layer}", parameters[f"lstm_{part}_{layer}"])

    def __call__(self, x: Array, state: LSTMState | None = None) -> tuple[Array, LSTMState]:
        zeros = jnp.zeros((self.n_layers, len(x), self.lstm_weight_hidden_0.shape[1]))
        hidden, cell = (zeros, zeros) if state is None else state
        left = []
        for layer in range(self.n_layers):
            weights = tuple(getattr(self, f"lstm_{part}_{layer}")[...] for part in LSTM_PARTS)
            x, of_layer = _lstm_layer(x, (hidden[layer], cell[layer]), weights)
            left.append(of_layer)
        return x, tuple(jnp.stack(part) for part in zip(*left, strict=True))


@jax.jit
def _lstm_layer(x: Array, state: LSTMState, weights: tuple[Array, ...]) -> tuple[Array, LSTMState]:
    weight_input, weight_hidden, bias_input, bias_hidden = weights

    def step(state: LSTMState, of_input: Array) -> tuple[LSTMState, Array]:
        hidden, cell = state
        i, f, g, o = jnp.split(of_input + hidden @ weight_hidden.T + bias_hidden, 4, 1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (hidden, cell), hidden

    state, outputs = jax.lax.scan(step, state, (x @ weight_input.T + bias_input).swapaxes(0, 1))
    return outputs.swapaxes(0, 1), state


def closest(interests: Array, wanted: Array) -> Array:
    """Of each user's interests the one with the largest inner product with a wanted vector: float32[batch, dim]."""
    return at(interests, (interests * wanted[:, None]).sum(-1).argmax(1))


def squash(z: Array, epsilon: float) -> Array:
    """Vectors of the same direction, shorter than 1; epsilon keeps those of zero finite."""
    square = jnp.square(z).sum(-1, keepdims=True)
    return square / (1 + square) * z / jnp.sqrt(square + epsilon)


def routed(votes: Array, logits: Array, n_routing: int, epsilon: float) -> Array:
    """Capsules by dynamic routing, only the last of n_routing passes differentiated: float32[batch, interests, dim].

    Votes are float32[batch, interests or 1, length, dim], zero at padding; logits, float32[batch or none, interests,
    length], are those of the first pass.
    """
    constant = jax.lax.stop_gradient(votes)
    for _ in range(n_routing - 1):
        coupling = jax.nn.softmax(logits, -2)
        capsules = squash((coupling[..., None] * constant).sum(2), epsilon)
        logits = logits + (constant * capsules[:, :, None]).sum(-1)
    coupling = jax.nn.softmax(logits, -2)
    return squash((coupling[..., None] * votes).sum(2), epsilon)
