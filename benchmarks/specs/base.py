"""What every model spec is made of: sizes, parameters with their initialisers, and the optimizer's numerics."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.settings import check

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]
Schedule: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]


class Known(Protocol):
    """Whatever has users and items of which something is known: a split, or the ladder's own data."""

    @property
    def n_users(self) -> int: ...
    @property
    def n_items(self) -> int: ...
    @property
    def user_features(self) -> Arrays: ...
    @property
    def item_features(self) -> Arrays: ...
    @property
    def seen_indptr(self) -> npt.NDArray[np.int64]: ...
    @property
    def seen_items(self) -> npt.NDArray[np.int32]: ...


@dataclass(frozen=True)
class Sizes:
    """What a model has to know of the data before it takes a step.

    Attributes:
        n_users, n_items: how many there are.
        user_features, item_features: what is known of each, name -> [n_users + 1] or [n_items + 1]; see
            `protocols.features`.
        seen_indptr, seen_items: int64[n_users + 1] and int32, the training items of user u, each once and in ascending
            order, in seen_items[seen_indptr[u]:seen_indptr[u + 1]]; only some models ask for them.
    """

    n_users: int
    n_items: int
    user_features: Arrays = field(default_factory=dict)
    item_features: Arrays = field(default_factory=dict)
    seen_indptr: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    seen_items: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    @classmethod
    def of(cls, known: Known) -> Sizes:
        return cls(*(getattr(known, field.name) for field in dataclasses.fields(cls)))


@dataclass(frozen=True)
class Parameter:
    """One row of a spec's parameter table.

    Attributes:
        name: canonical name, the same in all backends and in every exported file.
        shape: the shape of the array.
        bound: initial values are uniform in [-bound, bound); 0 gives zeros.
        values: where given, the initial values themselves, float32 or, of codes that are looked up, int32.
        is_data: whether the values are what is known of users and items; no step changes them, and no checkpoint holds
            them, since they come with the data.
    """

    name: str
    shape: tuple[int, ...]
    bound: float
    values: npt.NDArray[Any] | None = None
    is_data: bool = False


@dataclass(frozen=True)
class Adam:
    """Adam with bias correction, epsilon outside the root and after the correction (Kingma and Ba 2015, algorithm 1).

    Attributes:
        learning_rate: the step size alpha.
        beta1, beta2: decay rates of the first and the second moment.
        epsilon: added to the root of the corrected second moment.
        warmup_steps: the learning rate rises to its value in so many steps, linearly (Goyal et al. 2017, section 2.2;
            Vaswani et al. 2017, section 5.3): step t, the first being 1, takes min(1, t / warmup_steps) of it. 0: none.
        weight_decay: how much of every learnt parameter a step takes away, biases and untouched rows too, times the
            step's learning rate, apart from the gradient (Loshchilov and Hutter 2019, algorithm 2, whose lambda does
            not contain the learning rate; all frameworks have it so). 0: none.
        clip_norm: the gradient is scaled by min(1, clip_norm / its L2 norm over all parameters), before the moments
            see it (Pascanu et al. 2013, algorithm 1). 0: it is not.
    """

    name: ClassVar[Literal["adam"]] = "adam"
    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    warmup_steps: int = 0
    weight_decay: float = 0.0
    clip_norm: float = 0.0

    def warmth(self, done: Any) -> Any:
        """The share of the learning rate that a step takes after so many others, float64: of one number, or of many."""
        return np.minimum(1.0, (done + 1) / max(self.warmup_steps, 1))

    def schedule(self, done: int, n_steps: int) -> Schedule:
        """The learning rates of the next steps, the bias corrections folded into a step size and an epsilon for each.

        theta - alpha m^ / (sqrt(v^) + epsilon) equals theta - a_t m / (sqrt(v) + e_t) with
        a_t = alpha sqrt(1 - beta2^t) / (1 - beta1^t) and e_t = epsilon sqrt(1 - beta2^t). The powers are taken in
        float64: in float32 they are the largest avoidable difference between frameworks (1.3e-5 at step 1). What decays
        is not corrected: theta d_t is taken away, where d_t = alpha weight_decay. In warm-up, alpha is smaller.

        Args:
            done: steps taken so far.
            n_steps: how many follow.

        Returns:
            float32[n_steps] a_t, float32[n_steps] e_t and float32[n_steps] d_t.
        """
        before = np.arange(done, done + n_steps, dtype=np.float64)
        rate = self.learning_rate * self.warmth(before)
        root = np.sqrt(1.0 - self.beta2 ** (before + 1))
        step_size = rate * root / (1.0 - self.beta1 ** (before + 1))
        decay = rate * self.weight_decay
        return step_size.astype(np.float32), (self.epsilon * root).astype(np.float32), decay.astype(np.float32)


