"""Layers that several models share, in TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from benchmarks.specs.positions import PositionsSpec

LSTMState: TypeAlias = tuple[tf.Tensor, tf.Tensor]  # hidden and cell, each [layers, batch, hidden]
LSTM_PARTS = ("weight_input", "weight_hidden", "bias_input", "bias_hidden")


def lookup(table: tf.Variable, history: tf.Tensor) -> tf.Tensor:
    """Rows of a table whose row 0 is padding, which counts as zeros and learns nothing: float32[..., dim]."""
    return tf.gather(table, history) * tf.cast(history > 0, tf.float32)[..., None]


def at(outputs: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """outputs[i, place[i]]: float32[batch, dim] from float32[batch, length, dim]."""
    return tf.gather(outputs, place, axis=1, batch_dims=1)


def at_each(outputs: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """outputs[i, place[i, k]]: float32[batch * places, dim] from float32[batch, length, dim]."""
    return tf.reshape(tf.gather(outputs, place, axis=1, batch_dims=1), [-1, outputs.shape[-1]])


def softmax_loss(logits: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean cross entropy of int targets[n] under float32[n, classes] logits; targets of -1 do not count."""
    counts = tf.cast(target >= 0, tf.float32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(target, 0), logits)
    return tf.reduce_sum(losses * counts) / tf.reduce_sum(counts)


def next_item_loss(
    spec: PositionsSpec,
    outputs: tf.Tensor,
    table: tf.Tensor,
    target: tf.Tensor,
    batch: dict[str, tf.Tensor],
    *,
    n_before: int = 0,
) -> tf.Tensor:
    """The spec's loss of int targets[n], items by number, under float32[n, dim] outputs; targets of -1 do not count.

    The table's rows are the classes, n_before of which stand before that of the first item.
    """
    if not spec.n_negatives:
        return softmax_loss(tf.matmul(outputs, table, transpose_b=True), target + n_before)
    row, negatives = tf.maximum(target, 0) + n_before, batch["negatives"] + n_before
    of_target = tf.reduce_sum(outputs * tf.gather(table, row), 1)
    if spec.objective == "bce":
        of_negatives = scores(outputs, table, tf.reshape(negatives, [-1, negatives.shape[-1]]))
        return binary_loss(of_target, of_negatives, target >= 0, spec.beta(table.shape[0] - n_before))
    of_negatives = tf.matmul(outputs, tf.gather(table, negatives), transpose_b=True)
    if spec.log_q:
        of_target = of_target - tf.reshape(batch["target_log_q"], [-1])
        of_negatives = of_negatives - batch["negative_log_q"]
    of_negatives = tf.where(negatives == row[:, None], -np.inf, of_negatives)
    return softmax_loss(tf.concat([of_target[:, None], of_negatives], 1), tf.minimum(target, 0))


