"""Whatever the data are, a protocol cuts them or says in a sentence why not; nothing else leaves it or the audit."""

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from protocol_checks import N_ITEMS, check_types, interactions

from benchmarks import specs
from benchmarks.audit import splits
from benchmarks.protocols import LeaveKOut, NextItem, SequenceSplit, TimeSplit, UserSplit, sequences
from datasets.errors import InputError, TooFewError

JUDGED = {"period": "test", "ks": (1,), "primary_metric": "recall@1"}
DATES = ("0001-01-01", "1970-01-01", "1970-01-05T12:00:00.5", "2500-01-01", "9999-12-31T23:59:59.999999")


def each_in_order(cuts):
    """Dates and shares in the places that each had, but rising: others a protocol refuses."""
    rising = {kind: iter(sorted(one for one in cuts if type(one) is kind)) for kind in (str, float)}
    return [next(rising[type(one)]) for one in cuts]


cut = st.sampled_from(DATES) | st.floats(0.001, 0.999)
rising = st.lists(st.floats(0.1, 0.9), min_size=3, max_size=3, unique=True).map(sorted)
mixed = st.lists(cut, min_size=3, max_size=3, unique=True).map(each_in_order)
cuts = (rising | st.just([0.5, 0.7, 0.9]) | mixed).flatmap(lambda drawn: st.sampled_from([drawn, [*drawn[:2], None]]))
in_time = st.builds(
    lambda cuts, per: {**dict(zip(("train_until", "validation_until", "test_until"), cuts, strict=True)), "per": per},
    cuts,
    st.sampled_from(["user", "session"]),
)
protocols = st.one_of(
    st.builds(
        lambda settings, unknown: TimeSplit(**JUDGED, **settings, unknown_users=unknown),
        in_time,
        st.sampled_from(["popular", "drop"]),
    ),
    st.builds(lambda settings, leaked: NextItem(**JUDGED, **settings, leaked=leaked), in_time, st.booleans()),
    st.builds(lambda k, more: LeaveKOut(**JUDGED, k=k, min_items=2 * k + more), st.integers(1, 9), st.integers(1, 3)),
    st.sampled_from([SequenceSplit(**JUDGED), SequenceSplit(**JUDGED, input_share=0.5, min_items=4)]),
    st.builds(
        lambda shares, n: UserSplit(**JUDGED, shares=shares, min_items=n),
        st.sampled_from([(0.8, 0.1, 0.1), (0.4, 0.3, 0.3), (0.01, 0.01, 0.98)]),
        st.integers(2, 6),
    ),
)
LIMIT = 253_402_300_799_999_999
moments = st.one_of(
    st.just(range(60)),
    st.just(range(60, 0, -1)),
    st.just([0]),
    st.lists(st.sampled_from([-62_135_596_800_000_000, -1, 0, 1, LIMIT]), min_size=1, max_size=3),
    st.lists(st.integers(-LIMIT // 5, LIMIT), min_size=1, max_size=40),
)


@st.composite
def data_sets(draw):
    """Few rows or none, of nobody or of many, of one moment or thousands of years apart, with sessions of anybody."""
    n, last = draw(st.integers(0, 60)), draw(st.integers(-1, 9))
    user = draw(st.lists(st.integers(-1, last), min_size=n, max_size=n))
    item = draw(st.lists(st.integers(0, N_ITEMS - 1), min_size=n, max_size=n))
    session = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    has_times, has_sessions = draw(st.integers(0, 9)) > 0, draw(st.integers(0, 3)) > 0
    return dataclasses.replace(
        interactions([(0, 0, 0, 0)]),
        user=np.array(user, np.int32),
        item=np.array(item, np.int32),
        timestamp=np.resize(np.array(draw(moments), np.int64), n) if has_times else None,
        session=np.array(session, np.int32) if has_sessions else None,
        user_ids=np.array([f"u{user}" for user in range(10)]),
    )


def of_one_moment(n):
    return interactions([(row % 3, row % N_ITEMS, 0, row % 3) for row in range(n)])


def split_or_refusal(data, protocol):
    try:
        return protocol.split(data), ""
    except InputError as error:
        return None, str(error)


FEW = LeaveKOut(**JUDGED, k=1, min_items=3)
ONE_EACH = interactions([(user, item, item, 0) for user in range(2) for item in range(3)])
ONE = interactions([(0, item, item, 0) for item in range(3)])


@pytest.mark.parametrize(
    ("model", "given", "data", "message"),
    [
        ("lstm", {"window": 1, "batch_size": 3}, ONE_EACH, "there are 2 windows and batch_size is 3"),
        ("lstm", {"window": 1, "batch_size": 2}, ONE_EACH, None),
        ("lstm", {"window": 1, "batch_size": 3, "state_carried": False}, ONE_EACH, None),
        ("dssm", {"batch_norm": True}, ONE, "there is one row"),
        ("dssm", {"form": "in-batch"}, ONE, "there is one row"),
        ("dssm", {}, ONE, None),
        ("dssm", {"batch_norm": True}, ONE_EACH, None),
    ],
)
def test_a_batch_that_the_data_cannot_fill(model, given, data, message):
    batches = specs.make(model, given).batches(FEW.split(data), (), 1)
    if message is None:
        assert list(batches)
        return
    with pytest.raises(TooFewError, match=message):
        list(batches)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(data_sets(), protocols)
@example(
    of_one_moment(30), TimeSplit(**JUDGED, train_until=0.5, validation_until=0.7, per="user", unknown_users="drop")
)
@example(of_one_moment(30), LeaveKOut(**JUDGED, k=1))
def test_a_split_or_a_sentence(data, protocol):
    split, refusal = split_or_refusal(data, protocol)
    if split is None:
        assert refusal.startswith((data.name, protocol.name))
        assert "\n" not in refusal
        with pytest.raises(InputError):
            splits.of_protocol(data, protocol)
        return
    if split.n_users:
        check_types(split)
    assert splits.of_protocol(data, protocol).findings
    assert sequences.note_of_order(data, protocol)
