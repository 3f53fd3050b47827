"""Rows with too low a rating are as if they had never been there, under every protocol, and are counted."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from protocol_checks import interactions, long_tables, row

from benchmarks import protocols
from benchmarks.harness.prepare import prepare_split
from benchmarks.settings import SettingError
from datasets.errors import InputError

JUDGED = {"period": "test", "ks": [1], "primary_metric": "recall@1"}
CUTS = {"train_until": 0.5, "validation_until": 0.75}
PROTOCOLS = (
    {"name": "leave-k-out", "k": 1, "min_items": 3},
    {"name": "sequence-split", "min_items": 4},
    {"name": "user-split", "train": 0.5, "validation": 0.25},
    {"name": "time-split", **CUTS, "per": "user", "unknown_users": "drop"},
    {"name": "time-split", **CUTS, "per": "session", "unknown_users": "popular"},
    {"name": "next-item", **CUTS, "per": "session"},
)
RATINGS = st.sampled_from([0.5, 3.5, 4.0, 5.0, float("nan")])
FILE = "user_id,item_id,timestamp,rating\n" + "".join(
    f"u{user},i{(user + 3 * day) % 7},{86_400 * day + user},{1 + (user + day) % 5}\n"
    for day in range(12) for user in range(6)
)  # fmt: skip


def made(data, least, **given):
    protocol = protocols.make({**given, **JUDGED, **({} if least is None else {"min_rating": least})})
    kept, dropped = protocol.taken(data)
    return protocol.split(kept), dropped


def same(one, other):
    """Whether two splits hold the same arrays."""
    arrays, others = one._arrays(), other._arrays()
    return arrays.keys() == others.keys() and all(np.array_equal(arrays[name], others[name]) for name in arrays)


@settings(deadline=None, max_examples=150)
@given(rows=long_tables, data=st.data(), protocol=st.sampled_from(PROTOCOLS))
def test_they_are_as_if_they_were_not_there(rows, data, protocol):
    ratings = data.draw(st.lists(RATINGS, min_size=len(rows), max_size=len(rows)))
    whole = interactions(rows, rating=np.array(ratings, np.float32))
    kept = [row for row, rating in zip(rows, ratings, strict=True) if rating >= 4]
    assume(kept)
    try:
        expected, _ = made(interactions(kept), None, **protocol)
    except InputError:
        with pytest.raises(InputError):
            made(whole, 4.0, **protocol)
        return
    split, dropped = made(whole, 4.0, **protocol)
    assert same(split, expected)
    assert {one.reason: one.rows for one in dropped} == {
        reason: n
        for reason, n in (
            ("no rating", sum(np.isnan(ratings))),
            ("rating below 4", sum(rating < 4 for rating in ratings)),
        )
        if n
    }


@given(rows=st.lists(row, min_size=1))
def test_without_a_threshold_all_rows_stay(rows):
    data = interactions(rows)
    assert protocols.make({"name": "leave-k-out", "k": 1, **JUDGED}).taken(data) == (data, ())


class TestRefusals:
    def liked(self, rating, least):
        data = interactions([(0, 1, 2, 3), (1, 2, 3, 4)], rating=rating)
        return protocols.make({"name": "leave-k-out", "k": 1, **JUDGED, "min_rating": least}).taken(data)

    def test_data_without_ratings(self):
        with pytest.raises(InputError, match=r"made has no ratings, which min_rating = 4 needs; leave it out"):
            self.liked(None, 4)

    def test_a_threshold_above_all(self):
        with pytest.raises(InputError, match=r"made has no rating of 4\.5 or more, its highest is 4; lower min_rating"):
            self.liked(np.array([4, np.nan], np.float32), 4.5)

    @pytest.mark.parametrize("least", ["4", True, float("nan"), float("inf")])
    def test_what_is_no_number(self, least):
        with pytest.raises(SettingError, match="min_rating is"):
            self.liked(np.ones(2, np.float32), least)


def test_what_is_left_out_stands_with_what_was_prepared(tmp_path):
    path = tmp_path / "rated.csv"
    path.write_text(FILE, encoding="utf-8")
    protocol = protocols.make({"name": "leave-k-out", "k": 1, "min_items": 3, **JUDGED, "min_rating": 3})
    prepared = prepare_split(f"file:{path}", protocol, tmp_path, None)
    low = sum(int(rating) < 3 for rating in re.findall(r"(\d)\n", FILE))
    (said,) = [sentence for sentence in prepared.said if "rating" in sentence]
    assert f"in no period: left out {low} of 6 users and 7 items (rating below 3)" in said
    assert sum(one.rows for one in prepared.counts if one.use != "unreachable") == 72
    everything = prepare_split(f"file:{path}", protocols.make({**protocols.described(protocol), "min_rating": None}),
                               tmp_path, None)  # fmt: skip
    assert everything.hashes["dataset"] == prepared.hashes["dataset"]
    assert everything.hashes["split"] != prepared.hashes["split"]
