import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import stretches

PLACES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted), max_size=6)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32])
@settings(max_examples=100, deadline=None)
@given(places=PLACES)
def test_they_are_what_slices_put_together_are(dtype, places):
    values = np.arange(100, 109).astype(dtype)
    start, stop = np.array(places, np.int64).reshape(-1, 2).T
    indptr, taken = stretches.joined(values, start, stop)
    assert (indptr.dtype, taken.dtype) == (np.int64, dtype)
    assert [taken[a:b].tolist() for a, b in itertools.pairwise(indptr)] == [values[a:b].tolist() for a, b in places]
