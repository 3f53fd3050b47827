"""Made-up vectors put together from what datasets/vectors.py draws; compiled, so imported where it is called."""

import numba
import numpy as np


@numba.njit(cache=True)
def fill(groups, noise, axes, out):  # type: ignore[no-untyped-def]
    """Fill float32[rows, dim]: a vector lies between its groups, with noise of its own, and is turned.

    Args:
        groups: int32[rows, n_groups], those that each vector lies between.
        noise: float64[rows, dim], standard normal.
        axes: what vectors of their kind are put together from, the named tuple of datasets/vectors.py.
        out: where the vectors are written to.
    """
    # The sums run in a fixed order, where a BLAS would order them by the size of the block and by the machine.
    dim = out.shape[1]
    turned = np.empty(dim)
    for row in range(len(out)):
        turned[:] = 0.0
        for axis in range(dim):
            centre = 0.0
            for group in groups[row]:
                centre += axes.centres[group, axis]
            value = axes.mean[axis] + axes.shared[axis] * centre + axes.own[axis] * noise[row, axis]
            for column in range(dim):
                turned[column] += value * axes.rotation[axis, column]
        for column in range(dim):
            out[row, column] = turned[column]
