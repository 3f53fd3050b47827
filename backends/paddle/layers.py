"""Layers that several models share, in PaddlePaddle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

if TYPE_CHECKING:
    from benchmarks.specs.positions import PositionsSpec


def lookup(table: Tensor, history: Tensor) -> Tensor:
    """Rows of a table whose row 0 is padding, which counts as zeros and learns nothing: float32[..., dim]."""
    return F.embedding(history, table) * (history > 0).astype("float32").unsqueeze(-1)


def at(outputs: Tensor, place: Tensor) -> Tensor:
    """outputs[i, place[i]]: float32[batch, dim] from float32[batch, length, dim]."""
    return paddle.gather_nd(outputs, paddle.stack([paddle.arange(len(outputs), dtype=place.dtype), place], 1))


def at_each(outputs: Tensor, place: Tensor) -> Tensor:
    """outputs[i, place[i, k]]: float32[batch * places, dim] from float32[batch, length, dim]."""
    first = paddle.arange(len(outputs), dtype=place.dtype).unsqueeze(1) * outputs.shape[1]
    return F.embedding((first + place).flatten(), outputs.flatten(0, 1))


def softmax_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross entropy of int targets[n] under float32[n, classes] logits; targets of -1 do not count."""
    # Paddle 3.3.1's own mean counts the ignored rows too, where the index to be ignored is negative.
    losses = F.cross_entropy(logits, target, ignore_index=-1, reduction="none")
    kept = (target >= 0).astype("float32")
    return ((losses + _cut_off(logits.detach(), target)) * kept).sum() / kept.sum()


def _cut_off(logits: Tensor, target: Tensor) -> Tensor:
    """What Paddle 3.3.1 leaves out of a loss, though not of its gradient: to it no logit is 64 below the largest."""
    own = paddle.take_along_axis(logits, target.clip(min=0).unsqueeze(1), 1).squeeze(1)
    return F.relu(logits.max(1) - own - 64)


def next_item_loss(
    spec: PositionsSpec, outputs: Tensor, table: Tensor, target: Tensor, batch: dict[str, Tensor], *, n_before: int = 0
) -> Tensor:
    """The spec's loss of int targets[n], items by number, under float32[n, dim] outputs; targets of -1 do not count.

    The table's rows are the classes, n_before of which stand before that of the first item.
    """
    if not spec.n_negatives:
        return softmax_loss(paddle.matmul(outputs, table, transpose_y=True), target + n_before)
    row, negatives = target.clip(min=0) + n_before, batch["negatives"] + n_before
    of_target = (outputs * F.embedding(row, table)).sum(1)
    if spec.objective == "bce":
        of_negatives = scores(outputs, table, negatives.flatten(0, -2))
        return binary_loss(of_target, of_negatives, target >= 0, spec.beta(len(table) - n_before))
    of_negatives = paddle.matmul(outputs, F.embedding(negatives, table), transpose_y=True)
    if spec.log_q:
        of_target = of_target - batch["target_log_q"].flatten()
        of_negatives = of_negatives - batch["negative_log_q"]
    of_negatives = of_negatives.masked_fill(negatives == row.unsqueeze(1), -float("inf"))
    return softmax_loss(paddle.concat([of_target.unsqueeze(1), of_negatives], 1), target.clip(max=0))


def scores(outputs: Tensor, table: Tensor, rows: Tensor) -> Tensor:
    """Inner products of float32[n, dim] outputs with rows of a table, int[n, k], of their own: float32[n, k].

    By way of all scores where these are fewer numbers than the rows would be: five times as fast at 3,400 items and
    256 of them each.
    """
    if len(table) <= rows.shape[1] * table.shape[1]:
        return paddle.take_along_axis(paddle.matmul(outputs, table, transpose_y=True), rows, 1)
    return paddle.bmm(F.embedding(rows, table), outputs.unsqueeze(2)).squeeze(2)


def binary_loss(of_target: Tensor, of_negatives: Tensor, known: Tensor, beta: float) -> Tensor:
    """-log of sigmoid(of_target)^beta and of 1 - sigmoid(of_negatives), a mean over the two, and over known targets.

    Of float32[n] and float32[n, k].
    """
    minus_logs = beta * F.softplus(-of_target) + F.softplus(of_negatives).sum(1)
    known = known.astype("float32")
    return (minus_logs * known).sum() / (known.sum() * (1 + of_negatives.shape[1]))


