"""Layers that several models share, in PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

if TYPE_CHECKING:
    from benchmarks.specs.positions import PositionsSpec

torch._dynamo.config.allow_rnn = True  # the layers below bring the compiler a loop of their own

LSTMState: TypeAlias = tuple[Tensor, Tensor]  # hidden and cell, each [layers, batch, hidden]


def lookup(table: Tensor, history: Tensor) -> Tensor:
    """Rows of a table whose row 0 is padding, which counts as zeros and learns nothing: float32[..., dim]."""
    return F.embedding(history, table) * (history > 0).unsqueeze(-1)


def at(outputs: Tensor, place: Tensor) -> Tensor:
    """outputs[i, place[i]]: float32[batch, dim] from float32[batch, length, dim]."""
    return outputs[torch.arange(len(outputs), device=outputs.device), place]


def at_each(outputs: Tensor, place: Tensor) -> Tensor:
    """outputs[i, place[i, k]]: float32[batch * places, dim] from float32[batch, length, dim]."""
    first = torch.arange(len(outputs), device=outputs.device).unsqueeze(1) * outputs.shape[1]
    return F.embedding((first + place).flatten(), outputs.flatten(0, 1))


def softmax_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross entropy of int targets[n] under float32[n, classes] logits; targets of -1 do not count."""
    return F.cross_entropy(logits, target.long(), ignore_index=-1)


def next_item_loss(
    spec: PositionsSpec, outputs: Tensor, table: Tensor, target: Tensor, batch: dict[str, Tensor], *, n_before: int = 0
) -> Tensor:
    """The spec's loss of int targets[n], items by number, under float32[n, dim] outputs; targets of -1 do not count.

    The table's rows are the classes, n_before of which stand before that of the first item.
    """
    if not spec.n_negatives:
        return softmax_loss(outputs @ table.T, target + n_before)
    row, negatives = target.clamp(min=0) + n_before, batch["negatives"] + n_before
    of_target = (outputs * F.embedding(row, table)).sum(1)
    if spec.objective == "bce":
        of_negatives = scores(outputs, table, negatives.flatten(0, -2))
        return binary_loss(of_target, of_negatives, target >= 0, spec.beta(len(table) - n_before))
    of_negatives = outputs @ F.embedding(negatives, table).T
    if spec.log_q:
        of_target = of_target - batch["target_log_q"].flatten()
        of_negatives = of_negatives - batch["negative_log_q"]
    of_negatives = of_negatives.masked_fill(negatives == row.unsqueeze(1), -torch.inf)
    return softmax_loss(torch.cat([of_target.unsqueeze(1), of_negatives], 1), target.clamp(max=0))


def scores(outputs: Tensor, table: Tensor, rows: Tensor) -> Tensor:
    """Inner products of float32[n, dim] outputs with rows of a table, int[n, k], of their own: float32[n, k].

    By way of all scores where these are fewer numbers than the rows would be: five times as fast at 3,400 items and
    256 of them each.
    """
    if len(table) <= rows.shape[1] * table.shape[1]:
        return (outputs @ table.T).gather(1, rows.long())
    return torch.bmm(F.embedding(rows, table), outputs.unsqueeze(2)).squeeze(2)


def binary_loss(of_target: Tensor, of_negatives: Tensor, known: Tensor, beta: float) -> Tensor:
    """-log of sigmoid(of_target)^beta and of 1 - sigmoid(of_negatives), a mean over the two, and over known targets.

    Of float32[n] and float32[n, k].
    """
    minus_logs = beta * F.softplus(-of_target) + F.softplus(of_negatives).sum(1)
    return (minus_logs * known).sum() / (known.sum() * (1 + of_negatives.shape[1]))


def dropped(x: Tensor, inputs: dict[str, Tensor], place: int, scale: float) -> Tensor:
    """What dropout leaves of float32[batch, length, dim], scaled; all of it where nothing is learnt."""
    return x * inputs["keep"][:, place] * scale if "keep" in inputs else x


@torch.library.custom_op("recallbench::edge_sums", mutates_args=())
def _edge_sums(x: Tensor, first: Tensor, from_: Tensor, weight: Tensor) -> Tensor:
    """A product with a sparse matrix, of which PyTorch's compiler knows nothing, and so an operator of its own."""
    return torch.sparse_csr_tensor(first, from_, weight, (len(x), len(x))) @ x


@_edge_sums.register_fake
def _of_the_same_shape(x: Tensor, first: Tensor, from_: Tensor, weight: Tensor) -> Tensor:  # noqa: ARG001 - as above
    return torch.empty_like(x)


