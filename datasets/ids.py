"""The publisher's ids as dense integers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datasets.interactions import UNKNOWN_USER

# As an integer prints itself: "007" and "+7" are names that happen to be digits. 18 digits fit int64.
INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"


def encode(ids: pa.DictionaryArray) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.str_]]:
    """Each row's position among the sorted distinct ids.

    Args:
        ids: dictionary of strings, one entry a row; a null stands for "unknown".

    Returns:
        int32[n], `UNKNOWN_USER` (-1) at nulls, and str[n_ids]: the distinct ids, by number where
        all of them are integers, else by code point.
    """
    distinct = ids.dictionary
    numeric = pc.all(pc.match_substring_regex(distinct, INTEGER)).as_py()
    order = pc.sort_indices(distinct.cast(pa.int64()) if numeric else distinct).to_numpy()
    rank = np.full(len(order) + 1, UNKNOWN_USER, np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    position = ids.indices.fill_null(len(order)).to_numpy()
    return rank[position], np.array(distinct.take(pa.array(order)).to_pylist(), dtype=np.str_)


def number(ids: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    """Each row's id, numbered from 0 in order of first appearance: int32[n].

    Args:
        ids: dictionary of strings as `dictionary_encode` makes it, one entry a row, no nulls.
    """
    return np.array(ids.indices.to_numpy(), dtype=np.int32)