@dataclass(frozen=True)
class SGD:
    """Plain gradient descent, the gradient of all parameters together clipped to a norm (Pascanu et al. 2013).

    Attributes:
        learning_rate: the step size.
        clip_norm: the gradient is scaled by min(1, clip_norm / its L2 norm over all parameters).
    """

    name: ClassVar[Literal["sgd"]] = "sgd"
    learning_rate: float
    clip_norm: float

    def schedule(self, done: int, n_steps: int) -> Schedule:  # noqa: ARG002
        """Step sizes that stay the same, no epsilons and no decay: three float32[n_steps], as Adam has them."""
        nothing = np.zeros(n_steps, np.float32)
        return np.full(n_steps, self.learning_rate, np.float32), nothing, nothing


class Training(Protocol):
    """What of a split a spec may draw its batches from: training rows only; see `protocols.Split` for the arrays."""

    @property
    def n_users(self) -> int: ...
    @property
    def n_items(self) -> int: ...
    @property
    def user(self) -> npt.NDArray[np.int32]: ...
    @property
    def item(self) -> npt.NDArray[np.int32]: ...
    @property
    def item_counts(self) -> npt.NDArray[np.int64]: ...
    @property
    def seen_indptr(self) -> npt.NDArray[np.int64]: ...
    @property
    def seen_items(self) -> npt.NDArray[np.int32]: ...
    @property
    def sequence_user(self) -> npt.NDArray[np.int32]: ...
    @property
    def sequence_indptr(self) -> npt.NDArray[np.int64]: ...
    @property
    def sequence_items(self) -> npt.NDArray[np.int32]: ...


class Questions(Protocol):
    """What of a protocol's queries a model may be told; see `protocols.Queries` for the arrays."""

    @property
    def user(self) -> npt.NDArray[np.int32]: ...
    @property
    def history(self) -> npt.NDArray[np.int32]: ...
    @property
    def start(self) -> npt.NDArray[np.int64]: ...
    @property
    def stop(self) -> npt.NDArray[np.int64]: ...


class Spec(Protocol):
    """One model family, free of any framework: a frozen dataclass with these members.

    Attributes:
        model: the family's name in the registry.
        asks: "users": one vector for each user of the training rows, whatever the query; "histories": one for each
            query, from what it says of the past.
        answers_empty: whether it has an answer to a query without any history; else that gets the popular items.
            Only where the spec asks for histories.
        serves: "vectors": ranked by inner products of `embed_users` and `embed_items`; "scores": the same, but of one
            column, in which there is nothing to search; "lists": by the adapter's `recommend`.
        variant: what tells this row of a leaderboard from others of the family.
        epochs: how often `batches` is drawn, at most.
        patience: training stops after so many epochs without a better validation metric, and goes back to the
            parameters of the best; 0 trains to the end.
        filter_seen: whether what the user is known to have is left out of the lists.
    """

    model: ClassVar[str]
    asks: ClassVar[str]
    answers_empty: ClassVar[bool]
    serves: ClassVar[str]
    variant: str
    epochs: int
    patience: int
    filter_seen: bool

    def n_samples(self, chunk: Arrays) -> int:
        """What a chunk learns from, the unit of throughput: interactions, negatives not counted, or users."""
        ...

    def parameters(self, sizes: Sizes) -> tuple[Parameter, ...]: ...

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """One epoch as chunks `{name: array[steps, batch, ...]}`, drawn from the generator keyed by key and epoch."""
        ...

    def inputs(self, queries: Questions) -> Iterator[tuple[Arrays, npt.NDArray[np.int64]]]:
        """The queries in portions: what `embed_users` takes, and int64[n], which queries its vectors are for.

        Only where the spec asks for histories.
        """
        ...


