"""What the sequence models share: settings, samples, and the reference of their common parts in float64."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import autograd.numpy as np
import numpy.typing as npt
from autograd.scipy.special import logsumexp

from benchmarks import sampling
from benchmarks.settings import (
    Batch,
    Count,
    Few,
    Name,
    Natural,
    NonNegative,
    Positive,
    Width,
    check,
    require,
)
from benchmarks.specs import questions
from benchmarks.specs.base import Adam, Arrays, Parameter, Questions, Sizes, Training


@dataclass(frozen=True)
class SequenceSpec:
    """A model that reads the last items of a history and is trained with Adam.

    Row 0 of an item table is padding, which stands right of a short history; items are shifted by one.
    """

    asks: ClassVar[str] = "histories"
    answers_empty: ClassVar[bool] = False
    serves: ClassVar[str] = "vectors"
    unlearnt: ClassVar[tuple[str, ...]] = ()
    model: ClassVar[str]
    variant: Name = "corrected"
    embedding_dim: Width = 64
    length: Width = 20  # items of a history
    batch_size: Batch = 256
    trains_on: Literal["cuts", "prefixes"] = "cuts"  # random places of each sequence, or what comes before every item
    cuts_per_sequence: Few = 1  # an epoch
    prefixes_per_sequence: Natural = 0  # an epoch, drawn anew from longer sequences; 0: all of them
    min_history: Few = 1  # items before a cut, at least; shorter sequences are left out
    epochs: Count = 100
    patience: Natural = 5
    learning_rate: Positive = 0.001
    epsilon: Positive = 1e-8
    # See `Adam`. Of the models' papers only BERT4Rec's has any of the three, and defaults of its own.
    warmup_steps: Natural = 0
    weight_decay: NonNegative = 0.0
    clip_norm: NonNegative = 0.0
    initial_scale: Positive = 1.0  # times the bounds in which initial values are uniform
    filter_seen: bool = False

    def __post_init__(self) -> None:
        check(self, self.model)
        is_used = self.trains_on == "prefixes" or not self.prefixes_per_sequence
        require(is_used, self.model, self, "prefixes_per_sequence", 'trains_on = "prefixes" with it, or 0')

    @property
    def optimizer(self) -> Adam:
        return Adam(
            self.learning_rate,
            epsilon=self.epsilon,
            warmup_steps=self.warmup_steps,
            weight_decay=self.weight_decay,
            clip_norm=self.clip_norm,
        )

    @property
    def shortest_sequence(self) -> int:
        """Items of the shortest training sequence that any sample is of."""
        return self.min_history + 1 if self.trains_on == "cuts" else 2

    def n_samples(self, chunk: Arrays) -> int:
        return int(chunk["target"].size)

    def table(self, sizes: Sizes) -> tuple[Parameter, ...]:
        """The parameters as the model's paper or its authors' code starts them."""
        raise NotImplementedError

    def parameters(self, sizes: Sizes) -> tuple[Parameter, ...]:
        """The same, scaled; what is drawn once and never learnt, such as MIND's logits, is no initial value."""
        return tuple(
            row if row.name in self.unlearnt else dataclasses.replace(row, bound=row.bound * self.initial_scale)
            for row in self.table(sizes)
        )

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """Samples: history int32[steps, batch, length], user, length and target int32[steps, batch].

        They do not depend on the model, so that all of one length learn from the same.
        """
        rng = sampling.generator(*key, self.trains_on, epoch)
        if self.trains_on == "prefixes":
            return sampling.prefixes(rng, training, self.batch_size, self.length, self.prefixes_per_sequence)
        return sampling.random_cuts(
            rng, training, self.batch_size, self.length, self.cuts_per_sequence, min_history=self.min_history
        )

    def held_fixed(self, p: Arrays, batch: Arrays) -> dict[str, Any]:  # noqa: ARG002 - the other specs' arguments
        return {}

    def inputs(self, queries: Questions) -> Iterator[tuple[Arrays, npt.NDArray[Any]]]:
        return questions.last_items(queries, self.length)

    def item_vectors(self, p: Arrays) -> Any:
        return p["item_embedding"][1:]


def lookup(table: Any, history: Any) -> Any:
    """Rows of a table whose row 0 is padding, which counts as zeros: float64[..., dim]."""
    return table[history] * (history > 0)[..., None]


def at(outputs: Any, place: Any) -> Any:
    """outputs[i, place[i]]: float64[batch, dim] from float64[batch, length, dim]."""
    return outputs[np.arange(len(outputs)), place]


def at_each(outputs: Any, place: Any) -> Any:
    """outputs[i, place[i, k]]: float64[batch, places, dim] from float64[batch, length, dim]."""
    return outputs[np.arange(len(outputs))[:, None], place]


def softmax_loss(logits: Any, target: Any) -> Any:
    """Mean cross entropy of int targets[n] under float64[n, classes] logits."""
    return np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(target)), target])


def sigmoid(x: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * x))


def gru_parameters(input_dim: int, hidden_dim: int) -> tuple[Parameter, ...]:
    """Gates in the order r, z, n; uniform in 1/sqrt(hidden_dim), as PyTorch and Paddle draw them."""
    bound = hidden_dim**-0.5
    return (
        Parameter("gru_weight_input", (3 * hidden_dim, input_dim), bound),
        Parameter("gru_weight_hidden", (3 * hidden_dim, hidden_dim), bound),
        Parameter("gru_bias_input", (3 * hidden_dim,), bound),
        Parameter("gru_bias_hidden", (3 * hidden_dim,), bound),
    )


