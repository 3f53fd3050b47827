"""The embedded data set: drawn from a known model, so that the best possible metric is known too.

User u's k-th interaction happens at time t and is with item i with probability

    P(i | u, t, previous item p) = (1 - λ) Σ_c θ_u(t)[c] φ_c(i) + λ T(p, i)        (λ = 0 for k = 0)

Popularity is a power law: w_i ∝ r_i^-α, r a random permutation of the ranks 1 … n_items.

Latent tastes c = 0 … C-1 are distributions over items. Each item has one category, the categories
are of equal size, and a taste prefers the category of its own number by the factor e^γ; Gaussian
noise g tells the items of a category apart:

    φ_c(i) ∝ w_i · b_c(i) / Σ_c' b_c'(i),    b_c(i) = exp(γ [category_i = c] + σ g_ci)

Taste C, the background, is popularity itself: φ_C = w / Σ w.

Drift. A user has a home taste h, anchor tastes a_0 … a_(D+1) and a phase p in [0, 1). Over the whole
period (t from 0 to 1) the user moves along D anchors: s = p + D t, j = ⌊s⌋, f = s - j, and

    θ_u(t) = β [C] + ρ [h] + (1 - β - ρ) ((1 - f) [a_j] + f [a_(j+1)])

h and a_0 are uniform; a_(j+1) is the successor of a_j in one cycle through all tastes with
probability κ, else uniform. So where a user is going can be learnt, from the order of what others did.

Transitions. Item p has S successors, drawn (with replacement) from the taste of its own category:
T(p, ·) gives the r-th of them a weight ∝ 2^-r. An item may be consumed again.

Activity. Numbers of interactions are log-normal; a user's times are uniform over the user's own
interval, which covers 40 to 100 % of the period, so that a split in time finds most users on both sides.

Features: the user's `segment` is h, the item's `category` is the one above.

Every draw comes from Philox, keyed by the seed and by what the draw is for. Given a user's times, last
item and tastes, the expected number of times that each item occurs among the next n interactions is a
sum of exact marginals; `Model.expected_counts` computes it, and ranking by it is the oracle. It knows
the future tastes too, which no trained model can: it is a bound, not a target.

The three ingredients (power law, drifting latent tastes, first-order transitions) are those of FPMC
(Rendle et al., 2010) and of time-aware factors (Koren, 2009), as mixtures instead of logits.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from datasets.errors import InputError
from datasets.hashing import content_hash
from datasets.interactions import Interactions

BEGIN_S = 1_577_836_800  # 2020-01-01T00:00:00Z
PERIOD_S = 2 * 365 * 24 * 3600
TIME_BITS = PERIOD_S.bit_length()
MIN_ROWS = 5  # of each user, so that nobody is without a history
BLOCK_ROWS = 1 << 20  # drawn at once; the outcome does not depend on it
# The position is part of each generator's key: append, never reorder.
PURPOSES = ("popularity", "affinities", "successors", "users", "activity", "times", "choices")


Query = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Settings:
    """The size and the constants of one data set; the symbols are the module docstring's.

    `small` is tuned so that families of models are far apart. Mean recall@20 of seeds 0 to 2, over all rows of
    the last tenth in time, trained on the first 80 %, seen items not filtered: popularity 0.148, item CF 0.214,
    MF 0.26 (BPR) and 0.28 (log loss), GRU 0.364, oracle 0.505; bootstrap errors are below 0.007.
    """

    n_users: int
    n_items: int
    n_interactions: int
    n_tastes: int  # C
    popularity_exponent: float  # α
    n_drifts: int = 2  # D
    n_successors: int = 4  # S
    transition_share: float = 0.35  # λ
    background_share: float = 0.04  # β
    home_share: float = 0.15  # ρ
    follow_share: float = 0.8  # κ
    category_affinity: float = 7.0  # γ
    item_affinity: float = 0.7  # σ
    activity_sigma: float = 0.6  # of log n
    seed: int = 0


SIZES = {
    "tiny": Settings(n_users=200, n_items=100, n_interactions=6_000, n_tastes=6, popularity_exponent=0.6),
    "small": Settings(n_users=2_000, n_items=1_000, n_interactions=120_000, n_tastes=24, popularity_exponent=0.6),
    "medium": Settings(n_users=20_000, n_items=15_000, n_interactions=2_000_000, n_tastes=48, popularity_exponent=0.7),
    "large": Settings(n_users=138_000, n_items=20_000, n_interactions=20_000_000, n_tastes=64, popularity_exponent=0.8),
}


class Parameters(NamedTuple):
    """The true probabilities; Numba reads a named tuple as it is.

    Attributes:
        phi: float64[n_tastes + 1, n_items], φ; the last row is the background.
        successors: int32[n_items, n_successors].
        successor_p: float64[n_successors], their probabilities in T, the same for every item.
        tastes: int32[n_users, 3 + n_drifts]: the home taste, then the anchors.
        phase: float64[n_users], p.
        shares: float64[3]: λ, β, ρ.
    """

    phi: npt.NDArray[np.float64]
    successors: npt.NDArray[np.int32]
    successor_p: npt.NDArray[np.float64]
    tastes: npt.NDArray[np.int32]
    phase: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]


class Rows(NamedTuple):
    """What was drawn, user by user.

    Attributes:
        offsets: int64[n_users + 1]; user u's rows are offsets[u] … offsets[u + 1] - 1.
        seconds: int32[n_interactions], since the period's begin, never falling within a user.
        items: int32[n_interactions].
    """

    offsets: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.int32]
    items: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Model:
    """The probabilities and the rows that were drawn from them; implements `Truth`."""

    parameters: Parameters
    rows: Rows

    def expected_counts(
        self, users: npt.NDArray[np.int32], first: npt.NDArray[np.int64], n: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """As `Truth.expected_counts`: exact, conditional on the times, tastes and last item of each user.

        Takes time in proportion to n_items × n.sum() and gives n_items × q numbers: for `large`, ask in chunks.

        Raises:
            ValueError: if a user is unknown or does not have the asked rows; no times were drawn for others.
        """
        asked, first, n = (np.ascontiguousarray(array, np.int64) for array in (users, first, n))
        rows_of = np.diff(self.rows.offsets)
        known = (asked >= 0) & (asked < len(rows_of))
        wrong = ~known | (first < 0) | (n < 1) | (first + n > rows_of[np.where(known, asked, 0)])
        if wrong.any():
            q = int(np.argmax(wrong))
            rows = f"has {rows_of[asked[q]]} interactions" if known[q] else f"is none of the {len(rows_of)}"
            raise ValueError(
                f"asked about {n[q]} interactions after the first {first[q]} of user {asked[q]}, who {rows}"
            )
        counts = np.empty((len(asked), self.parameters.phi.shape[1]), np.float32)
        _sum_marginals((asked, first, n), self.parameters, self.rows, counts)
        return counts


def load(size: str) -> Interactions:
    """The synthetic data set of a size in `SIZES`.

    Raises:
        InputError: if there is no such size.
    """
    if size not in SIZES:
        raise InputError(f"there is no synthetic data set of size {size!r}: use one of {', '.join(SIZES)}")
    return generate(f"synthetic-{size}", SIZES[size])


def generate(name: str, settings: Settings) -> Interactions:
    """Draw a data set; the same settings give the same bytes."""
    model, category = make_model(settings)
    offsets, seconds, items = model.rows
    row_bits = settings.n_interactions.bit_length()
    # One sort of 64-bit keys is faster than an argsort; the row number breaks ties and is the order.
    key = (seconds.astype(np.int64) << row_bits) | np.arange(settings.n_interactions)
    key.sort()
    timestamp = ((key >> row_bits) + BEGIN_S) * 1_000_000
    key &= (1 << row_bits) - 1
    data = Interactions(
        name=name,
        user=np.repeat(np.arange(settings.n_users, dtype=np.int32), np.diff(offsets))[key],
        item=items[key],
        timestamp=timestamp,
        session=None,
        rating=None,
        user_ids=_ids("u", settings.n_users),
        item_ids=_ids("i", settings.n_items),
        content_hash="",
        user_features={"segment": model.parameters.tastes[:, 0].copy()},
        item_features={"category": category},
        notes=(f"generated, seed {settings.seed}",),
        truth=model,
    )
    return dataclasses.replace(data, content_hash=content_hash(data))


def make_model(settings: Settings) -> tuple[Model, npt.NDArray[np.int32]]:
    """Draw the parameters, the times and then the items; with the model come the items' categories."""
    phi, category = _draw_tastes_of_items(settings)
    successors = _draw_successors(settings, phi, category)
    weights = 0.5 ** np.arange(settings.n_successors)
    shares = np.array([settings.transition_share, settings.background_share, settings.home_share])
    parameters = Parameters(phi, successors, weights / weights.sum(), *_draw_users(settings), shares)
    rows = Rows(*_draw_times(settings), np.empty(settings.n_interactions, np.int32))
    draw_items(parameters, rows, _generator(settings, "choices"))
    return Model(parameters, rows), category


