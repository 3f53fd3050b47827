"""What trials read is the split without its test period; all else of it stays."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from leakage import rows_with_own_items

from benchmarks import protocols
from benchmarks.harness import files
from benchmarks.harness.plan import Prepared
from benchmarks.protocols.base import Split
from benchmarks.tuning import unseen
from datasets.errors import InputError

PROTOCOL = {"name": "leave-k-out", "k": 1, "period": "test", "ks": (5,), "primary_metric": "recall@5"}


def told(queries):
    """Each query as plain lists: user, targets, history."""
    parts = zip(queries.start, queries.stop, queries.indptr[:-1], queries.indptr[1:], strict=True)
    return [
        (int(user), queries.items[a:b].tolist(), queries.history[start:stop].tolist())
        for user, (start, stop, a, b) in zip(queries.user, parts, strict=True)
    ]


@pytest.fixture
def prepared(tmp_path):
    split = protocols.make(PROTOCOL).split(rows_with_own_items(1))
    folder = tmp_path / "splits" / ("a" * 16)
    folder.parent.mkdir()
    files.fill(folder, split.save)
    return Prepared("own", PROTOCOL, folder, {"dataset": "d", "split": split.content_hash()}, (), split.counts, "few")


@given(seed=st.integers(0, 10_000))
def test_training_and_validation_stay(seed):
    whole = protocols.make(PROTOCOL).split(rows_with_own_items(seed))
    read = unseen.untested(whole)
    assert told(read.period("validation")) == told(whole.period("validation"))
    assert told(read.period("test")) == []
    assert read.n_rows == (*whole.n_rows[:2], 0)
    kept = {field.name for field in dataclasses.fields(Split)} - {"periods", "n_rows", "counts"}
    assert all(
        np.array_equal(getattr(read, name), getattr(whole, name)) for name in kept - {"user_features", "item_features"}
    )


def test_the_files_are_judged_by_validation_and_are_their_own(prepared):
    made = unseen.without_test(prepared)
    assert made.protocol == {**PROTOCOL, "period": "validation"}
    assert files.fault(made.folder) is None
    assert made.hashes["split"] == Split.load(made.folder).content_hash() != prepared.hashes["split"]
    assert "test" not in {row.period for row in made.counts} >= {"train", "validation"}
    assert made.warning == ""


def test_damaged_files_are_made_anew(prepared):
    made = unseen.without_test(prepared)
    (made.folder / "user.npy").write_bytes(b"")
    assert files.fault(unseen.without_test(prepared).folder) is None


def test_without_validation_queries_there_is_nothing_to_choose_by(prepared):
    split = Split.load(prepared.folder)
    nobody = unseen._own(split.period("validation"), is_asked=False)
    emptied = dataclasses.replace(split, periods={**split.periods, "validation": nobody})
    files.fill(prepared.folder, emptied.save)
    with pytest.raises(InputError, match="there are no validation queries, by which settings could be chosen"):
        unseen.without_test(prepared)
