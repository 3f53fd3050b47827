"""LightGCN (He et al. 2020, "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import autograd.numpy as np
import numpy.typing as npt
import scipy.sparse
from autograd.extend import defvjp, primitive

from benchmarks import negatives, sampling
from benchmarks.settings import Batch, Count, Name, Natural, NonNegative, Positive, Width, check
from benchmarks.specs.base import Adam, Arrays, OnLadder, Parameter, Sizes, Training


@dataclass(frozen=True)
class LightGCN:
    """Users and items are the nodes of a graph; an edge joins who has what. A vector is a mean over layers.

    With A the graph's adjacency and D its degrees, E_0 the learnt rows of users and items (equations 6 to 8):

        E_k+1 = D^-1/2 A D^-1/2 E_k,  E = (E_0 + ... + E_K) / (K + 1)

    The loss is that of BPR with these vectors (equation 15), its penalty on the rows of E_0 that a batch looks up.

    The defaults are those of section 4.1.2, the batch and the draws those of the authors' code: a user, one of the
    user's items, and one that the user does not have, each uniformly. An epoch draws as many as there are edges. Who
    has nothing, or everything, is not drawn.

    Every step passes through the whole graph, so large batches cost less. PyTorch takes a product with a sparse matrix;
    the others have rows of all edges in memory, 8 bytes times edges and dimensions a layer.
    """

    model: ClassVar[str] = "lightgcn"
    asks: ClassVar[str] = "users"
    serves: ClassVar[str] = "vectors"
    unlearnt: ClassVar[tuple[str, ...]] = ("edge_to", "edge_from", "edge_weight")
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={"n_layers": (1, 2, 4), "l2": (0.0, 1e-2)},
        wide={"batch_size": 1500, "embedding_dim": 66},
        starts={"extreme": ({"epsilon": 1e-8},)},
    )
    variant: Name = "as_published"
    embedding_dim: Width = 64
    n_layers: Count = 3
    batch_size: Batch = 2048  # triples a step
    epochs: Count = 1000
    patience: Natural = 0
    learning_rate: Positive = 0.001
    epsilon: Positive = 1e-8
    l2: NonNegative = 1e-4  # times half of the squares of a triple's three rows, a mean over triples
    filter_seen: bool = True

    def __post_init__(self) -> None:
        check(self, self.model)

    @classmethod
    def for_ladder(cls) -> tuple[LightGCN, ...]:
        """Small, with an epsilon and a penalty large enough to be seen where they are misplaced."""
        small = cls(
            embedding_dim=8,
            batch_size=64,
            epochs=8,
            learning_rate=0.03,
            epsilon=1e-4,
            l2=1e-2,
        )
        return (small,)

    @property
    def optimizer(self) -> Adam:
        return Adam(self.learning_rate, epsilon=self.epsilon)

    def n_samples(self, chunk: Arrays) -> int:
        return int(chunk["user"].size)

    def parameters(self, sizes: Sizes) -> tuple[Parameter, ...]:
        """Rows of E_0, uniform as in Glorot and Bengio 2010, equation 16; and the graph, see `edges`."""
        dim, (to, from_, weight) = self.embedding_dim, edges(sizes)
        return (
            Parameter("user_embedding", (sizes.n_users, dim), (6 / (sizes.n_users + dim)) ** 0.5),
            Parameter("item_embedding", (sizes.n_items, dim), (6 / (sizes.n_items + dim)) ** 0.5),
            Parameter("edge_to", to.shape, 0.0, to, is_data=True),
            Parameter("edge_from", from_.shape, 0.0, from_, is_data=True),
            Parameter("edge_weight", weight.shape, 0.0, weight, is_data=True),
        )

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """Chunks of user, positive, negative: int32[steps, batch_size]."""
        rng = {name: sampling.generator(*key, self.model, name, epoch) for name in ("positives", "negatives")}
        others = negatives.Sampler.of("uniform", training, exclude_positives=True)
        for chunk in sampling.positives_by_user(rng["positives"], training, self.batch_size):
            yield {**chunk, "negative": others.draw(rng["negatives"], chunk["user"], 1)[..., 0]}

    def held_fixed(self, p: Arrays, batch: Arrays) -> dict[str, Any]:  # noqa: ARG002 - the other specs' arguments
        return {}

    def carried(self, p: Arrays, batch: Arrays) -> dict[str, Any]:  # noqa: ARG002 - a step leaves the graph as it is
        return {}

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        user, positive, negative = batch["user"], batch["positive"], batch["negative"]
        users, items = self._vectors(p)
        margin = np.sum(users[user] * (items[positive] - items[negative]), 1)
        learnt = (p["user_embedding"][user], p["item_embedding"][positive], p["item_embedding"][negative])
        squares = sum(np.sum(rows**2, 1) for rows in learnt)
        return np.mean(np.logaddexp(0.0, -margin) + self.l2 / 2 * squares)

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        return self._vectors(p)[0][inputs["user"]]

    def item_vectors(self, p: Arrays) -> Any:
        return self._vectors(p)[1]

    def _vectors(self, p: Arrays) -> tuple[Any, Any]:
        """E of users float64[n_users, dim], and of items float64[n_items, dim]."""
        n_users, n_items = len(p["user_embedding"]), len(p["item_embedding"])
        of_edges = (p["edge_weight"], (p["edge_to"], p["edge_from"]))
        graph = scipy.sparse.csr_array(of_edges, (n_users + n_items, n_users + n_items))
        layer = total = np.concatenate([p["user_embedding"], p["item_embedding"]])
        for _ in range(self.n_layers):
            layer = _times(graph, layer)
            total = total + layer
        mean = total / (self.n_layers + 1)
        return mean[:n_users], mean[n_users:]


@primitive
def _times(matrix: Any, x: Any) -> Any:
    """A sparse matrix times a dense one."""
    return matrix @ x


defvjp(_times, lambda _, matrix, x: lambda slope: matrix.T @ slope, argnums=(1,))  # noqa: ARG005 - the library's form


def edges(sizes: Sizes) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The graph of who has what, each edge in both directions, sorted by the node that it leads to, then by the other.

    Nodes are users by their numbers, then items. An edge's weight is 1 / sqrt(the degrees of its two nodes).

    Returns:
        int32[2 * edges] to, int32[2 * edges] from, float32[2 * edges] weight.

    Raises:
        ValueError: if the sizes do not say who has what.
    """
    if len(sizes.seen_indptr) != sizes.n_users + 1:
        raise ValueError("LightGCN learns from who has what, which these sizes do not hold: `Sizes.of` a split does")
    degree = np.diff(sizes.seen_indptr)
    user, item = np.repeat(np.arange(len(degree)), degree), np.asarray(sizes.seen_items)
    counts = np.bincount(item, minlength=sizes.n_items)
    weight = (1 / np.sqrt(degree[user] * counts[item])).astype(np.float32)
    by_item = np.argsort(item, kind="stable")
    node = item + sizes.n_users
    return (
        np.concatenate([user, node[by_item]]).astype(np.int32),
        np.concatenate([node, user[by_item]]).astype(np.int32),
        np.concatenate([weight, weight[by_item]]),
    )
