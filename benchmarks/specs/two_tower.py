"""What DSSM and YouTubeDNN share: features, towers and losses, and their reference in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import autograd.numpy as np
import numpy.typing as npt
from msgspec import Meta

from benchmarks import negatives, sampling
from benchmarks.protocols.features import n_categories
from benchmarks.settings import (
    Batch,
    Count,
    Name,
    Natural,
    NonNegative,
    Positive,
    SettingError,
    Width,
    WidthOrNone,
    check,
    require,
    require_distinct,
    whole,
)
from benchmarks.specs import questions, sequences
from benchmarks.specs.base import Adam, Arrays, Parameter, Questions, Sizes, Training
from datasets.errors import InputError, TooFewError

Form: TypeAlias = Literal["point-wise", "pair-wise", "list-wise", "triplet", "in-batch"]
Pooling: TypeAlias = Literal["mean", "sum", "max", "concat"]
Activation: TypeAlias = Literal["none", "leaky-relu", "prelu"]
Scaling: TypeAlias = Literal["none", "length", "squared-length"]
Features: TypeAlias = Annotated[tuple[Name, ...], Meta(min_length=1, description="a list of one or more names")]
Tower: TypeAlias = tuple[Width, ...]
IDS = ("user", "item")
BY_ROW = (*IDS, "history")  # features that are looked up by what a batch names, not in a column
SLOPE = 0.25  # where PReLU starts


@dataclass(frozen=True)
class TwoTower:
    """A user's features go through one tower, an item's through another; the inner product of the two is the score.

    Features are concatenated in the order given: "user" and "item" (the ids), "history" (the last items, which shares
    the item's table), and the split's columns by name, looked up in a table if sparse, taken as they are if dense. Row
    0 of every table is the unknown, and padding. A tower's layer is W x + b, or W x and batch normalisation
    (Ioffe and Szegedy 2015; kept variances are of n - 1), and an activation (PReLU: He et al. 2015, a slope a layer).

    The forms, for a positive item and its negatives with scores s_0 and s_1, s_2, …, over all rows of a batch:
        point-wise: mean of the binary cross entropies, s_0 labelled 1 and all others 0.
        pair-wise: mean of -log sigmoid(s_0 - s_j).
        list-wise: mean of -log softmax(s)_0.
        triplet: mean of max(0, |u - i_0| - |u - i_j| + margin).
        in-batch: list-wise, the negatives being the other rows' positives, those of the same item left out.
    """

    model: ClassVar[str]
    serves: ClassVar[str] = "vectors"
    answers_empty: ClassVar[bool] = False
    leak: ClassVar[float] = 0.01  # LeakyReLU's slope below zero
    momentum: ClassVar[float] = 0.1  # of what batch normalisation keeps: the newest batch's share
    norm_epsilon: ClassVar[float] = 1e-5
    tiny: ClassVar[float] = 1e-24  # the least square of a length
    variant: Name = "as_published"
    user_features: Features = ("user",)
    item_features: Features = ("item",)
    embedding_dim: Width = 128
    history_length: WidthOrNone = 0  # items at most; 0 where no feature is the history
    pooling: Pooling = "mean"
    prefixes_per_sequence: Natural = 0  # histories that an epoch draws from each sequence; 0: all of them
    user_tower: Tower = (64, 64)  # the layers' sizes
    item_tower: Tower = (64, 64)  # none: the features themselves are the vector
    activation: Activation = "leaky-relu"  # after every layer, the last one too
    batch_norm: bool = False
    scaling: Scaling = "length"  # what a tower's output is divided by
    form: Form = "list-wise"
    temperature: Positive = 1.0  # scores are divided by it
    margin: NonNegative = 1.0
    double_sigmoid: bool = False  # point-wise: the cross entropy takes sigmoid(s) for s
    by_distance: bool = False  # ranked by the Euclidean distance, not by the inner product
    sampler: negatives.Distribution = "uniform"
    n_negatives: Annotated[int, whole(1, 65_536)] = 3  # for each positive; none in-batch
    exclude_positives: bool = False  # a user's training items are no negatives for them
    log_q: bool = False  # log Q(item) is subtracted from scores in training (Yi et al. 2019, eq. 3)
    embedding_bound: Positive = 3**0.5  # tables are uniform in it, by default with a deviation of 1
    batch_size: Batch = 128  # positives
    epochs: Count = 10
    patience: Natural = 0
    learning_rate: Positive = 0.005
    epsilon: Positive = 1e-8
    l2: NonNegative = 0.0  # times half the squares of all parameters that are learnt: coupled weight decay
    filter_seen: bool = False

    def __post_init__(self) -> None:
        check(self, self.model)
        self._check_features()
        self._check_batch()
        self._check_towers({side: self._width_before_data(side) for side in IDS})

    def _check_features(self) -> None:
        require_distinct(self.model, self, "user_features", "item_features")
        for field, strange in (("user_features", ("item",)), ("item_features", ("user", "history"))):
            fits = not set(strange) & set(getattr(self, field))
            require(fits, self.model, self, field, f"none of {', '.join(strange)}, which the other tower reads")
        if (self.history_length > 0) != ("history" in self.user_features):
            raise SettingError(
                f"{self.model}: history_length is {self.history_length} and the user's features are "
                f"{', '.join(self.user_features)}; expected a length above 0 where one of them is history, else 0.",
                ("history_length",),
            )

        is_used = self.history_length or not self.prefixes_per_sequence
        require(bool(is_used), self.model, self, "prefixes_per_sequence", "0, since no feature is the history")

    @property
    def _needs_two(self) -> str | None:
        """What takes batches of two rows: one has no variance, and no other row whose item could be its negative."""
        return "batch_norm" if self.batch_norm else "the form in-batch" if self.form == "in-batch" else None

    def _check_batch(self) -> None:
        enough = self._needs_two is None or self.batch_size > 1
        require(enough, self.model, self, "batch_size", f"2 or more, which {self._needs_two} needs")
        fits = self.form != "triplet" or not self.log_q
        require(fits, self.model, self, "log_q", "false where the form is triplet, whose distances it cannot correct")

    def _width_before_data(self, side: str) -> int | None:
        """The columns of a tower's output; None where the data decide, since it has no layer and a column of theirs."""
        names = self.user_features if side == "user" else self.item_features
        if not self._sizes(side) and not set(names) <= set(BY_ROW):
            return None
        return self._output_width(side, {})

    def _output_width(self, side: str, columns: Arrays) -> int:
        sizes, names = self._sizes(side), dict(self._sides())[side]
        return sizes[-1] if sizes else sum(self._width(side, name, columns) for name in names)

    def _check_towers(self, widths: Mapping[str, int | None]) -> None:
        user, item = widths["user"], widths["item"]
        if user is not None and item is not None and user != item:
            raise SettingError(
                f"{self.model}: the user's tower ends in {user} columns and the item's in {item}, expected as many of "
                "both, for their inner product; correct user_tower, item_tower or embedding_dim in the suite.",
                ("user_tower",),
            )

    @property
    def asks(self) -> str:
        return "histories" if self.history_length else "users"

    @property
    def unlearnt(self) -> tuple[str, ...]:
        """The columns, and what batch normalisation keeps of the batches."""
        columns = tuple(f"{side}_{name}" for side, names in self._sides() for name in names if name not in BY_ROW)
        layers = [(side, i) for side in IDS for i in range(len(self._sizes(side)))]
        kept = tuple(f"{side}_norm_{what}_{i}" for side, i in layers for what in ("mean", "variance"))
        return columns + (kept if self.batch_norm else ())

    def _sides(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return ("user", self.user_features), ("item", self.item_features)

    def _sizes(self, side: str) -> tuple[int, ...]:
        return self.user_tower if side == "user" else self.item_tower

    @property
    def optimizer(self) -> Adam:
        return Adam(self.learning_rate, epsilon=self.epsilon)

    @property
    def shortest_sequence(self) -> int:
        """Items of the shortest training sequence that any sample is of: of a history there is at least one."""
        return 2 if self.history_length else 1

    def n_samples(self, chunk: Arrays) -> int:
        return int(chunk["user"].size)

    def parameters(self, sizes: Sizes) -> tuple[Parameter, ...]:
        """Columns, tables and towers; sparse columns are int32.

        Raises:
            InputError: if the data lack a feature, or towers end in widths that have no inner product.
        """
        columns = {
            f"{side}_{name}": self._column(sizes, side, name)
            for side, names in self._sides()
            for name in names
            if name not in BY_ROW
        }
        self._check_towers({side: self._output_width(side, columns) for side in IDS})
        n_rows = {
            "user": sizes.n_users,
            "item": sizes.n_items,
            **{name: n_categories(column) for name, column in columns.items()},
        }
        wanted = [name for name in n_rows if n_rows[name]]
        if "user" not in self.user_features:
            wanted.remove("user")
        dim = self.embedding_dim
        tables = tuple(Parameter(f"{name}_embedding", (n_rows[name] + 1, dim), self.embedding_bound) for name in wanted)
        towers = (
            row
            for side, names in self._sides()
            for row in self._layers(side, sum(self._width(side, name, columns) for name in names))
        )
        return (
            *(Parameter(name, column.shape, 0.0, column, is_data=True) for name, column in columns.items()),
            *tables,
            *towers,
        )

    def _column(self, sizes: Sizes, side: str, name: str) -> npt.NDArray[Any]:
        columns = sizes.user_features if side == "user" else sizes.item_features
        if name not in columns:
            raise InputError(
                f"{self.model}: the data have no {side} feature {name!r}, expected one of "
                f"{', '.join((*BY_ROW, *columns))}; correct it in the suite."
            )
        return columns[name]

    def _width(self, side: str, name: str, columns: Arrays) -> int:
        """Numbers that a feature hands to its tower."""
        if name in BY_ROW:
            return self.embedding_dim * (self.history_length if (name, self.pooling) == ("history", "concat") else 1)
        return self.embedding_dim if n_categories(columns[f"{side}_{name}"]) else 1

    def _layers(self, side: str, n_inputs: int) -> Iterator[Parameter]:
        """Weights are uniform as Glorot and Bengio (2010) have it, biases start at zero."""
        for i, size in enumerate(self._sizes(side)):
            yield Parameter(f"{side}_weight_{i}", (size, n_inputs), (6 / (size + n_inputs)) ** 0.5)
            if not self.batch_norm:  # which would take a bias away again
                yield Parameter(f"{side}_bias_{i}", (size,), 0.0)
            else:
                ones = np.ones(size, np.float32)
                yield Parameter(f"{side}_norm_scale_{i}", (size,), 0.0, ones)
                yield Parameter(f"{side}_norm_shift_{i}", (size,), 0.0)
                yield Parameter(f"{side}_norm_mean_{i}", (size,), 0.0)
                yield Parameter(f"{side}_norm_variance_{i}", (size,), 0.0, ones)
            if self.activation == "prelu":
                yield Parameter(f"{side}_slope_{i}", (1,), 0.0, np.full(1, SLOPE, np.float32))
            n_inputs = size

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """One pass over the training rows, or with a history over all of their prefixes.

        Yields:
            Chunks of user int32[steps, batch] and item int32[steps, batch, 1 + n_negatives], the positive first; with a
            history, history int32[steps, batch, length] and length int32[steps, batch]; with a correction, log_q
            float32[steps, batch, 1 + n_negatives].

        Raises:
            TooFewError: if there is one row, and a batch takes two.
        """
        rng = sampling.generator(*key, self.model, "samples", epoch)
        if self.history_length:
            most = self.prefixes_per_sequence
            samples = sampling.prefixes(rng, training, self.batch_size, self.history_length, most)
        else:
            samples = sampling.positives(rng, training, self.batch_size)
        add_items = self._in_batch(training) if self.form == "in-batch" else self._with_negatives(training, rng)
        for chunk in samples:
            if self._needs_two is not None and chunk["user"].shape[1] < 2:
                raise TooFewError(
                    f"{self.model}: there is one row to learn from, expected 2 or more, which {self._needs_two} needs; "
                    "take data of more rows."
                )
            target = chunk.pop("target")[..., None]
            yield {**chunk, **add_items(chunk["user"], target)}

    def _in_batch(self, training: Training) -> Callable[..., Arrays]:
        log_q = negatives.in_batch_log_q(self._as_positives(training))
        return lambda _, target: {"item": target, **({"log_q": log_q[target]} if self.log_q else {})}

    def _as_positives(self, training: Training) -> npt.NDArray[Any]:
        """How often each item is a positive in an epoch, on average of its draws: [n_items]."""
        if not self.prefixes_per_sequence:
            return np.bincount(training.item, minlength=training.n_items)
        indptr, items = training.sequence_indptr, training.sequence_items
        lengths = np.diff(indptr)
        share = np.repeat(np.minimum(1, self.prefixes_per_sequence / np.maximum(lengths - 1, 1)), lengths)
        share[indptr[:-1][lengths > 0]] = 0  # the first item of a sequence has no past
        return np.bincount(items, share, minlength=training.n_items)

    def _with_negatives(self, training: Training, rng: Any) -> Callable[..., Arrays]:
        sampler = negatives.Sampler.of(self.sampler, training, self.exclude_positives)
        log_q = negatives.log_q(sampler.probabilities)

        def add(user: npt.NDArray[np.int32], target: npt.NDArray[np.int32]) -> Arrays:
            item = np.concatenate([target, sampler.draw(rng, user, self.n_negatives)], -1)
            return {"item": item, **({"log_q": log_q[item]} if self.log_q else {})}

        return add

    def inputs(self, queries: Questions) -> Iterator[tuple[Arrays, npt.NDArray[Any]]]:
        return questions.last_items(queries, self.history_length)

    def held_fixed(self, p: Arrays, batch: Arrays) -> dict[str, Any]:  # noqa: ARG002 - the other specs' arguments
        return {}

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        users, items = self._trained(p, batch, {})
        squares = sum(np.sum(value**2) for name, value in p.items() if name not in self.unlearnt)
        return self._of_form(users, items, batch) + self.l2 / 2 * squares

    def carried(self, p: Arrays, batch: Arrays) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        self._trained(p, batch, kept)
        return kept

    def _trained(self, p: Arrays, batch: Arrays, kept: dict[str, Any]) -> tuple[Any, Any]:
        """float64[batch, dim] users and float64[batch, 1 + n, dim] items, as training sees them."""
        n_rows, n_items = batch["item"].shape
        users = self._tower(p, "user", self._user_inputs(p, batch), kept)
        items = self._tower(p, "item", self._item_inputs(p, batch["item"].ravel()), kept)
        return self._scaled(users), np.reshape(self._scaled(items), (n_rows, n_items, -1))

    def _of_form(self, users: Any, items: Any, batch: Arrays) -> Any:
        if self.form == "triplet":
            distance = np.sqrt(np.maximum(np.sum((users[:, None] - items) ** 2, -1), self.tiny))
            return np.mean(np.maximum(distance[:, :1] - distance[:, 1:] + self.margin, 0))
        scores = users @ items[:, 0].T if self.form == "in-batch" else np.sum(users[:, None] * items, -1)
        scores = scores / self.temperature
        if self.form == "in-batch":
            positive = batch["item"][:, 0]
            scores = scores - (batch["log_q"][:, 0] if self.log_q else 0)
            others = (positive[:, None] == positive) & ~np.eye(len(positive), dtype=bool)
            return sequences.softmax_loss(np.where(others, -1e9, scores), np.arange(len(positive)))
        scores = scores - (batch["log_q"] if self.log_q else 0)
        if self.form == "list-wise":
            return sequences.softmax_loss(scores, np.zeros(len(scores), int))
        if self.form == "pair-wise":
            return np.mean(np.logaddexp(0, scores[:, 1:] - scores[:, :1]))
        logits = sequences.sigmoid(scores) if self.double_sigmoid else scores
        return np.mean(np.logaddexp(0, logits)) - np.sum(logits[:, 0]) / logits.size

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        users = self._scaled(self._tower(p, "user", self._user_inputs(p, inputs), None))
        return np.concatenate([users, np.ones((len(users), 1))], 1) if self.by_distance else users

    def item_vectors(self, p: Arrays) -> Any:
        everything = np.arange(len(p["item_embedding"]) - 1)
        items = self._scaled(self._tower(p, "item", self._item_inputs(p, everything), None))
        # -|u - i|^2 / 2 without |u|^2, which ranks nothing, is an inner product
        return np.concatenate([items, -np.sum(items**2, 1, keepdims=True) / 2], 1) if self.by_distance else items

    def _user_inputs(self, p: Arrays, inputs: Arrays) -> Any:
        return np.concatenate(
            [self._feature(p, "user", name, inputs["user"] + 1, inputs) for name in self.user_features], 1
        )

    def _item_inputs(self, p: Arrays, item: Any) -> Any:
        return np.concatenate([self._feature(p, "item", name, item + 1, {}) for name in self.item_features], 1)

    def _feature(self, p: Arrays, side: str, name: str, row: Any, inputs: Arrays) -> Any:
        """What a feature hands to its tower: float64[n, width]."""
        if name == "history":
            return self._pooled(sequences.lookup(p["item_embedding"], inputs["history"]), inputs)
        if name in IDS:
            return p[f"{name}_embedding"][row]
        column = p[f"{side}_{name}"][row]
        return p[f"{side}_{name}_embedding"][column] if f"{side}_{name}_embedding" in p else column[:, None]

    def _pooled(self, items: Any, inputs: Arrays) -> Any:
        if self.pooling == "concat":
            return np.reshape(items, (len(items), -1))
        if self.pooling == "max":
            largest = np.max(np.where(inputs["history"][..., None] > 0, items, -1e9), 1)
            return np.where(inputs["length"][:, None] > 0, largest, 0)
        total = np.sum(items, 1)
        return total / np.maximum(inputs["length"], 1)[:, None] if self.pooling == "mean" else total

    def _tower(self, p: Arrays, side: str, x: Any, kept: dict[str, Any] | None) -> Any:
        """float64[n, last size]. In training `kept` takes up what batch normalisation keeps; None is no training."""
        for i in range(len(self._sizes(side))):
            x = x @ p[f"{side}_weight_{i}"].T
            x = self._normalised(p, side, i, x, kept) if self.batch_norm else x + p[f"{side}_bias_{i}"]
            if self.activation != "none":
                slope = p[f"{side}_slope_{i}"] if self.activation == "prelu" else self.leak
                x = np.maximum(x, 0) + slope * np.minimum(x, 0)
        return x

    def _normalised(self, p: Arrays, side: str, i: int, x: Any, kept: dict[str, Any] | None) -> Any:
        mean, variance = p[f"{side}_norm_mean_{i}"], p[f"{side}_norm_variance_{i}"]
        if kept is not None:
            of_batch, n = (np.mean(x, 0), np.var(x, 0)), len(x)
            kept[f"{side}_norm_mean_{i}"] = mean + self.momentum * (of_batch[0] - mean)
            kept[f"{side}_norm_variance_{i}"] = variance + self.momentum * (of_batch[1] * n / (n - 1) - variance)
            mean, variance = of_batch
        x = (x - mean) / np.sqrt(variance + self.norm_epsilon)
        return x * p[f"{side}_norm_scale_{i}"] + p[f"{side}_norm_shift_{i}"]

    def _scaled(self, vectors: Any) -> Any:
        if self.scaling == "none":
            return vectors
        square = np.maximum(np.sum(vectors**2, -1, keepdims=True), self.tiny)
        return vectors / (np.sqrt(square) if self.scaling == "length" else square)
