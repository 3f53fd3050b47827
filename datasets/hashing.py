"""What the arrays of a data set hold, as one list and as one hash."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from datasets.interactions import Interactions

ARRAYS = ("user", "item", "timestamp", "session", "rating", "user_ids", "item_ids")
FEATURES = ("user_features", "item_features")


def arrays_of(data: Interactions) -> dict[str, npt.NDArray[Any]]:
    """Every array of a data set under its name, features as `user_features/NAME`; absent ones are left out."""
    arrays = {name: getattr(data, name) for name in ARRAYS if getattr(data, name) is not None}
    for kind in FEATURES:
        features = getattr(data, kind)
        arrays |= {f"{kind}/{name}": features[name] for name in sorted(features)}
    return arrays


def content_hash(data: Interactions) -> str:
    """SHA-256 (hex) of names, dtypes, lengths and values of all arrays.

    The data set's name, its notes, the names of its codes and its present `content_hash` do not
    enter, so the same rows hash the same from whichever file they were read.
    """
    digest = hashlib.sha256()
    for name, array in arrays_of(data).items():
        # The width of a NumPy string dtype is an accident of storage, so ids enter as UTF-8.
        is_text = array.dtype.kind == "U"
        body = "\0".join(array.tolist()).encode() if is_text else np.ascontiguousarray(array).data
        digest.update(f"{name} {'str' if is_text else array.dtype.str} {len(array)}\n".encode())
        digest.update(body)
    return digest.hexdigest()
