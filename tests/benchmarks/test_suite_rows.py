"""Rows and blocks that are made in Python are held to what those of a suite are."""

import numpy as np
import pytest

from benchmarks.settings import SettingError
from benchmarks.suites import Block, IndexRow, ModelRow

PROTOCOL = {"name": "leave-k-out", "k": 1, "period": "test", "ks": (5,), "primary_metric": "recall@5"}
ALS = ModelRow("als")


@pytest.mark.parametrize(
    ("make", "place", "message"),
    [
        (lambda: ModelRow("alz"), ("model",), "unknown model 'alz'"),
        (lambda: ModelRow("als", {"embedding_dim": -1}), ("settings", "embedding_dim"), "embedding_dim is -1"),
        (lambda: ModelRow("als", modes=("eager", "eager")), ("modes",), "expected each of them once"),
        (lambda: IndexRow("fais"), ("name",), "unknown index 'fais'"),
        (lambda: IndexRow("faiss-ivf", ({}, {"nlist": 0})), ("build", 1, "nlist"), "nlist is 0"),
        (lambda: IndexRow("faiss-ivf", ({"nlist": 2.0},)), ("build", 0, "nlist"), r"nlist is 2\.0"),
        (lambda: IndexRow("faiss-ivf", ({"nlist": 2},), ({"nprobe": 4},)), ("query", 0), "there are only 2 lists"),
        (lambda: Block("file", {**PROTOCOL, "k": 0}, (ALS,)), ("protocol", "k"), "k is 0"),
        (lambda: Block("file", PROTOCOL, ()), ("models",), "a block has no models"),
        (lambda: Block("file", PROTOCOL, (ALS, ALS)), ("models", 1), "two rows of als"),
        (lambda: Block("file", PROTOCOL, (ALS,), seeds=(0, 0)), ("seeds",), "expected each of them once"),
        (lambda: Block("file", PROTOCOL, (ALS,), backends=("torcz",)), ("backends", 0), "unknown backend 'torcz'"),
    ],
)
def test_what_cannot_be_is_refused(make, place, message):
    with pytest.raises(SettingError, match=message) as error:
        make()
    assert error.value.place == place


def test_numbers_of_numpy_become_those_that_records_hold():
    row = IndexRow("faiss-ivf", ({"nlist": np.int64(8)},), ({"nprobe": np.int32(2)},))
    assert row == IndexRow("faiss-ivf", ({"nlist": 8},), ({"nprobe": 2},))
    assert [type(value) for settings in (*row.build, *row.query) for value in settings.values()] == [int, int]
