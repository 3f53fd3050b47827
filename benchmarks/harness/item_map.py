"""A map of a model's item vectors: two numbers an item, near each other where the vectors point the same way."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from datasets.errors import InputError
from datasets.interactions import Interactions

MAX_ITEMS = 2_000
"""Items on a map, the most popular: more are a blur, and every one of them stands in the record."""
TSNE_LIMIT = 5_000
"""Items in a catalogue that t-SNE lays out; of a larger one its principal components are shown."""
MIN_ITEMS = 4
"""Items below which t-SNE's perplexity, the number of neighbours that it minds, is less than one."""
ONE_DIRECTION = 1e-6
"""Vectors of length 1 that differ by no more than float32's rounding point the same way."""

CODES, NAMES = "item_category.npy", "item_categories.json"

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


def versions() -> dict[str, str]:
    """The version of the library that lays maps out, which all maps depend on."""
    return {"scikit-learn": importlib.metadata.version("scikit-learn")}


def save_categories(data: Interactions, folder: Path) -> None:
    """Writes each item's category, where items have any: the first of their features by name.

    Two files: int32[n_items], the codes, and a JSON list with a name for each code. A code that the data set has no
    name for is called by its feature and its number.
    """
    if not data.item_features:
        return
    feature = min(data.item_features)
    codes = data.item_features[feature]
    numbered = [f"{feature} {code}" for code in range(int(codes.max(initial=-1)) + 1)]
    names = list(data.item_feature_names.get(feature, numbered))
    np.save(folder / CODES, codes)
    (folder / NAMES).write_text(json.dumps(names), encoding="utf-8")


def load_categories(folder: Path, shown: Numbers) -> tuple[Numbers, list[str]] | None:
    """The shown items' categories, int64[n] numbered from 0, and their names; None where items have none."""
    if not (folder / CODES).exists():
        return None
    names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    codes, category = np.unique(np.load(folder / CODES)[shown], return_inverse=True)
    return category, [names[code] for code in codes]


def measure(job: Any) -> None:
    """Maps the most popular items, and says whether neighbours among them are of one category."""
    vectors = np.load(Path(job.asked["vectors"]) / "items.npy")
    shown = most_popular(job.judge().split.item_counts)
    with job.clock("map_s"):
        unit = directions(vectors)
        method, places = project(unit, shown)
    categories = load_categories(Path(job.asked["split"]), shown)
    x, y = places.T.tolist()
    job.finish(
        status="ok",
        metrics={} if categories is None else neighbour_shares(unit[shown], categories[0]),
        settings={"n_items": len(vectors), "dim": vectors.shape[1]},
        map={
            "method": method,
            "x": x,
            "y": y,
            "category": None if categories is None else categories[0].tolist(),
            "categories": None if categories is None else categories[1],
        },
    )


def most_popular(item_counts: Numbers) -> Numbers:
    """The items on the map, int64[n], by falling number of training rows, ties by number.

    What training has no row of is left out: its vector is what it was drawn as, or zero.
    """
    ranked = np.argsort(-item_counts, kind="stable")[:MAX_ITEMS]
    return ranked[item_counts[ranked] > 0]


def directions(vectors: Vectors) -> Vectors:
    """The vectors scaled to length 1, float32[n, d], so that distances are those of the cosine; zeros stay zeros.

    Raises:
        InputError: if a vector holds a value that is not finite.
    """
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise InputError(
            f"{len(bad)} of {len(vectors)} item vectors are not finite, the first that of item {bad[0]}, so there is "
            "no map of them; correct the model, or lower its learning rate."
        )
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def project(unit: Vectors, shown: Numbers) -> tuple[str, npt.NDArray[np.float64]]:
    """Places in the plane: t-SNE of the shown items, or their first two principal components among all.

    The larger side of the map spans -1 to 1, the other is drawn to the same scale, and both are centred.

    Args:
        unit: float32[n_items, d], the vectors of all items, of length 1.
        shown: int64[n], the items on the map.

    Returns:
        The method and float64[n, 2], rounded to 3 digits.

    Raises:
        InputError: if there are too few items, or all of them have one direction.

    Source: van der Maaten and Hinton, JMLR 2008; started from principal components as in Kobak and Berens, Nature
    Communications 2019.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n = len(shown)
    if n < MIN_ITEMS:
        raise InputError(f"{n} items are too few for a map, expected at least {MIN_ITEMS}; leave item_maps out.")
    if np.ptp(unit[shown], axis=0).max() < ONE_DIRECTION:  # on such, t-SNE divides by nothing and crashes
        raise InputError(f"the vectors of all {n} items have one direction, so a map is a dot; leave item_maps out.")
    plane = np.pad(unit, ((0, 0), (0, max(0, 2 - unit.shape[1]))))  # a model may have one dimension only
    if len(plane) <= TSNE_LIMIT:
        method = "t-SNE"
        perplexity = min(30.0, (n - 1) / 3)
        tsne = TSNE(n_components=2, init="pca", perplexity=perplexity, learning_rate="auto", random_state=0)
        places = tsne.fit_transform(plane[shown])
    else:
        method = "PCA"
        places = PCA(2, svd_solver="full").fit(plane).transform(plane[shown])
    low, high = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    scaled = (places - (low + high) / 2) / ((high - low).max() / 2)
    return method, np.round(scaled, 3) + 0.0  # no "-0.0"


def neighbour_shares(unit: Vectors, category: Numbers) -> dict[str, float]:
    """Whether the vectors know the categories: how often an item's nearest neighbour has the item's own.

    `neighbour_category_share` is the share of items whose nearest other item by cosine, the first of several, is of
    their category; `neighbour_category_chance` is what is expected of a neighbour drawn at random. The map has no
    part in either.

    Args:
        unit: float32[n, d], vectors of length 1, n at least 2.
        category: int64[n], numbered from 0.
    """
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = similarity.argmax(axis=1)
    size = np.bincount(category)
    n = len(category)
    return {
        "neighbour_category_share": float(np.mean(category[nearest] == category)),
        "neighbour_category_chance": float(size @ (size - 1) / (n * (n - 1))),
    }
