"""The settings of linear models."""

import pytest

from benchmarks import specs
from datasets.errors import InputError


@pytest.mark.parametrize(
    ("model", "setting", "value"),
    [("ease", "regularization", 0), ("slim", "l2", 0), ("slim", "l1", -1), ("ease", "epochs", 2)],
)
def test_penalties_are_held_to_bounds(model, setting, value):
    with pytest.raises(InputError, match=rf"{model}: {setting} is {value}, expected"):
        specs.make(model, {setting: value})