def draw_items(parameters: Parameters, rows: Rows, generator: np.random.Generator) -> None:
    """Draw every user's items and write them to `rows.items`; the generator gives two numbers a row, in order."""
    cumulative = parameters._replace(phi=_cumulative(parameters.phi), successor_p=_cumulative(parameters.successor_p))
    offsets, n_users = rows.offsets, len(rows.offsets) - 1
    low = 0
    while low < n_users:
        block_end = np.searchsorted(offsets, offsets[low] + BLOCK_ROWS, side="right")
        high = min(max(int(block_end) - 1, low + 1), n_users)
        _draw_block(low, high, cumulative, rows, generator.random((int(offsets[high] - offsets[low]), 2)))
        low = high


def _generator(settings: Settings, purpose: str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[settings.seed, PURPOSES.index(purpose)]))


def _ids(prefix: str, n: int) -> npt.NDArray[np.str_]:
    """Str[n], numbered with leading zeros, so that sorted ids are in the order of their numbers."""
    width = len(str(n - 1))
    return np.array([f"{prefix}{number:0{width}}" for number in range(n)])


def _cumulative(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cumulative sums along the last axis that end in exactly 1: no uniform number in [0, 1) lies beyond."""
    sums = np.cumsum(p, axis=-1)
    return sums / sums[..., -1:]


def _draw_tastes_of_items(settings: Settings) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """φ and the items' categories."""
    n_tastes, n_items = settings.n_tastes, settings.n_items
    popularity = np.arange(1.0, n_items + 1) ** -settings.popularity_exponent
    popularity = _generator(settings, "popularity").permutation(popularity)
    generator = _generator(settings, "affinities")
    category = (generator.permutation(n_items) % n_tastes).astype(np.int32)
    affinity = settings.item_affinity * generator.standard_normal((n_tastes, n_items))
    affinity[category, np.arange(n_items)] += settings.category_affinity
    affinity = np.exp(affinity)
    affinity /= affinity.sum(axis=0)  # what tastes share out is an item's popularity, no more and no less
    phi = np.vstack([popularity * affinity, popularity])
    return phi / phi.sum(axis=1, keepdims=True), category


def _draw_successors(
    settings: Settings, phi: npt.NDArray[np.float64], category: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """int32[n_items, n_successors]."""
    uniform = _generator(settings, "successors").random((settings.n_items, settings.n_successors))
    successors = np.empty(uniform.shape, np.int32)
    for taste, cumulative in enumerate(_cumulative(phi[: settings.n_tastes])):
        members = category == taste
        successors[members] = np.searchsorted(cumulative, uniform[members], side="right")
    return successors


def _draw_users(settings: Settings) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Tastes and phase, as in `Parameters`."""
    generator = _generator(settings, "users")
    tastes = generator.integers(0, settings.n_tastes, (settings.n_users, 3 + settings.n_drifts), dtype=np.int32)
    follows = generator.random(tastes.shape) < settings.follow_share
    cycle = generator.permutation(settings.n_tastes).astype(np.int32)
    successor = np.empty_like(cycle)
    successor[cycle] = np.roll(cycle, -1)
    for anchor in range(2, tastes.shape[1]):
        tastes[:, anchor] = np.where(follows[:, anchor], successor[tastes[:, anchor - 1]], tastes[:, anchor])
    return tastes, generator.random(settings.n_users)


def _draw_times(settings: Settings) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Offsets and seconds, as in `Rows`."""
    generator = _generator(settings, "activity")
    n_users = settings.n_users
    activity = _cumulative(np.exp(settings.activity_sigma * generator.standard_normal(n_users)))
    free = settings.n_interactions - MIN_ROWS * n_users
    offsets = np.zeros(n_users + 1, np.int64)
    # Rounding the sums rather than the counts keeps their total exact.
    offsets[1:] = np.rint(activity * free).astype(np.int64) + MIN_ROWS * np.arange(1, n_users + 1)
    length = 0.4 + 0.6 * generator.random(n_users)
    start = (1 - length) * generator.random(n_users)
    n = np.diff(offsets)
    key = _generator(settings, "times").random(settings.n_interactions)
    key *= np.repeat(length * PERIOD_S, n)
    key += np.repeat(start * PERIOD_S, n)
    seconds = key.astype(np.int64)
    del key  # for `large` each of these arrays is 160 MB
    seconds |= np.repeat(np.arange(n_users, dtype=np.int64) << TIME_BITS, n)
    seconds.sort()
    seconds &= (1 << TIME_BITS) - 1
    return offsets, seconds.astype(np.int32)


@numba.njit(cache=True)
def _draw_block(low: int, high: int, cumulative: Parameters, rows: Rows, uniform: npt.NDArray[np.float64]) -> None:
    """Write the items of users low … high - 1.

    Args:
        low: the first user.
        high: one more than the last user.
        cumulative: φ and the successors' probabilities as cumulative sums.
        rows: all rows.
        uniform: float64[rows of these users, 2]; the first chooses transition or taste, the second the item.
    """
    transition, background, home = cumulative.shares
    drifting = 1 - background - home
    speed = (cumulative.tastes.shape[1] - 3) / PERIOD_S
    for user in range(low, high):
        tastes = cumulative.tastes[user]
        previous = -1
        for row in range(rows.offsets[user], rows.offsets[user + 1]):
            which, what = uniform[row - rows.offsets[low]]
            if previous >= 0 and which < transition:
                rank = np.searchsorted(cumulative.successor_p, what, side="right")
                previous = cumulative.successors[previous, rank]
            else:
                if previous >= 0:
                    which = (which - transition) / (1 - transition)
                position = cumulative.phase[user] + rows.seconds[row] * speed
                anchor = int(position)
                if which < background:
                    taste = cumulative.phi.shape[0] - 1
                elif which < background + home:
                    taste = tastes[0]
                elif which - background - home < drifting * (1 - (position - anchor)):
                    taste = tastes[1 + anchor]
                else:
                    taste = tastes[2 + anchor]
                previous = np.searchsorted(cumulative.phi[taste], what, side="right")
            rows.items[row] = previous


@numba.njit(cache=True, parallel=True)
def _sum_marginals(query: Query, parameters: Parameters, rows: Rows, counts: npt.NDArray[np.float32]) -> None:
    """Write the sums of x_1 … x_n, where x_k = (1 - λ) θ(t_k) φ + λ x_(k-1) T and x_0 is the last item.

    Each query is one thread's work, so the number of threads changes no bit.

    Args:
        query: users, first and n, int64[q] each.
        parameters: the model.
        rows: all rows; of the asked ones, only the times are read.
        counts: float32[q, n_items], written to.
    """
    phi, successors, successor_p = parameters.phi, parameters.successors, parameters.successor_p
    n_items = phi.shape[1]
    _, background, home = parameters.shares
    speed = (parameters.tastes.shape[1] - 3) / PERIOD_S
    for q in numba.prange(len(query[0])):
        user = query[0][q]
        begin = rows.offsets[user] + query[1][q]
        tastes = parameters.tastes[user]
        always = background * phi[-1] + home * phi[tastes[0]]
        before, now, total = np.zeros(n_items), np.zeros(n_items), np.zeros(n_items)
        if begin > rows.offsets[user]:
            before[rows.items[begin - 1]] = 1.0
        for row in range(begin, begin + query[2][q]):
            transition = parameters.shares[0] if row > rows.offsets[user] else 0.0
            position = parameters.phase[user] + rows.seconds[row] * speed
            anchor = int(position)
            left, right = phi[tastes[1 + anchor]], phi[tastes[2 + anchor]]
            drifting = (1 - transition) * (1 - background - home)
            for item in range(n_items):
                mixture = left[item] + (position - anchor) * (right[item] - left[item])
                now[item] = (1 - transition) * always[item] + drifting * mixture
            for item in range(n_items):
                if before[item] > 0.0:
                    for rank in range(len(successor_p)):
                        now[successors[item, rank]] += transition * before[item] * successor_p[rank]
            total += now
            before, now = now, before
        counts[q] = total
