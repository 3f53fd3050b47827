"""What sequence models share that are made of blocks of self-attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import autograd.numpy as np

from benchmarks.settings import Count, Few, Positive, WidthOrNone, require
from benchmarks.specs import positions, sequences
from benchmarks.specs.base import Arrays


@dataclass(frozen=True)
class AttentionSpec(positions.PositionsSpec):
    """Blocks of attention and two dense layers, with dropout before the first and on what each of the two makes."""

    n_blocks: Few = 2
    n_heads: Count = 1
    ffn_dim: WidthOrNone = 0  # units between the two dense layers; 0: as many as published
    norm_epsilon: Positive = 1e-8  # under the root of LayerNorm; frameworks' own are 1e-3 to 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        divides = self.embedding_dim % self.n_heads == 0
        require(divides, self.model, self, "n_heads", f"a divisor of embedding_dim, which is {self.embedding_dim}")

    def n_dropped(self) -> int:
        return 1 + 2 * self.n_blocks

    def attended(self, p: Arrays, block: str, x: Any, seen: Any) -> Any:
        """Scaled products in each head, the heads one behind the other: float64[batch, length, dim].

        Args:
            p: has matrices of queries, keys and values, [dim, dim], without biases.
            block: its name in them.
            x: float64[batch, length, dim].
            seen: bool, for [batch, heads, length, length]: which places the last axis' are seen from.
        """
        query, key, value = (self._heads(x @ p[f"{block}_{part}_weight"].T) for part in ("query", "key", "value"))
        scores = query @ np.swapaxes(key, 2, 3) / np.sqrt(query.shape[3])
        mixed = sequences.softmax(np.where(seen, scores, -np.inf), 3) @ value
        return np.reshape(np.swapaxes(mixed, 1, 2), x.shape)

    def _heads(self, x: Any) -> Any:
        """float64[batch, heads, length, dim / heads] from float64[batch, length, dim]."""
        return np.swapaxes(np.reshape(x, (*x.shape[:2], self.n_heads, -1)), 1, 2)

    def normed(self, p: Arrays, name: str, x: Any) -> Any:
        """LayerNorm; its scale is kept as the difference from one."""
        return sequences.layer_norm(x, 1 + p[f"{name}_scale"], p[f"{name}_shift"], self.norm_epsilon)
