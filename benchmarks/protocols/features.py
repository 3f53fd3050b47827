"""What is known of users and items beside their rows, encoded once for all backends and learnt from training rows only.

A column has a row for every user or item, shifted by one: row 0 is "unknown", of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Columns: TypeAlias = Mapping[str, npt.NDArray[Any]]


def encoded(
    raw: Columns, n_rows: npt.NDArray[np.int64], own: str, asked: npt.NDArray[np.int32] | None = None
) -> Columns:
    """The columns of all users, or of all items.

    Sparse columns (categories) become int32[n + 1], numbered from 1 in the order of their codes among those that have
    training rows; 0 is a category that none of them has. Dense columns (numbers) become float32[n + 1] with mean 0 and
    deviation 1 over the training rows; the unknown is the mean.

    Args:
        raw: name -> the data set's column, of integers (sparse) or floating-point numbers (dense).
        n_rows: int64[n], the training rows of each user or item.
        own: the name of one more column, dense, that the rows themselves give: the logarithm of 1 + their number.
        asked: int32[n], the place of each in the raw columns; without it they are the first n.

    Returns:
        name -> column.
    """
    places = np.arange(len(n_rows)) if asked is None else asked
    columns = {name: values[places] for name, values in raw.items()} | {own: np.log1p(n_rows)}
    return {
        name: _dense(values, n_rows) if np.issubdtype(values.dtype, np.floating) else _sparse(values, n_rows)
        for name, values in columns.items()
    }


def n_categories(column: npt.NDArray[Any]) -> int:
    """The categories of a sparse column, the unknown not counted; 0 for a dense one, which has none."""
    return 0 if np.issubdtype(column.dtype, np.floating) else int(column.max(initial=0))


def _sparse(codes: npt.NDArray[Any], n_rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    known = np.unique(codes[n_rows > 0])
    place = np.searchsorted(known, codes)
    found = np.isin(codes, known)
    return np.append(0, np.where(found, place + 1, 0)).astype(np.int32)


def _dense(values: npt.NDArray[Any], n_rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    share = n_rows / max(1, n_rows.sum())
    mean = np.sum(share * values)
    deviation = np.sqrt(np.sum(share * (values - mean) ** 2))
    return np.append(0, (values - mean) / (deviation or 1)).astype(np.float32)
