"""Mult-VAE (Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering"): who has what, made anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import autograd.numpy as np
import numpy.typing as npt
from autograd.scipy.special import logsumexp

from benchmarks import sampling
from benchmarks.settings import Batch, Count, Dropout, Name, Natural, NonNegative, Portion, Positive, Width, check
from benchmarks.specs import questions, sequences
from benchmarks.specs.base import Adam, Arrays, OnLadder, Parameter, Questions, Sizes, Training, WithDropout


@dataclass(frozen=True)
class MultVAE(WithDropout):
    """What a user has is a multinomial draw, the logits of which a network makes of a normal draw z.

    Another network makes mean and variance of z from what the user has: a set, as a vector of Euclidean length 1, of
    which dropout takes some. The loss is the negative evidence lower bound, whose second term is weighted: by zero in
    the first step, and by more in each that follows, up to kl_weight. The networks have a layer with tanh each, as
    published for MovieLens-20M. For a history z is its mean, and an item's score an inner product with the last layer's
    units, and a bias.

    Parameters start as the authors' code has them, but for biases, which start at zero. Each call of an adapter holds
    what its users have as float32[users, n_items].
    """

    model: ClassVar[str] = "mult-vae"
    asks: ClassVar[str] = "histories"
    answers_empty: ClassVar[bool] = False
    serves: ClassVar[str] = "vectors"
    unlearnt: ClassVar[tuple[str, ...]] = ()
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={"dropout": (0.0, 0.5), "kl_steps": (0, 30), "weight_decay": (0.0, 0.1)},
        is_mean_of_rows=True,
        wide={"batch_size": 1500, "length": 40, "kl_steps": 0},
        far_back={"length": 300, "kl_steps": 0},
        starts={"extreme": ({"kl_steps": 0},)},
    )
    variant: Name = "as_published"
    hidden_dim: Width = 600  # units of the layer between items and z, in both networks
    embedding_dim: Width = 200  # of z
    length: Width = 1000  # items of a history, the last ones; training reads at most so many of each user, drawn anew
    batch_size: Batch = 500  # users
    dropout: Dropout = 0.5  # of the items, in steps of 1 / 256
    kl_weight: Portion = 0.2  # of the second term, a Kullback-Leibler divergence, at most
    kl_steps: Natural = 200_000  # steps in which it would rise to 1; it stays where it has come to kl_weight
    epochs: Count = 200
    patience: Natural = 0
    learning_rate: Positive = 0.001
    epsilon: Positive = 1e-8
    weight_decay: NonNegative = 0.0
    filter_seen: bool = True

    def __post_init__(self) -> None:
        check(self, self.model)

    @classmethod
    def for_ladder(cls) -> tuple[MultVAE, ...]:
        """Small, with a second term that is felt, and still rises in half of the steps."""
        small = cls(
            hidden_dim=7,
            embedding_dim=5,
            length=12,
            batch_size=32,
            kl_weight=0.6,
            kl_steps=30,
            epochs=4,
            learning_rate=0.02,
            epsilon=1e-4,
        )
        return (small,)

    @property
    def optimizer(self) -> Adam:
        return Adam(self.learning_rate, epsilon=self.epsilon, weight_decay=self.weight_decay)

    def n_samples(self, chunk: Arrays) -> int:
        return int(chunk["user"].size)

    def parameters(self, sizes: Sizes) -> tuple[Parameter, ...]:
        """Matrices are [out, in], but for those of the items; uniform as in Glorot and Bengio 2010, equation 16."""
        n_items, hidden, latent = sizes.n_items, self.hidden_dim, self.embedding_dim
        of_items, of_z = (6 / (n_items + hidden)) ** 0.5, (6 / (latent + hidden)) ** 0.5
        to_both = (6 / (hidden + 2 * latent)) ** 0.5  # to mean and variance at once, as the authors' code has them
        return (
            Parameter("encoder_embedding", (n_items, hidden), of_items),
            Parameter("encoder_bias", (hidden,), 0.0),
            Parameter("mean_weight", (latent, hidden), to_both),
            Parameter("mean_bias", (latent,), 0.0),
            Parameter("variance_weight", (latent, hidden), to_both),
            Parameter("variance_bias", (latent,), 0.0),
            Parameter("decoder_weight", (hidden, latent), of_z),
            Parameter("decoder_bias", (hidden,), 0.0),
            Parameter("item_embedding", (n_items, hidden), of_items),
            Parameter("item_bias", (n_items,), 0.0),
        )

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """As `sampling.sets`.

        With them, noise float32[steps, batch, embedding_dim], of a standard normal distribution, and weight
        float32[steps, batch], of the second term, the same for all of a step; with dropout, keep bool[steps, batch,
        length].
        """
        rng = {name: sampling.generator(*key, self.model, name, epoch) for name in ("users", "noise", "dropout")}
        n_users = int(np.count_nonzero(np.diff(training.seen_indptr)))
        done = (epoch - 1) * (n_users // min(self.batch_size, max(n_users, 1)))
        for whole in sampling.sets(rng["users"], training, self.batch_size, self.length):
            n_bytes = whole["user"].shape[1] * (4 * self.embedding_dim + self.length)
            for chunk in sampling.in_portions(whole, n_bytes):
                shape = chunk["user"].shape
                noise = rng["noise"].standard_normal((*shape, self.embedding_dim), dtype=np.float32)
                weight = np.broadcast_to(self._weights(done, len(noise))[:, None], shape)
                keep = {"keep": sampling.kept(rng["dropout"], self.drop_rate, chunk["history"].shape)}
                yield {**chunk, "noise": noise, "weight": weight.copy(), **(keep if self.drop_rate else {})}
                done += len(noise)

    def _weights(self, done: int, n_steps: int) -> npt.NDArray[np.float32]:
        """Of the second term, in the next steps after so many others: float32[n_steps]."""
        risen = np.arange(done, done + n_steps) / self.kl_steps if self.kl_steps else np.ones(n_steps)
        return np.minimum(self.kl_weight, risen).astype(np.float32)

    def inputs(self, queries: Questions) -> Iterator[tuple[Arrays, npt.NDArray[Any]]]:
        return questions.last_items(queries, self.length)

    def held_fixed(self, p: Arrays, batch: Arrays) -> dict[str, Any]:  # noqa: ARG002 - the other specs' arguments
        return {}

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        """A mean over users, its second term in closed form (Kingma and Welling 2014, appendix B)."""
        hidden = self._encoded(p, batch)
        mean = hidden @ p["mean_weight"].T + p["mean_bias"]
        log_variance = hidden @ p["variance_weight"].T + p["variance_bias"]
        z = mean + np.exp(log_variance / 2) * batch["noise"]
        logits = self._decoded(p, z) @ p["item_embedding"].T + p["item_bias"]
        has = multi_hot(batch["history"], len(p["item_bias"]))
        likelihood = np.sum(has * (logits - logsumexp(logits, 1, keepdims=True)), 1)
        divergence = 0.5 * np.sum(mean**2 + np.exp(log_variance) - log_variance - 1, 1)
        return np.mean(batch["weight"] * divergence - likelihood)

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        """The last layer's units and 1 for the items' biases: float64[n, hidden_dim + 1]."""
        units = self._decoded(p, self._encoded(p, inputs) @ p["mean_weight"].T + p["mean_bias"])
        return np.concatenate([units, np.ones((len(units), 1))], 1)

    def item_vectors(self, p: Arrays) -> Any:
        return np.concatenate([p["item_embedding"], p["item_bias"][:, None]], 1)

    def _encoded(self, p: Arrays, inputs: Arrays) -> Any:
        """Units of the first network's layer: float64[batch, hidden_dim]."""
        n_items, history = len(p["item_bias"]), inputs["history"]
        x = sequences.normalised(multi_hot(history, n_items))
        if "keep" in inputs:
            x = x * multi_hot(history * inputs["keep"], n_items) * self.keep_scale
        return np.tanh(x @ p["encoder_embedding"] + p["encoder_bias"])

    def _decoded(self, p: Arrays, z: Any) -> Any:
        """Units of the second network's layer: float64[batch, hidden_dim]."""
        return np.tanh(z @ p["decoder_weight"].T + p["decoder_bias"])


def multi_hot(history: Any, n_items: int) -> Any:
    """Who has what, float64[batch, n_items] of 0 and 1, from int[batch, length]: item + 1, 0 being padding."""
    has = np.zeros((len(history), n_items + 1))
    has[np.arange(len(history))[:, None], history] = 1.0
    return has[:, 1:]
