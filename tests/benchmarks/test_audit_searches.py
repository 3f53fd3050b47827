"""The audit of what a search reads: it finds any row of the test period that is left, wherever it has come to."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from leakage import rows_with_own_items

from benchmarks import protocols
from benchmarks.audit import searches
from benchmarks.audit.report import CLEAN, LEAK
from benchmarks.tuning import unseen
from datasets.errors import InputError

JUDGED = {"period": "test", "ks": (5,), "primary_metric": "recall@5"}
PROTOCOLS = (
    {"name": "leave-k-out", "k": 1, **JUDGED},
    {"name": "leave-k-out", "k": 2, "min_items": 6, **JUDGED},
    {"name": "time-split", "train_until": 0.6, "validation_until": 0.8, **JUDGED},
    {"name": "user-split", "train": 0.6, "validation": 0.2, **JUDGED},
)


@given(seed=st.integers(0, 10_000), protocol=st.sampled_from(PROTOCOLS))
def test_no_protocol_leaves_a_row_of_the_test_period(seed, protocol):
    data = rows_with_own_items(seed)
    try:
        report = searches.of_search(data, protocols.make(protocol))
    except InputError:
        return  # too few rows for this protocol
    assert not report.is_leaking
    assert report.sizes["rows of the test period"] > 0


def planted(split, part, row):
    """The split with a row in one of its parts."""
    one = np.array([row], np.int32)
    if part == "counts":
        counts = np.zeros(max(len(split.item_counts), row + 1), np.int64)
        counts[: len(split.item_counts)] = split.item_counts
        counts[row] += 1
        return dataclasses.replace(split, item_counts=counts)
    if part in ("history", "items"):
        queries = split.period("validation")
        longer = dataclasses.replace(queries, **{part: np.append(getattr(queries, part), one)})
        return dataclasses.replace(split, periods={**split.periods, "validation": longer})
    return dataclasses.replace(split, **{part: np.append(getattr(split, part), one)})


@pytest.mark.parametrize("part", ["item", "seen_items", "sequence_items", "counts", "history", "items"])
def test_a_row_that_is_left_is_found(part, monkeypatch):
    data, protocol = rows_with_own_items(3), protocols.make(PROTOCOLS[0])
    taken = unseen.untested

    def leaking(whole):
        return planted(taken(whole), part, int(whole.period("test").items[0]))

    assert [finding.verdict for finding in searches.of_search(data, protocol).findings] == [CLEAN]
    monkeypatch.setattr(searches, "untested", leaking)
    (finding,) = searches.of_search(data, protocol).findings
    assert (finding.verdict, finding.n) == (LEAK, 1)
    assert "1 of" in finding.sentence
