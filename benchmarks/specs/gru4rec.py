"""GRU4Rec (Hidasi et al. 2016) as published for MovieLens-20M: one GRU layer, softmax over all items, tied weights."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import autograd.numpy as np

from benchmarks.settings import Few, Name, Positive, Width, require
from benchmarks.specs import positions, sequences
from benchmarks.specs.base import Arrays, OnLadder, Parameter, Sizes


@dataclass(frozen=True)
class GRU4Rec(positions.PositionsSpec):
    """The user is what a GRU makes of the last items; the next item is drawn with probability softmax(<user, item>).

    The defaults are those published, faults included: histories are padded on the right, but the output of the very
    last place is read; padding is one of the classes; vectors are normalised for retrieval, but not in training.
    Dropout, which was not published, is on the embedded history.
    """

    model: ClassVar[str] = "gru4rec"
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={
            "pooling": ("last", "mean"),
            "padding_masked": (False, True),
            "normalised": (False, True),
            "trains_on": ("cuts", "prefixes", "positions"),
            "objective": positions.OBJECTIVES,
            "n_negatives": (0, 1, 30),
            "dropout": (0.0, 0.25),
            "warmup_steps": (0, 5),
            "weight_decay": (0.0, 0.1),
            "clip_norm": (0.0, 0.2),
        },
        plain={"n_negatives": 1},  # without any, there is but one objective
        is_mean_of_rows=True,
        wide={"batch_size": 1500, "length": 40, "cuts_per_sequence": 1, "embedding_dim": 66},
        far_back={"length": 300, "pooling": "mean"},
        starts={"extreme": ({"batch_size": 200, "cuts_per_sequence": 1},), "shifted": ({},)},
    )
    variant: Name = "as_published"
    embedding_dim: Width = 16  # of items and of the hidden state
    pooling: Literal["last", "mean"] = "last"  # the user is the last output, or the "mean" of all
    padding_masked: bool = False
    normalised: bool = True
    trains_on: positions.TrainsOn = "cuts"
    min_history: Few = 4
    learning_rate: Positive = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        at_cuts = self.trains_on != "positions"
        every = "since every position's output is a user"
        require(at_cuts or self.pooling == "last", self.model, self, "pooling", f"last, {every}")
        require(at_cuts or self.padding_masked, self.model, self, "padding_masked", f"true, {every}")

    @classmethod
    def for_ladder(cls) -> tuple[GRU4Rec, ...]:
        """Small, masked, with vectors that are normalised and an epsilon that shows where it is misplaced."""
        small = cls(
            embedding_dim=8,
            length=6,
            padding_masked=True,
            batch_size=32,
            cuts_per_sequence=4,
            epochs=6,
            learning_rate=0.01,
            epsilon=1e-4,
        )
        every = dataclasses.replace(
            small,
            variant="every position",
            trains_on="positions",
            n_negatives=7,
            dropout=0.2,
            epochs=4,
            warmup_steps=3,
            weight_decay=0.1,
            clip_norm=0.23,
            beta2=0.98,
        )
        return small, every

    def table(self, sizes: Sizes) -> tuple[Parameter, ...]:
        dim = self.embedding_dim
        return (
            Parameter("item_embedding", (sizes.n_items + 1, dim), dim**-0.5),
            *sequences.gru_parameters(dim, dim),
        )

    def n_dropped(self) -> int:
        return 1

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        padding = 0 if self.padding_masked else 1  # classes before the first item
        outputs = self._outputs(p, batch) if self.trains_on == "positions" else self._encode(p, batch)
        return self.next_item_loss(outputs, p["item_embedding"][1 - padding :], batch, padding)

    def _outputs(self, p: Arrays, inputs: Arrays) -> Any:
        embedded = sequences.lookup(p["item_embedding"], inputs["history"])
        return sequences.gru(p, self.dropped(embedded, inputs, 0))

    def _encode(self, p: Arrays, inputs: Arrays) -> Any:
        outputs = self._outputs(p, inputs)
        length = inputs["length"] if self.padding_masked else np.full_like(inputs["length"], self.length)
        if self.pooling == "last":
            return sequences.at(outputs, np.maximum(length - 1, 0))
        mask = np.arange(self.length) < length[:, None]
        return np.sum(outputs * mask[..., None], 1) / np.maximum(length, 1)[:, None]

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        return self._scaled(self._encode(p, inputs))

    def item_vectors(self, p: Arrays) -> Any:
        return self._scaled(p["item_embedding"][1:])

    def _scaled(self, vectors: Any) -> Any:
        return sequences.normalised(vectors) if self.normalised else vectors