def dropped(x: Tensor, inputs: dict[str, Tensor], place: int, scale: float) -> Tensor:
    """What dropout leaves of float32[batch, length, dim], scaled; all of it where nothing is learnt."""
    return x * inputs["keep"][:, place].astype("float32") * scale if "keep" in inputs else x


def propagated(x: Tensor, to: Tensor, from_: Tensor, weight: Tensor, n_layers: int) -> Tensor:
    """The mean of the layers of a graph, x the first of them: float32[nodes, dim] from the same.

    In a layer a node has the sum of the rows at the other ends of its edges, weighted. Edges come both ways, sorted by
    where they lead to: int32[edges] to and from, and float32[edges] weight.
    """
    layer = total = x
    for _ in range(n_layers):
        layer = _edge_sums(layer, to, from_, weight)
        total = total + layer
    return total / (n_layers + 1)


def _edge_sums(x: Tensor, to: Tensor, from_: Tensor, weight: Tensor) -> Tensor:
    rows = F.embedding(from_, x) * weight.unsqueeze(1)
    return paddle.index_add(paddle.zeros_like(x), to, 0, rows)


def multi_hot(history: Tensor, n_items: int) -> Tensor:
    """Who has what, float32[batch, n_items] of 0 and 1, from int[batch, length]: item + 1, 0 being padding."""
    return paddle.put_along_axis(paddle.zeros([len(history), n_items + 1]), history, 1.0, 1)[:, 1:]


def normalised(vectors: Tensor) -> Tensor:
    """Vectors divided by max(their length, 1e-12), over the last axis."""
    return F.normalize(vectors, axis=-1, epsilon=1e-12)


class GRU(nn.GRU):
    """One layer, outputs of every step: float32[batch, length, hidden].

    The layer's own parameters start from those given, and take their places.
    """

    def __init__(self, parameters: dict[str, Tensor]) -> None:
        n_gates_hidden, input_dim = parameters["gru_weight_input"].shape
        super().__init__(input_dim, n_gates_hidden // 3)
        own = {
            "gru_weight_input": self.weight_ih_l0,
            "gru_weight_hidden": self.weight_hh_l0,
            "gru_bias_input": self.bias_ih_l0,
            "gru_bias_hidden": self.bias_hh_l0,
        }
        for name, parameter in own.items():
            parameter.set_value(parameters[name])
        parameters.update(own)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[0]


class LSTM(nn.LSTM):
    """Stacked layers: outputs of every step, float32[batch, length, hidden], and the state that is left.

    The layer's own parameters start from those given, and take their places.
    """

    def __init__(self, parameters: dict[str, Tensor], n_layers: int) -> None:
        n_gates_hidden, input_dim = parameters["lstm_weight_input_0"].shape
        super().__init__(input_dim, n_gates_hidden // 4, n_layers)
        for layer in range(n_layers):
            own = {
                f"lstm_weight_input_{layer}": getattr(self, f"weight_ih_l{layer}"),
                f"lstm_weight_hidden_{layer}": getattr(self, f"weight_hh_l{layer}"),
                f"lstm_bias_input_{layer}": getattr(self, f"bias_ih_l{layer}"),
                f"lstm_bias_hidden_{layer}": getattr(self, f"bias_hh_l{layer}"),
            }
            for name, parameter in own.items():
                parameter.set_value(parameters[name])
            parameters.update(own)


def closest(interests: Tensor, wanted: Tensor) -> Tensor:
    """Of each user's interests the one with the largest inner product with a wanted vector: float32[batch, dim]."""
    return at(interests, (interests * wanted.unsqueeze(1)).sum(-1).argmax(1))


def squash(z: Tensor, epsilon: float) -> Tensor:
    """Vectors of the same direction, shorter than 1; epsilon keeps those of zero finite."""
    square = z.square().sum(-1, keepdim=True)
    return square / (1 + square) * z / (square + epsilon).sqrt()


def routed(votes: Tensor, logits: Tensor, n_routing: int, epsilon: float) -> Tensor:
    """Capsules by dynamic routing, only the last of n_routing passes differentiated: float32[batch, interests, dim].

    Votes are float32[batch, interests or 1, length, dim], zero at padding; logits, float32[batch or none, interests,
    length], are those of the first pass.
    """
    constant = votes.detach()
    for _ in range(n_routing - 1):
        coupling = F.softmax(logits, -2)
        capsules = squash((coupling.unsqueeze(-1) * constant).sum(2), epsilon)
        logits = logits + (constant * capsules.unsqueeze(2)).sum(-1)
    coupling = F.softmax(logits, -2)
    return squash((coupling.unsqueeze(-1) * votes).sum(2), epsilon)
