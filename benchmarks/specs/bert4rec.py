"""BERT4Rec (Sun et al. 2019): self-attention in both directions that guesses masked items, softmax over all items."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import autograd.numpy as np
import numpy.typing as npt
from autograd.scipy.special import erf
from msgspec import Meta

from benchmarks import masks, sampling
from benchmarks.settings import (
    Batch,
    Count,
    Dropout,
    Name,
    Natural,
    NonNegative,
    Portion,
    Positive,
    Share,
    Width,
    require,
)
from benchmarks.specs import attention, positions, questions, sequences
from benchmarks.specs.base import Arrays, OnLadder, Parameter, Questions, Sizes, Training

UNCUT = "since sequences are masked and not cut"
UncutOne: TypeAlias = Annotated[int, Meta(ge=1, le=1, description=f"1, {UNCUT}")]
UncutNone: TypeAlias = Annotated[int, Meta(ge=0, le=0, description=f"0, {UNCUT}")]

MASKED = -1
"""What stands in a history for an item that is to be guessed."""


@dataclass(frozen=True)
class BERT4Rec(attention.AttentionSpec):
    """In training some items of a sequence are masked and guessed from all others; the user is a mask after the last.

    A block is x = LayerNorm(x + attention(x)), then x = LayerNorm(x + dense(x)), with GELU between the two dense
    layers. An item's score is its inner product with GELU(W x + b), and a bias of its own. The loss is a mean over all
    masks of a batch. The paper's learning rate falls to zero, linearly; here it stays as it is after its warm-up.

    Of what only the authors' code has, this has dropout on the embedded history and the warm-up, but no LayerNorm on
    the embedded history and after the last GELU, no biases of queries, keys and values, no dropout on the weights of
    attention, and no pieces of a sequence that overlap by half.

    Histories are padded on the right, so positions count from the oldest item that is kept.
    """

    model: ClassVar[str] = "bert4rec"
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={
            "n_blocks": (1, 2, 3),
            "n_heads": (1, 2, 4),
            "ffn_dim": (0, 3),
            "objective": positions.OBJECTIVES,
            "n_negatives": (0, 1, 30),
            "dropout": (0.0, 0.25),
            "warmup_steps": (0, 5),
            "weight_decay": (0.0, 0.1),
            "clip_norm": (0.0, 0.7),
        },
        plain={"n_negatives": 1},  # without any, there is but one objective
        is_mean_of_rows=True,
        wide={"batch_size": 1500, "length": 40, "mask_share": 0.05, "n_blocks": 1},
        far_back={"length": 300, "n_blocks": 1, "n_heads": 1, "mask_share": 0.02},
        # No norm comes before the first attention, the scores of which are products of what is shifted.
        starts={"extreme": ({"batch_size": 200},), "shifted": ({"initial_scale": 5.0},)},
    )
    variant: Name = "as_published"
    trains_on: Literal["masked"] = "masked"  # type: ignore[assignment] # and not cut, which the next three are about
    cuts_per_sequence: UncutOne = 1
    prefixes_per_sequence: UncutNone = 0
    min_history: UncutOne = 1
    length: Width = 200  # of a history and its mask
    batch_size: Batch = 256
    mask_share: Share = 0.2  # of a piece's items, at least one; published: 0.2 for MovieLens, 0.4 and 0.6 for others
    last_share: Portion = 0.1  # of the pieces, in which only the last item is masked, as where the next is asked for
    dropout: Dropout = 0.2
    n_heads: Count = 2
    norm_epsilon: Positive = 1e-12
    epochs: Count = 1000  # of some tens of steps each, where the authors take 400,000
    patience: Natural = 50
    learning_rate: Positive = 1e-4
    warmup_steps: Natural = 100
    weight_decay: NonNegative = 0.01
    clip_norm: NonNegative = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.length > 1, self.model, self, "length", "2 or more: an item, and the mask of the next")

    @classmethod
    def for_ladder(cls) -> tuple[BERT4Rec, ...]:
        """Small, with heads, inner units of another number, and epsilons that show where they are misplaced."""
        small = cls(
            variant="softmax",
            embedding_dim=8,
            length=6,
            mask_share=0.4,
            last_share=0.6,
            n_heads=2,
            ffn_dim=3,
            dropout=0.0,
            norm_epsilon=5e-4,  # no framework's default; Paddle takes 1e-3 at most
            batch_size=32,
            initial_scale=15.0,  # as published, hardly anything depends on a history
            epochs=12,
            learning_rate=0.0125,
            epsilon=1e-4,
            warmup_steps=0,
            weight_decay=0.0,
            clip_norm=0.0,
        )
        sampled = dataclasses.replace(
            small,
            variant="sampled softmax",
            n_negatives=7,
            dropout=0.2,
            last_share=0.2,
            epochs=4,
            warmup_steps=3,
            weight_decay=0.1,
            clip_norm=0.7,
            beta2=0.98,
        )
        return small, sampled

    @property
    def pads_targets(self) -> bool:
        return True

    def table(self, sizes: Sizes) -> tuple[Parameter, ...]:
        """Matrices are [out, in]. A norm's scale is its difference from one: it starts at 0.

        The paper draws from a normal distribution that is cut off at 0.02; here it is a uniform one up to there.
        """
        dim = self.embedding_dim
        return (
            Parameter("item_embedding", (sizes.n_items + 1, dim), 0.02),
            Parameter("mask_embedding", (1, dim), 0.02),
            Parameter("position_embedding", (self.length, dim), 0.02),
            *(row for block in range(self.n_blocks) for row in self._block_parameters(f"block_{block}")),
            Parameter("head_weight", (dim, dim), 0.02),
            Parameter("head_bias", (dim,), 0.0),
            Parameter("item_bias", (sizes.n_items,), 0.0),
        )

    def _block_parameters(self, block: str) -> tuple[Parameter, ...]:
        dim, ffn_dim = self.embedding_dim, self.ffn_dim or 4 * self.embedding_dim
        return (
            Parameter(f"{block}_query_weight", (dim, dim), 0.02),
            Parameter(f"{block}_key_weight", (dim, dim), 0.02),
            Parameter(f"{block}_value_weight", (dim, dim), 0.02),
            Parameter(f"{block}_mixed_weight", (dim, dim), 0.02),
            Parameter(f"{block}_attention_scale", (dim,), 0.0),
            Parameter(f"{block}_attention_shift", (dim,), 0.0),
            Parameter(f"{block}_inner_weight", (ffn_dim, dim), 0.02),
            Parameter(f"{block}_inner_bias", (ffn_dim,), 0.0),
            Parameter(f"{block}_outer_weight", (dim, ffn_dim), 0.02),
            Parameter(f"{block}_outer_bias", (dim,), 0.0),
            Parameter(f"{block}_ffn_scale", (dim,), 0.0),
            Parameter(f"{block}_ffn_shift", (dim,), 0.0),
        )

    def samples(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """As `masks.pieces` has them, MASKED being the mask."""
        rng = sampling.generator(*key, self.trains_on, epoch)
        return masks.pieces(
            rng, training, self.batch_size, self.length, share=self.mask_share, last=self.last_share, mask=MASKED
        )

    def inputs(self, queries: Questions) -> Iterator[tuple[Arrays, npt.NDArray[Any]]]:
        """As `questions.last_items`, with a mask after the last item, whose place the batch's length names."""
        for asked, rows in questions.last_items(queries, self.length - 1):
            history = np.pad(asked["history"], ((0, 0), (0, 1)))
            history[np.arange(len(history)), asked["length"]] = MASKED
            yield {**asked, "history": history}, rows

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        outputs = sequences.at_each(self._outputs(p, batch), batch["place"])
        return self.next_item_loss(self._scored(p, outputs), self.item_vectors(p), batch)

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        return self._scored(p, sequences.at(self._outputs(p, inputs), inputs["length"]))

    def item_vectors(self, p: Arrays) -> Any:
        """Items and their biases: float64[n_items, dim + 1]."""
        return np.concatenate([p["item_embedding"][1:], p["item_bias"][:, None]], 1)

    def _scored(self, p: Arrays, outputs: Any) -> Any:
        """What items are multiplied with, and 1 for their biases: float64[..., dim + 1]."""
        projected = gelu(outputs @ p["head_weight"].T + p["head_bias"])
        return np.concatenate([projected, np.ones((*projected.shape[:-1], 1))], -1)

    def _outputs(self, p: Arrays, inputs: Arrays) -> Any:
        """float64[batch, length, dim]."""
        x = self.dropped(self._embedded(p, inputs["history"]), inputs, 0)
        for i in range(self.n_blocks):
            block = f"block_{i}"
            attention = self.dropped(self._attention(p, block, x, inputs["history"] != 0), inputs, 1 + 2 * i)
            x = self.normed(p, f"{block}_attention", x + attention)
            x = self.normed(p, f"{block}_ffn", x + self.dropped(self._dense(p, block, x), inputs, 2 + 2 * i))
        return x

    def _embedded(self, p: Arrays, history: Any) -> Any:
        """Items or masks, and their positions: float64[batch, length, dim]."""
        items, masked = p["item_embedding"][np.maximum(history, 0)], (history == MASKED)[..., None]
        return items * ~masked + p["mask_embedding"] * masked + p["position_embedding"]

    def _attention(self, p: Arrays, block: str, x: Any, known: Any) -> Any:
        """Equations 1 and 2: in each head, a place sees all that are no padding."""
        return self.attended(p, block, x, known[:, None, None]) @ p[f"{block}_mixed_weight"].T

    def _dense(self, p: Arrays, block: str, x: Any) -> Any:
        """Equation 3."""
        inner = gelu(x @ p[f"{block}_inner_weight"].T + p[f"{block}_inner_bias"])
        return inner @ p[f"{block}_outer_weight"].T + p[f"{block}_outer_bias"]


def gelu(x: Any) -> Any:
    """The argument times the standard normal distribution function of it (Hendrycks and Gimpel 2016)."""
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))