def gru(p: Arrays, x: Any) -> Any:
    """Outputs of every step, from a state of zeros: float64[batch, length, hidden].

    The reset gate is applied after the recurrent product (Cho et al. 2014 apply it before; cuDNN and all four
    frameworks have it so).
    """
    state = np.zeros((len(x), p["gru_weight_hidden"].shape[1]))
    outputs = []
    for step in range(x.shape[1]):
        of_input = np.split(x[:, step] @ p["gru_weight_input"].T + p["gru_bias_input"], 3, axis=1)
        of_state = np.split(state @ p["gru_weight_hidden"].T + p["gru_bias_hidden"], 3, axis=1)
        reset, update = sigmoid(of_input[0] + of_state[0]), sigmoid(of_input[1] + of_state[1])
        new = np.tanh(of_input[2] + reset * of_state[2])
        state = (1 - update) * new + update * state
        outputs.append(state)
    return np.stack(outputs, axis=1)


def lstm_parameters(input_dim: int, hidden_dim: int, n_layers: int, bound: float) -> tuple[Parameter, ...]:
    """Gates in the order i, f, g, o; all biases start at zero, that of the forget gate too."""
    return tuple(
        row
        for layer in range(n_layers)
        for row in (
            Parameter(f"lstm_weight_input_{layer}", (4 * hidden_dim, hidden_dim if layer else input_dim), bound),
            Parameter(f"lstm_weight_hidden_{layer}", (4 * hidden_dim, hidden_dim), bound),
            Parameter(f"lstm_bias_input_{layer}", (4 * hidden_dim,), 0.0),
            Parameter(f"lstm_bias_hidden_{layer}", (4 * hidden_dim,), 0.0),
        )
    )


def lstm(p: Arrays, x: Any, state: Any) -> Any:
    """Hochreiter and Schmidhuber 1997, with forget gates (Gers et al. 2000); layers are stacked.

    Returns:
        The last layer's outputs of every step, float64[batch, length, hidden], and the state that is left, two
        float64[layers, batch, hidden]: hidden and cell. Without a state it starts from zeros.
    """
    left = []
    for layer in range(sum(name.startswith("lstm_weight_hidden") for name in p)):
        w_input, w_hidden = p[f"lstm_weight_input_{layer}"], p[f"lstm_weight_hidden_{layer}"]
        bias = p[f"lstm_bias_input_{layer}"] + p[f"lstm_bias_hidden_{layer}"]
        zeros = np.zeros((len(x), w_hidden.shape[1]))
        hidden, cell = (state[0][layer], state[1][layer]) if state is not None else (zeros, zeros)
        outputs = []
        for step in range(x.shape[1]):
            gates = np.split(x[:, step] @ w_input.T + hidden @ w_hidden.T + bias, 4, axis=1)
            cell = sigmoid(gates[1]) * cell + sigmoid(gates[0]) * np.tanh(gates[2])
            hidden = sigmoid(gates[3]) * np.tanh(cell)
            outputs.append(hidden)
        x = np.stack(outputs, axis=1)
        left.append((hidden, cell))
    return x, tuple(np.stack(part) for part in zip(*left, strict=True))


def normalised(vectors: Any) -> Any:
    """Vectors divided by max(their length, 1e-12), over the last axis."""
    return vectors / np.maximum(np.sqrt(np.sum(vectors**2, -1, keepdims=True)), 1e-12)


def layer_norm(x: Any, scale: Any, shift: Any, epsilon: float) -> Any:
    """Ba et al. 2016, over the last axis, with the variance of all its elements (divided by their number)."""
    centred = x - np.mean(x, -1, keepdims=True)
    return scale * centred / np.sqrt(np.mean(centred**2, -1, keepdims=True) + epsilon) + shift


def softmax(logits: Any, axis: int) -> Any:
    shares = np.exp(logits - np.max(logits, axis, keepdims=True))
    return shares / np.sum(shares, axis, keepdims=True)


def closest(interests: Any, wanted: Any) -> Any:
    """Of each user's interests the one with the largest inner product with a wanted vector, the first of equals.

    float64[batch, dim] from float64[batch, interests, dim] and float64[batch, dim]; the choice has no gradient.
    """
    return at(interests, np.argmax(np.sum(interests * wanted[:, None], -1), 1))


def squash(z: Any, epsilon: float) -> Any:
    """Sabour et al. 2017, eq. 1: vectors of the same direction, shorter than 1; epsilon keeps those of zero finite."""
    square = np.sum(z**2, -1, keepdims=True)
    return square / (1 + square) * z / np.sqrt(square + epsilon)


def capsules(votes: Any, weights: Any, epsilon: float) -> Any:
    """Squashed sums over the places, float64[batch, interests, dim]: votes are those of `coupling`, weights its."""
    return squash(np.sum(weights[..., None] * votes, 2), epsilon)


def coupling(votes: Any, logits: Any, n_routing: int, epsilon: float) -> Any:
    """Dynamic routing (Sabour et al. 2017, algorithm 1) up to the coupling coefficients of its last pass.

    Args:
        votes: float64[batch, interests or 1, length, dim], what each place says to each interest; zero at padding,
            which so adds to none, whatever its coefficient.
        logits: float64[batch or none, interests, length], of the first pass.
        n_routing: passes.
        epsilon: see `squash`.

    Returns:
        float64[batch, interests, length], for `capsules`.
    """
    for _ in range(n_routing - 1):
        interests = capsules(votes, softmax(logits, -2), epsilon)
        logits = logits + np.sum(votes * interests[:, :, None], -1)
    return softmax(logits, -2)
