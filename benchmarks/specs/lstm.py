"""An LSTM over the items of a session, as published for Online Retail, with the customer as an input or without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import autograd.numpy as np
import numpy.typing as npt

from benchmarks import sampling
from benchmarks.settings import Batch, Count, Few, Name, Natural, Positive, Width, check
from benchmarks.specs import questions, sequences
from benchmarks.specs.base import SGD, Arrays, OnLadder, Parameter, Questions, Sizes, Training
from datasets.errors import TooFewError


@dataclass(frozen=True)
class LSTM:
    """Each step's output, through a dense layer with a bias, is the softmax over the item that comes next.

    Row 0 of the item table is "nothing yet", which every session starts from, and padding; row 0 of the user table is
    an unknown customer. The defaults are those published, faults included: each batch starts from the state that the
    batch before it ended in, although batches are shuffled, and padding is a class and a target. Two biases a gate
    stand for the one that was published: only their sum acts, but the two learn twice as fast.
    """

    model: ClassVar[str] = "lstm"
    asks: ClassVar[str] = "histories"
    answers_empty: ClassVar[bool] = True
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={
            "with_user": (False, True),
            "state_carried": (False, True),
            "padding_masked": (False, True),
            "n_layers": (1, 2, 3),
            "clip_norm": (0.12, 5.0),
        },
        plain={"learning_rate": 1.0},
        # More targets than a tile of 1,024 holds.
        wide={"batch_size": 26, "window": 40, "embedding_dim": 34, "hidden_dim": 34},
        starts={"extreme": ({},), "shifted": ({},)},
    )
    serves: ClassVar[str] = "vectors"
    variant: Name = "as_published"
    with_user: bool = False
    embedding_dim: Width = 200  # of items and of users
    hidden_dim: Width = 200
    n_layers: Few = 2
    window: Width = 5
    batch_size: Batch = 20
    state_carried: bool = True
    padding_masked: bool = False
    epochs: Count = 1
    patience: Natural = 0
    bound: Positive = 0.1  # initial values are uniform in it
    learning_rate: Positive = 1.0
    clip_norm: Positive = 5.0
    filter_seen: bool = False

    def __post_init__(self) -> None:
        check(self, self.model)

    @classmethod
    def for_ladder(cls) -> tuple[LSTM, ...]:
        """Small, with users, a carried state, sessions shorter than a window, and a norm that clips most steps.

        The first batch holds padded targets, and its gradient, with a norm of 0.13, is clipped.
        """
        small = cls(
            with_user=True,
            embedding_dim=6,
            hidden_dim=8,
            window=7,
            batch_size=16,
            padding_masked=True,
            epochs=8,
            bound=0.5,
            learning_rate=5.0,
            clip_norm=0.12,
        )
        return (small,)

    @property
    def unlearnt(self) -> tuple[str, ...]:
        return ("carried_hidden", "carried_cell") if self.state_carried else ()

    @property
    def optimizer(self) -> SGD:
        return SGD(self.learning_rate, self.clip_norm)

    def n_samples(self, chunk: Arrays) -> int:
        return len(chunk["target"]) * chunk["target"].shape[1]  # windows

    def parameters(self, sizes: Sizes) -> tuple[Parameter, ...]:
        carried = (self.n_layers, self.batch_size, self.hidden_dim)
        users = [Parameter("user_embedding", (sizes.n_users + 1, self.embedding_dim), self.bound)]
        input_dim = self.embedding_dim * (1 + self.with_user)
        return (
            Parameter("item_embedding", (sizes.n_items + 1, self.embedding_dim), self.bound),
            *(users if self.with_user else []),
            *sequences.lstm_parameters(input_dim, self.hidden_dim, self.n_layers, self.bound),
            Parameter("output_weight", (sizes.n_items + 1, self.hidden_dim), self.bound),
            Parameter("output_bias", (sizes.n_items + 1,), self.bound),
            *(Parameter(name, carried, 0.0) for name in self.unlearnt),
        )

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """Windows of sessions: user int32[steps, batch], history and target (item + 1) int32[steps, batch, window].

        Raises:
            TooFewError: if the state of one batch has no next that is as large.
        """
        rng = sampling.generator(*key, "windows", epoch)
        for chunk in sampling.windows(rng, training, self.batch_size, self.window):
            n = chunk["user"].shape[1]
            if self.state_carried and n < self.batch_size:
                raise TooFewError(
                    f"{self.model}: there are {n} windows and batch_size is {self.batch_size}, expected as many "
                    "windows or more, since a state is carried from batch to batch; lower batch_size, or set "
                    "state_carried = false in the suite."
                )
            yield chunk

    def inputs(self, queries: Questions) -> Iterator[tuple[Arrays, npt.NDArray[Any]]]:
        return questions.whole_sessions(queries)

    def held_fixed(self, p: Arrays, batch: Arrays) -> dict[str, Any]:  # noqa: ARG002 - the other specs' arguments
        return {}

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        outputs, _ = self._run(p, batch)
        padding = 1 if self.padding_masked else 0  # classes that are left out
        logits = (
            np.reshape(outputs, (-1, self.hidden_dim)) @ p["output_weight"][padding:].T + p["output_bias"][padding:]
        )
        target = np.reshape(batch["target"], -1) - padding
        kept = target >= 0
        return sequences.softmax_loss(logits[kept], target[kept])

    def carried(self, p: Arrays, batch: Arrays) -> dict[str, npt.NDArray[Any]]:
        _, (hidden, cell) = self._run(p, batch)
        return {"carried_hidden": hidden, "carried_cell": cell}

    def _run(self, p: Arrays, batch: Arrays) -> Any:
        if self.state_carried:
            return sequences.lstm(p, self._steps(p, batch), (p["carried_hidden"], p["carried_cell"]))
        return sequences.lstm(p, self._steps(p, batch), None)

    def _steps(self, p: Arrays, inputs: Arrays) -> Any:
        items = p["item_embedding"][inputs["history"]]
        if not self.with_user:
            return items
        users = p["user_embedding"][inputs["user"] + 1][:, None]
        return np.concatenate([users * np.ones((1, items.shape[1], 1)), items], 2)

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        outputs, _ = sequences.lstm(p, self._steps(p, inputs), None)
        asked = outputs[inputs["session"], inputs["step"]]
        return np.concatenate([asked, np.ones((len(asked), 1))], 1)

    def item_vectors(self, p: Arrays) -> Any:
        return np.concatenate([p["output_weight"][1:], p["output_bias"][1:, None]], 1)