class _EdgeSums(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, first: Tensor, from_: Tensor, weight: Tensor) -> Tensor:
        return _edge_sums(x, first, from_, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG004 - PyTorch's form
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """Edges come both ways with one weight, so that the matrix is its own transpose."""
        return _edge_sums(slope.contiguous(), *ctx.saved_tensors), None, None, None


def propagated(x: Tensor, to: Tensor, from_: Tensor, weight: Tensor, n_layers: int) -> Tensor:
    """The mean of the layers of a graph, x the first of them: float32[nodes, dim] from the same.

    In a layer a node has the sum of the rows at the other ends of its edges, weighted. Edges come both ways, sorted by
    where they lead to: int32[edges] to and from, and float32[edges] weight.
    """
    first = F.pad(torch.bincount(to, minlength=len(x)).cumsum(0), (1, 0)).int()  # of the edges to each node
    layer = total = x
    for _ in range(n_layers):
        layer = _EdgeSums.apply(layer, first, from_, weight)
        total = total + layer
    return total / (n_layers + 1)


def multi_hot(history: Tensor, n_items: int) -> Tensor:
    """Who has what, float32[batch, n_items] of 0 and 1, from int[batch, length]: item + 1, 0 being padding."""
    has = torch.zeros(len(history), n_items + 1, device=history.device)
    return has.scatter(1, history.long(), 1.0)[:, 1:]


def normalised(vectors: Tensor) -> Tensor:
    """Vectors divided by max(their length, 1e-12), over the last axis."""
    return F.normalize(vectors, dim=-1, eps=1e-12)


class GRU(nn.GRU):
    """One layer, outputs of every step: float32[batch, length, hidden]."""

    def __init__(self, parameters: dict[str, nn.Parameter]) -> None:
        n_gates_hidden, input_dim = parameters["gru_weight_input"].shape
        super().__init__(input_dim, n_gates_hidden // 3, batch_first=True)
        self.weight_ih_l0 = parameters["gru_weight_input"]
        self.weight_hh_l0 = parameters["gru_weight_hidden"]
        self.bias_ih_l0 = parameters["gru_bias_input"]
        self.bias_hh_l0 = parameters["gru_bias_hidden"]

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return self._scanned(x)
        return super().forward(x)[0]

    def _scanned(self, x: Tensor) -> Tensor:
        """A loop over time that stays one: PyTorch's own would be unrolled, which takes its compiler a minute."""

        def cell(state: Tensor, given: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            of_input, weight_hidden, bias_hidden = given
            of_state = F.linear(state, weight_hidden, bias_hidden)
            (r, z, n), (r_state, z_state, n_state) = of_input.chunk(3, 1), of_state.chunk(3, 1)
            update = torch.sigmoid(z + z_state)
            new = torch.tanh(n + torch.sigmoid(r + r_state) * n_state)
            state = new + update * (state - new)
            return state, state.clone()

        of_inputs = F.linear(x, self.weight_ih_l0, self.bias_ih_l0).transpose(0, 1)
        given = (of_inputs, *_for_every_step(x.shape[1], self.weight_hh_l0, self.bias_hh_l0))
        _, outputs = scan(cell, x.new_zeros(len(x), self.hidden_size), given)
        return outputs.transpose(0, 1)


def _for_every_step(n_steps: int, *weights: Tensor) -> tuple[Tensor, ...]:
    """A copy of the weights for each step, whose gradients are then added up outside of the loop.

    PyTorch 2.13 compiles a loop that adds up gradients of what its cell takes from outside, or carries, into wrong
    sums: the ladder breaks at "one step".
    """
    return tuple(weight.unsqueeze(0).expand(n_steps, *weight.shape).clone() for weight in weights)


class LSTM(nn.LSTM):
    """Stacked layers: outputs of every step, float32[batch, length, hidden], and the state that is left."""

    def __init__(self, parameters: dict[str, nn.Parameter], n_layers: int) -> None:
        n_gates_hidden, input_dim = parameters["lstm_weight_input_0"].shape
        super().__init__(input_dim, n_gates_hidden // 4, n_layers, batch_first=True)
        for layer in range(n_layers):
            setattr(self, f"weight_ih_l{layer}", parameters[f"lstm_weight_input_{layer}"])
            setattr(self, f"weight_hh_l{layer}", parameters[f"lstm_weight_hidden_{layer}"])
            setattr(self, f"bias_ih_l{layer}", parameters[f"lstm_bias_input_{layer}"])
            setattr(self, f"bias_hh_l{layer}", parameters[f"lstm_bias_hidden_{layer}"])


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
        coupling = logits.softmax(-2)
        capsules = squash((coupling.unsqueeze(-1) * constant).sum(2), epsilon)
        logits = logits + (constant * capsules.unsqueeze(2)).sum(-1)
    coupling = logits.softmax(-2)
    return squash((coupling.unsqueeze(-1) * votes).sum(2), epsilon)
