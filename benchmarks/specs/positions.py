"""What sequence models share that can learn at many places of a history at once: dropout, negatives, and the losses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import autograd.numpy as np
from numpy.random import Generator

from benchmarks import negatives, sampling
from benchmarks.settings import Decay, Dropout, Portion, WidthOrNone, require
from benchmarks.specs import sequences
from benchmarks.specs.base import Adam, Arrays, Training, WithDropout

TrainsOn: TypeAlias = Literal["cuts", "prefixes", "positions"]

NOBODY = -1
"""Who a batch's shared negatives are drawn for."""


OBJECTIVES: tuple[Mapping[str, Any], ...] = (
    {"objective": "softmax", "log_q": False},
    {"objective": "softmax", "log_q": True, "sampler": "popularity"},
    {"objective": "bce", "calibration": 0.0},
    {"objective": "bce", "calibration": 0.75},
)
"""What climbs the ladder as one choice; see `base.OnLadder`."""


@dataclass(frozen=True)
class PositionsSpec(WithDropout, sequences.SequenceSpec):
    """A model whose places each have an output, so that many can learn at once: which item is next, or is hidden there.

    Dropout (Srivastava et al. 2014) sets elements to zero in training, and makes the others so much larger. What is
    dropped is drawn here, for all frameworks alike, and so are negatives. The loss is a mean over all targets, for an
    output whose inner products are s+ with its target and s- with each of k negatives:
        softmax: -log softmax of s+, over all items, or over the target and the negatives that all targets of a batch
            share, less those that are the target. With log_q, the log of the probability with which an item is drawn is
            taken from s+ and s- (Bengio and Senecal 2008; Yi et al. 2019, eq. 3): that of the expected count, k times
            as large, would move all logits alike.
        bce: -(beta log sigmoid(s+) + sum of log(1 - sigmoid(s-))) / (k + 1), each target with k negatives of its own,
            the target among them by chance, unless positives are excluded. With a calibration of 0, beta is 1, and
            with one negative, which the user does not have, that is SASRec's loss (Kang and McAuley 2018, section
            III-E; their code adds the two terms). Else it is gBCE (Petrov and Macdonald 2023); see `beta`.
    """

    trains_on: TrainsOn = "positions"  # type: ignore[assignment] # or all places of a sequence at once
    objective: Literal["softmax", "bce"] = "softmax"
    n_negatives: WidthOrNone = 0  # those of a batch, or of each target; 0: a softmax over all items
    sampler: negatives.Distribution = "uniform"
    exclude_positives: bool = False  # a user's training items are no negatives for them
    log_q: bool = False
    calibration: Portion = 0.0  # t of gBCE
    dropout: Dropout = 0.0  # in steps of 1 / 256
    beta2: Decay = 0.999  # of Adam; 0.98 in the code of SASRec's authors

    def __post_init__(self) -> None:
        super().__post_init__()
        is_bce, samples = self.objective == "bce", bool(self.n_negatives)
        self._require("n_negatives", samples or not is_bce, "1 or more, which bce needs")
        self._require("sampler", samples or self.sampler == "uniform", "uniform, since no negatives are drawn")
        self._require("log_q", not self.log_q or (samples and not is_bce), "false but for a softmax over negatives")
        self._require("calibration", is_bce or not self.calibration, '0 unless objective = "bce"')
        shared = 'false unless objective = "bce": the negatives of a softmax are shared by all users of a batch'
        self._require("exclude_positives", is_bce or not self.exclude_positives, shared)

    def _require(self, field: str, met: bool, expected: str) -> None:
        require(met, self.model, self, field, expected)

    def n_dropped(self) -> int:
        """How many arrays as large as the embedded histories dropout is applied to."""
        raise NotImplementedError

    @property
    def pads_targets(self) -> bool:
        """Whether a row has several targets, shifted as histories are, 0 being padding; else it is one item."""
        return self.trains_on == "positions"

    @property
    def optimizer(self) -> Adam:
        return replace(super().optimizer, beta2=self.beta2)

    def beta(self, n_items: int) -> float:
        """The power that bce raises the positive's probability to (Petrov and Macdonald 2023).

        That is alpha (t (1 - 1 / alpha) + 1 / alpha), with the calibration t and the share alpha of all items but the
        positive that are drawn: 1 with a t of 0, alpha with a t of 1.
        """
        alpha = self.n_negatives / max(n_items - 1, 1)
        return 1 - self.calibration * (1 - alpha)

    def n_samples(self, chunk: Arrays) -> int:
        return int(np.count_nonzero(chunk["target"])) if self.pads_targets else super().n_samples(chunk)

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """What `samples` draws, and what is drawn for it.

        With dropout, keep, bool[steps, batch, n_dropped, length, embedding_dim]; with a softmax over negatives, these,
        int32[steps, n_negatives], and with log_q that of each, negative_log_q and target_log_q, float32 of the shapes
        of negatives and target; with bce, negatives, int32[*target.shape, n_negatives], of padding, too.

        Raises:
            InputError: if the sampler has no item to draw, or positives are excluded and a user has all of them.
        """
        chunks = self.samples(training, key, epoch)
        if self.n_negatives:
            chunks = self._with_negatives(chunks, training, sampling.generator(*key, "negatives", epoch))
        return self._with_dropout(chunks, sampling.generator(*key, "dropout", epoch)) if self.drop_rate else chunks

    def samples(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """The batches before dropout and negatives are drawn for them."""
        if self.trains_on != "positions":
            return super().batches(training, key, epoch)
        rng = sampling.generator(*key, self.trains_on, epoch)
        return sampling.every_position(rng, training, self.batch_size, self.length)

    def _with_negatives(self, chunks: Iterator[Arrays], training: Training, rng: Generator) -> Iterator[Arrays]:
        sampler = negatives.Sampler.of(self.sampler, training, self.exclude_positives)
        log_q, is_bce = negatives.log_q(sampler.probabilities), self.objective == "bce"
        for whole in chunks:
            n_bytes = 4 * self.n_negatives * (whole["target"][0].size if is_bce else 1)
            for chunk in sampling.in_portions(whole, n_bytes):
                target = chunk["target"]
                users = _at_each(chunk["user"], target) if is_bce else np.full(len(target), NOBODY, np.int32)
                drawn = sampler.draw(rng, users, self.n_negatives)
                of_item = {"target_log_q": self._items(target), "negative_log_q": drawn} if self.log_q else {}
                yield {**chunk, "negatives": drawn, **{name: log_q[item] for name, item in of_item.items()}}

    def _with_dropout(self, chunks: Iterator[Arrays], rng: Generator) -> Iterator[Arrays]:
        for whole in chunks:
            shape = (whole["history"].shape[1], self.n_dropped(), self.length, self.embedding_dim)
            for chunk in sampling.in_portions(whole, math.prod(shape)):
                yield {**chunk, "keep": sampling.kept(rng, self.drop_rate, (len(chunk["history"]), *shape))}

    def _items(self, target: Any) -> Any:
        """The items that targets name; of padding, the first."""
        return np.maximum(target - 1, 0) if self.pads_targets else target

    def dropped(self, x: Any, batch: Arrays, place: int) -> Any:
        """What dropout leaves of an array, float64[batch, length, dim]; all of it where nothing is learnt."""
        return x * batch["keep"][:, place] * self.keep_scale if "keep" in batch else x

    def next_item_loss(self, outputs: Any, table: Any, batch: Arrays, n_before: int = 0) -> Any:
        """The mean loss of the targets that are no padding.

        Args:
            outputs: float64[batch, targets, dim] where a row has several, else float64[batch, dim].
            table: float64[rows, dim], the classes.
            batch: its targets and negatives.
            n_before: rows of the table before that of the first item.
        """
        target = np.reshape(batch["target"], -1)
        known = target > 0 if self.pads_targets else target >= 0
        outputs = np.reshape(outputs, (len(target), -1))[known]
        target = self._items(target)[known] + n_before
        if not self.n_negatives:
            return sequences.softmax_loss(outputs @ table.T, target)
        of_target = np.sum(outputs * table[target], 1)
        drawn = batch["negatives"] + n_before
        if self.objective == "bce":
            own = np.reshape(drawn, (len(known), -1))[known]
            of_own, beta = np.sum(outputs[:, None] * table[own], 2), self.beta(len(table) - n_before)
            minus_logs = beta * softplus(-of_target) + np.sum(softplus(of_own), 1)
            return np.mean(minus_logs) / (1 + own.shape[1])
        of_negatives = outputs @ table[drawn].T
        if self.log_q:
            of_target = of_target - np.reshape(batch["target_log_q"], -1)[known]
            of_negatives = of_negatives - batch["negative_log_q"]
        of_negatives = np.where(drawn == target[:, None], -np.inf, of_negatives)
        return sequences.softmax_loss(np.concatenate([of_target[:, None], of_negatives], 1), np.zeros(len(target), int))


def softplus(x: Any) -> Any:
    """-log sigmoid(-x), that is log(1 + e^x)."""
    return np.logaddexp(0, x)


def _at_each(user: Any, target: Any) -> Any:
    """The user of each target: int32 of the targets' shape, from int32[steps, batch]."""
    return np.broadcast_to(user if user.ndim == target.ndim else user[..., None], target.shape)