@dataclass(frozen=True)
class OnLadder:
    """With which settings a family climbs the ladder beside those of `for_ladder`, in place of the first one's.

    Attributes:
        choices: field -> every kind of value that changes which lines of an adapter run, as suites, defaults and
            publications have it. All pairs of them climb. Fields that only make sense together are one choice, under
            the first one's name: each of its values is a dictionary of settings.
        plain: settings that all choices fit with.
        wide: of the climb over wide data, beside a batch of 1,500 and histories of 40 items.
        far_back: of the climb over histories of 300 items, more than a number of 8 bits can count; None where a model
            reads none, or always all of a session.
        starts: start -> settings of the climbs from there, see `climbs.Climb`; the first from extreme rows are for each
            form of `for_ladder`, all others for one.
        is_mean_of_rows: whether the loss of a batch is the mean of its rows', each of which could stand alone; the
            reference then takes a large batch in portions.
        steps_from_extreme: whether the climbs from extreme rows go on to the first step; not where a softmax gives an
            item a probability that float32 does not hold, of which Adam makes a whole step.
        tiniest: the factor of the rows nearest to zero, so small that what keeps a length from zero acts; where a
            vector's third power is formed, larger, since float32 does not hold it.
        long: of the one of more than a thousand steps; None but for one cheap family, since what could change after so
            many is what all of a backend share.
    """

    choices: Mapping[str, tuple[Any, ...]]
    plain: Mapping[str, Any] = field(default_factory=dict)
    wide: Mapping[str, Any] = field(default_factory=dict)
    far_back: Mapping[str, Any] | None = None
    starts: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=lambda: {"extreme": ({},)})
    is_mean_of_rows: bool = False
    steps_from_extreme: bool = True
    tiniest: float = 1e-14
    long: Mapping[str, Any] | None = None


class DifferentiableSpec(Spec, Protocol):
    """A spec that is trained by gradient steps, and so stands on the agreement ladder.

    `loss`, `user_vectors` and `item_vectors` are the float64 NumPy reference that readers trust and adapters are held
    to; they are written with `autograd.numpy`, so that the reference's gradients are exact and nobody's handwork.

    Where `unlearnt` names parameters, `carried` says what a step leaves in them.
    """

    on_ladder: ClassVar[OnLadder]

    def __hash__(self) -> int: ...

    @property
    def unlearnt(self) -> tuple[str, ...]:
        """Parameters that no gradient moves: constants, and state that is carried from step to step."""
        ...

    @classmethod
    def for_ladder(cls) -> tuple[DifferentiableSpec, ...]:
        """The spec at sizes at which the ladder can afford the reference, every setting still felt.

        More than one, of different variants, where one cannot hold all settings.
        """
        ...

    @property
    def optimizer(self) -> Adam | SGD: ...

    def held_fixed(self, parameters: Arrays, batch: Arrays) -> dict[str, Any]:
        """What depends on the parameters, but counts as constant in the loss: where a paper stops gradients.

        It is handed to `loss` among the batch's arrays, so that automatic and finite differences alike leave it alone.
        """
        ...

    def loss(self, parameters: Arrays, batch: Arrays) -> Any: ...

    def carried(self, parameters: Arrays, batch: Arrays) -> dict[str, npt.NDArray[np.float64]]:
        """The unlearnt parameters that a step on this batch changes, as it leaves them."""
        ...

    def user_vectors(self, parameters: Arrays, inputs: Arrays) -> npt.NDArray[np.float64]: ...

    def item_vectors(self, parameters: Arrays) -> npt.NDArray[np.float64]: ...


class WithoutParameters:
    """What specs share whose models take no steps and start from nothing."""

    model: ClassVar[str]

    def __post_init__(self) -> None:
        check(self, self.model)

    def n_samples(self, chunk: Arrays) -> int:  # noqa: ARG002 - it takes no steps
        return 0

    def parameters(self, sizes: Sizes) -> tuple[Parameter, ...]:  # noqa: ARG002 - it has none
        return ()


class WithDropout:
    """What specs share that have dropout (Srivastava et al. 2014), in steps of 1 / 256."""

    dropout: float

    @property
    def drop_rate(self) -> int:
        """Of 256 elements so many are dropped."""
        return round(256 * self.dropout)

    @property
    def keep_scale(self) -> float:
        """What the elements that dropout keeps are multiplied by."""
        return 256 / (256 - self.drop_rate)


def settings(spec: Any) -> dict[str, Any]:
    """The spec's fields as they go into records and hashes."""
    return {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}


def digest(value: Any) -> str:
    """SHA-256 (hex, 16 digits) of a JSON-able value, independent of the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]