def scores(outputs: tf.Tensor, table: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Inner products of float32[n, dim] outputs with rows of a table, int[n, k], of their own: float32[n, k].

    By way of all scores where these are fewer numbers than the rows would be: five times as fast at 3,400 items and
    256 of them each.
    """
    if table.shape[0] <= rows.shape[1] * table.shape[1]:
        return tf.gather(tf.matmul(outputs, table, transpose_b=True), rows, batch_dims=1)
    return tf.einsum("nd,nkd->nk", outputs, tf.gather(table, rows))


def binary_loss(of_target: tf.Tensor, of_negatives: tf.Tensor, known: tf.Tensor, beta: float) -> tf.Tensor:
    """-log of sigmoid(of_target)^beta and of 1 - sigmoid(of_negatives), a mean over the two, and over known targets.

    Of float32[n] and float32[n, k].
    """
    minus_logs = beta * tf.nn.softplus(-of_target) + tf.reduce_sum(tf.nn.softplus(of_negatives), 1)
    counts = tf.cast(known, tf.float32)
    return tf.reduce_sum(minus_logs * counts) / (tf.reduce_sum(counts) * (1 + of_negatives.shape[1]))


def dropped(x: tf.Tensor, inputs: dict[str, tf.Tensor], place: int, scale: float) -> tf.Tensor:
    """What dropout leaves of float32[batch, length, dim], scaled; all of it where nothing is learnt."""
    return x * tf.cast(inputs["keep"][:, place], tf.float32) * scale if "keep" in inputs else x


def propagated(x: tf.Tensor, to: tf.Tensor, from_: tf.Tensor, weight: tf.Tensor, n_layers: int) -> tf.Tensor:
    """The mean of the layers of a graph, x the first of them: float32[nodes, dim] from the same.

    In a layer a node has the sum of the rows at the other ends of its edges, weighted. Edges come both ways, sorted by
    where they lead to: int32[edges] to and from, and float32[edges] weight.
    """
    layer = total = x
    for _ in range(n_layers):
        layer = _edge_sums(layer, to, from_, weight)
        total = total + layer
    return total / (n_layers + 1)


def _edge_sums(x: tf.Tensor, to: tf.Tensor, from_: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    return tf.math.unsorted_segment_sum(tf.gather(x, from_) * weight[:, None], to, x.shape[0])


def multi_hot(history: tf.Tensor, n_items: int) -> tf.Tensor:
    """Who has what, float32[batch, n_items] of 0 and 1, from int[batch, length]: item + 1, 0 being padding."""
    n = history.shape[0]
    places = tf.reshape(tf.range(n, dtype=history.dtype)[:, None] * (n_items + 1) + history, [-1, 1])
    times = tf.scatter_nd(places, tf.ones(places.shape[:1]), [n * (n_items + 1)])
    return tf.reshape(tf.minimum(times, 1.0), [n, n_items + 1])[:, 1:]


def normalised(vectors: tf.Tensor) -> tf.Tensor:
    """Vectors divided by max(their length, 1e-12), over the last axis."""
    return vectors / tf.maximum(tf.norm(vectors, axis=-1, keepdims=True), 1e-12)


class GRU(tf.Module):
    """One layer, outputs of every step: float32[batch, length, hidden]; Keras' own has no second bias on the CPU."""

    def __init__(self, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.weight_input = parameters["gru_weight_input"]
        self.weight_hidden = parameters["gru_weight_hidden"]
        self.bias_input = parameters["gru_bias_input"]
        self.bias_hidden = parameters["gru_bias_hidden"]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        of_inputs = tf.matmul(x, self.weight_input, transpose_b=True) + self.bias_input
        state = tf.zeros([x.shape[0], self.weight_hidden.shape[1]])
        outputs = []
        for step in range(x.shape[1]):
            of_state = tf.matmul(state, self.weight_hidden, transpose_b=True) + self.bias_hidden
            r, z, n = tf.split(of_inputs[:, step], 3, 1)
            r_state, z_state, n_state = tf.split(of_state, 3, 1)
            update = tf.sigmoid(z + z_state)
            new = tf.tanh(n + tf.sigmoid(r + r_state) * n_state)
            state = new + update * (state - new)
            outputs.append(state)
        return tf.stack(outputs, 1)


class LSTM(tf.Module):
    """Stacked layers: outputs of every step, float32[batch, length, hidden], and the state that is left."""

    def __init__(self, parameters: dict[str, tf.Variable], n_layers: int) -> None:
        super().__init__()
        self.weights = [tuple(parameters[f"lstm_{part}_{layer}"] for part in LSTM_PARTS) for layer in range(n_layers)]

    def __call__(self, x: tf.Tensor, state: LSTMState | None = None) -> tuple[tf.Tensor, LSTMState]:
        zeros = tf.zeros([len(self.weights), x.shape[0], self.weights[0][1].shape[1]])
        hidden, cell = (zeros, zeros) if state is None else state
        left = []
        for layer, weights in enumerate(self.weights):
            x, of_layer = _lstm_layer(x, (hidden[layer], cell[layer]), weights)
            left.append(of_layer)
        return x, tuple(tf.stack(part) for part in zip(*left, strict=True))


def _lstm_layer(x: tf.Tensor, state: LSTMState, weights: tuple[tf.Variable, ...]) -> tuple[tf.Tensor, LSTMState]:
    weight_input, weight_hidden, bias_input, bias_hidden = weights
    of_inputs = tf.matmul(x, weight_input, transpose_b=True) + bias_input
    hidden, cell = state
    outputs = []
    for step in range(x.shape[1]):
        gates = of_inputs[:, step] + tf.matmul(hidden, weight_hidden, transpose_b=True) + bias_hidden
        i, f, g, o = tf.split(gates, 4, 1)
        cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
        hidden = tf.sigmoid(o) * tf.tanh(cell)
        outputs.append(hidden)
    return tf.stack(outputs, 1), (hidden, cell)


def closest(interests: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Of each user's interests the one with the largest inner product with a wanted vector: float32[batch, dim]."""
    return at(interests, tf.argmax(tf.reduce_sum(interests * wanted[:, None], -1), 1))


def squash(z: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Vectors of the same direction, shorter than 1; epsilon keeps those of zero finite."""
    square = tf.reduce_sum(z * z, -1, keepdims=True)
    return square / (1 + square) * z / tf.sqrt(square + epsilon)


def routed(votes: tf.Tensor, logits: tf.Tensor, n_routing: int, epsilon: float) -> tf.Tensor:
    """Capsules by dynamic routing, only the last of n_routing passes differentiated: float32[batch, interests, dim].

    Votes are float32[batch, interests or 1, length, dim], zero at padding; logits, float32[batch or none, interests,
    length], are those of the first pass.
    """
    constant = tf.stop_gradient(votes)
    for _ in range(n_routing - 1):
        coupling = tf.nn.softmax(logits, -2)
        capsules = squash(tf.reduce_sum(coupling[..., None] * constant, 2), epsilon)
        logits = logits + tf.reduce_sum(constant * capsules[:, :, None], -1)
    coupling = tf.nn.softmax(logits, -2)
    return squash(tf.reduce_sum(coupling[..., None] * votes, 2), epsilon)
