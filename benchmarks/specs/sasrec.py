"""SASRec (Kang and McAuley 2018): causal self-attention over the last items, softmax over all items, tied weights."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import autograd.numpy as np

from benchmarks.settings import Batch, Dropout, Name, Width, WidthOrNone
from benchmarks.specs import attention, positions, sequences
from benchmarks.specs.base import Arrays, OnLadder, Parameter, Sizes


@dataclass(frozen=True)
class SASRec(attention.AttentionSpec):
    """The user is what the last item's place has become in the blocks; the next item: softmax(<user, item>).

    The blocks are the paper's: x + g(LayerNorm(x)), where g is the attention of equations 2 and 3 and then the dense
    network of equation 4. (The authors' code normalises the queries alone and adds the attention to them, not to x;
    RecBole normalises after the sum.) Dropout stands where the paper has it, on the embedded history and on each g.
    The loss is the cross entropy of the next item over all items, or over sampled ones. The paper's is a binary one,
    against one negative that the user does not have: objective = "bce", n_negatives = 1, exclude_positives = true.
    gSASRec's (Petrov and Macdonald 2023) is binary, too, with more negatives, which the user may have, and a
    calibration; its items that are scored have a table of their own.

    Histories are padded on the right, so positions count from the oldest item that is kept; the paper pads on the left.
    """

    model: ClassVar[str] = "sasrec"
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={
            "n_blocks": (1, 2, 3),
            "n_heads": (1, 2, 4),
            "ffn_dim": (0, 3),
            "trains_on": ("cuts", "prefixes", "positions"),
            "objective": positions.OBJECTIVES,
            "n_negatives": (0, 1, 30),  # few enough to look each target's up, and so many that all scores are less
            "dropout": (0.0, 0.25),
            "warmup_steps": (0, 5),
            "weight_decay": (0.0, 0.1),
            "clip_norm": (0.0, 0.7),
        },
        plain={"n_negatives": 1},  # without any, there is but one objective
        is_mean_of_rows=True,
        wide={"batch_size": 1500, "length": 40, "cuts_per_sequence": 1, "embedding_dim": 66},
        far_back={"length": 300, "n_blocks": 1, "n_heads": 1},
        starts={"extreme": ({"batch_size": 200, "cuts_per_sequence": 1},), "shifted": ({},)},
    )
    variant: Name = "sampled softmax"
    length: Width = 50
    batch_size: Batch = 128
    n_negatives: WidthOrNone = 512
    dropout: Dropout = 0.2

    @classmethod
    def for_ladder(cls) -> tuple[SASRec, ...]:
        """Small, with heads, inner units of another number, and epsilons that show where they are misplaced.

        Batches and inner units are so few that no ReLU whose output counts comes nearer to its kink than 5e-5 in the
        whole training: at a kink, rounding alone would part one framework from another.
        """
        small = cls(
            variant="softmax",
            embedding_dim=8,
            length=6,
            n_heads=2,
            ffn_dim=3,
            n_negatives=0,
            dropout=0.0,
            norm_epsilon=5e-4,  # no framework's default; Paddle takes 1e-3 at most
            batch_size=16,
            trains_on="cuts",
            cuts_per_sequence=2,
            min_history=4,
            epochs=6,
            learning_rate=0.0085,
            epsilon=1e-4,
        )
        every = dataclasses.replace(
            small,
            variant="every position",
            trains_on="positions",
            n_negatives=7,
            dropout=0.2,
            epochs=4,
            learning_rate=0.0075,
            warmup_steps=3,
            weight_decay=0.1,
            clip_norm=0.7,
        )
        plain = dataclasses.replace(every, warmup_steps=0, weight_decay=0.0, clip_norm=0.0)
        by_popularity = dataclasses.replace(plain, variant="logQ", sampler="popularity", log_q=True)
        calibrated = dataclasses.replace(plain, variant="gBCE", objective="bce", calibration=0.75, beta2=0.98)
        return small, every, by_popularity, calibrated

    def table(self, sizes: Sizes) -> tuple[Parameter, ...]:
        """Matrices are [out, in], uniform in 1/sqrt(in). A norm's scale is its difference from one: it starts at 0."""
        dim = self.embedding_dim
        return (
            Parameter("item_embedding", (sizes.n_items + 1, dim), dim**-0.5),
            Parameter("position_embedding", (self.length, dim), dim**-0.5),
            *(row for block in range(self.n_blocks) for row in self._block_parameters(f"block_{block}")),
            Parameter("final_scale", (dim,), 0.0),
            Parameter("final_shift", (dim,), 0.0),
        )

    def _block_parameters(self, block: str) -> tuple[Parameter, ...]:
        dim, ffn_dim = self.embedding_dim, self.ffn_dim or self.embedding_dim
        return (
            Parameter(f"{block}_attention_scale", (dim,), 0.0),
            Parameter(f"{block}_attention_shift", (dim,), 0.0),
            Parameter(f"{block}_query_weight", (dim, dim), dim**-0.5),
            Parameter(f"{block}_key_weight", (dim, dim), dim**-0.5),
            Parameter(f"{block}_value_weight", (dim, dim), dim**-0.5),
            Parameter(f"{block}_ffn_scale", (dim,), 0.0),
            Parameter(f"{block}_ffn_shift", (dim,), 0.0),
            Parameter(f"{block}_inner_weight", (ffn_dim, dim), dim**-0.5),
            Parameter(f"{block}_inner_bias", (ffn_dim,), 0.0),
            Parameter(f"{block}_outer_weight", (dim, ffn_dim), ffn_dim**-0.5),
            Parameter(f"{block}_outer_bias", (dim,), 0.0),
        )

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        outputs = self._outputs(p, batch) if self.trains_on == "positions" else self.user_vectors(p, batch)
        return self.next_item_loss(outputs, self.item_vectors(p), batch)

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        """The output at the last item's place; of no history, at the first place."""
        return sequences.at(self._outputs(p, inputs), np.maximum(inputs["length"] - 1, 0))

    def _outputs(self, p: Arrays, inputs: Arrays) -> Any:
        """F of the last block (equation 5), normalised: float64[batch, length, dim]."""
        x = self.dropped(self._embedded(p, inputs["history"]), inputs, 0)
        for block in range(self.n_blocks):
            attention = self._attention(p, f"block_{block}", self.normed(p, f"block_{block}_attention", x))
            x = x + self.dropped(attention, inputs, 1 + 2 * block)
            dense = self._dense(p, f"block_{block}", self.normed(p, f"block_{block}_ffn", x))
            x = x + self.dropped(dense, inputs, 2 + 2 * block)
        return self.normed(p, "final", x)

    def _embedded(self, p: Arrays, history: Any) -> Any:
        """Equation 1: items and their positions, float64[batch, length, dim]; padding is zeros.

        Items are scaled by sqrt(dim), as in the authors' code.
        """
        items = p["item_embedding"][history] * self.embedding_dim**0.5
        return (items + p["position_embedding"]) * (history > 0)[..., None]

    def _attention(self, p: Arrays, block: str, x: Any) -> Any:
        """Equations 2 and 3 in each head: a place sees itself and those before it. There is no output matrix.

        Padding stands after all items, so the causal mask keeps it from them: it needs no mask of its own.
        """
        return self.attended(p, block, x, np.tril(np.ones((x.shape[1], x.shape[1]), bool)))

    def _dense(self, p: Arrays, block: str, x: Any) -> Any:
        """Equation 4."""
        inner = np.maximum(x @ p[f"{block}_inner_weight"].T + p[f"{block}_inner_bias"], 0)
        return inner @ p[f"{block}_outer_weight"].T + p[f"{block}_outer_bias"]
