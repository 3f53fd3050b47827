"""Every protocol and every draw of sequences is free of leaks, and the audit that says so sees those planted here."""

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from leakage import (
    DAY,
    check_agreement,
    leaks,
    leaks_of_cuts,
    leaks_of_windows,
    rows_with_own_items,
    with_queries,
)
from protocol_checks import described, interactions, long_tables, parts

from benchmarks import sampling
from benchmarks.audit import splits
from benchmarks.protocols import PROTOCOLS, LeaveKOut, NextItem, SequenceSplit, TimeSplit, UserSplit
from benchmarks.protocols.base import training_rows
from datasets.errors import InputError

SEEDS = range(6)
JUDGED = {"period": "test", "ks": (1,), "primary_metric": "recall@1"}
CUTS = {"train_until": 0.6, "validation_until": 0.8}
TIME_SPLIT = TimeSplit(**JUDGED, **CUTS, per="user", unknown_users="popular")
USER_SPLIT = UserSplit(**JUDGED, shares=(0.6, 0.2, 0.2))
SEQUENCE_SPLIT = SequenceSplit(**JUDGED)
NEXT_ITEM = NextItem(**JUDGED, **CUTS, per="session")
CLEAN = [
    TIME_SPLIT,
    dataclasses.replace(TIME_SPLIT, per="session"),
    dataclasses.replace(TIME_SPLIT, unknown_users="drop"),
    USER_SPLIT,
    SEQUENCE_SPLIT,
    SequenceSplit(**JUDGED, input_share=0.5, min_items=4),
    LeaveKOut(**JUDGED, k=1),
    LeaveKOut(**JUDGED, k=2),
    NEXT_ITEM,
    dataclasses.replace(NEXT_ITEM, per="user"),
]
LEAKED = dataclasses.replace(NEXT_ITEM, leaked=True)
every_protocol = pytest.mark.parametrize("protocol", CLEAN, ids=lambda p: f"{p.name}-{getattr(p, 'per', '')}")


def audit(protocol, data, split):
    """The plain audit's sentences, with which the fast one must agree."""
    found = leaks(data, split, protocol)
    check_agreement(splits.leaks(data, split, protocol), found)
    return [leak.sentence for leak in found]


def made(protocol, seed=0):
    data = rows_with_own_items(seed)
    return data, protocol.split(data)


def history_of(split, period):
    """The place of a query of the period whose history has two rows or more, and where that begins and ends."""
    queries = split.periods[period]
    at = int(np.argmax(queries.stop - queries.start >= 2))
    return at, int(queries.start[at]), int(queries.stop[at])


def with_history(split, period, place, row):
    """The split with another row in a place of the period's histories, and nowhere else."""
    history = split.periods[period].history.copy()
    history[place] = row
    return with_queries(split, period, history=history)


class TestPromises:
    """What each protocol is held to."""

    def test_what_is_cut_in_time_trains_before_the_cut(self):
        data = rows_with_own_items(0)
        at_day_9 = {"train_until": "1970-01-10", "validation_until": "1970-01-15"}
        for protocol in CLEAN:
            in_time = isinstance(protocol, TimeSplit | NextItem)
            cut = dataclasses.replace(protocol, **at_day_9) if in_time else protocol
            assert cut.trains_before(data) == (9 * DAY if in_time else None)
        assert TIME_SPLIT.trains_before(data) == np.sort(data.timestamp)[int(0.6 * len(data))]

    def test_only_the_split_by_users_asks_new_users(self):
        assert {protocol.name for protocol in CLEAN if protocol.new_users} == {"user-split"}

    @every_protocol
    def test_only_sessions_asked_about_row_by_row_have_pasts_of_their_own(self, protocol):
        data = rows_with_own_items(0)
        per_session = protocol == NEXT_ITEM
        assert (protocol.whose_past(data) == (data.session if per_session else data.user)).all()

    def test_only_the_publications_leak_is_on_purpose(self):
        assert [protocol.leaks_on_purpose for protocol in CLEAN] == [()] * len(CLEAN)
        assert LEAKED.leaks_on_purpose == ("leaked",)

    @settings(deadline=None, derandomize=True)
    @given(st.sampled_from([*CLEAN, LEAKED]), long_tables)
    @example(TIME_SPLIT, [(-1, 0, 0, 0), *((n % 4, n % 7, 1 + n % 9, n % 5) for n in range(30))])
    def test_rows_are_cut_whatever_their_items_are(self, protocol, rows):
        """So what the audit finds in a copy of the data with other items holds of the data."""
        data = interactions(rows)
        copy = splits.with_own_items(data)
        try:
            split = protocol.split(data)
        except InputError:
            with pytest.raises(InputError):
                protocol.split(copy)
            return
        assert described(split) == described(with_items_of(data, copy, protocol.split(copy), split.n_items))


def with_items_of(data, copy, split, n_items):
    """What a protocol made of the copy, with the data's items in place of the copy's."""
    item = np.empty(len(data), np.int32)
    item[copy.item] = data.item
    return dataclasses.replace(
        split,
        n_items=n_items,
        **training_rows(split.user, item[split.item], split.n_users)._asdict(),
        item_counts=np.bincount(item[: split.n_items], split.item_counts, n_items)[:n_items].astype(np.int64),
        sequence_items=item[split.sequence_items],
        periods={
            name: dataclasses.replace(queries, items=item[queries.items], history=item[queries.history])
            for name, queries in split.periods.items()
        },
    )


class TestClean:
    def test_no_protocol_is_forgotten(self):
        assert {protocol.name for protocol in CLEAN} == set(PROTOCOLS)

    def test_the_data_have_what_makes_a_leak_likely(self):
        data = rows_with_own_items(0)
        assert (np.diff(data.timestamp) < 0).any()
        assert len(np.unique(data.timestamp)) < len(data) / 3
        assert 5 < (data.user == -1).sum() < len(data) / 3
        assert data.item.tolist() == list(range(len(data)))

    @pytest.mark.parametrize("seed", SEEDS)
    @every_protocol
    def test_every_protocol(self, protocol, seed):
        data, split = made(protocol, seed)
        assert min(len(split.sequence_items), *map(len, split.periods.values())) > 0
        assert any((queries.stop - queries.start > 1).any() for queries in split.periods.values())
        assert audit(protocol, data, split) == []

    @pytest.mark.parametrize("length", [3, 20])
    @every_protocol
    def test_random_cuts(self, protocol, length):
        split = protocol.split(rows_with_own_items(0, n_rows=600))
        chunks = list(sampling.random_cuts(sampling.generator("audit"), split, 7, length, 5))
        assert sum(chunk["target"].size for chunk in chunks) > 20
        assert [leak for chunk in chunks for leak in leaks_of_cuts(split, chunk)] == []

    @pytest.mark.parametrize("length", [1, 3, 20])
    @every_protocol
    def test_windows(self, protocol, length):
        _, split = made(protocol)
        chunks = list(sampling.windows(sampling.generator("audit"), split, 4, length))
        assert sum((chunk["target"] > 0).sum() for chunk in chunks) > 5
        assert [leak for chunk in chunks for leak in leaks_of_windows(split, chunk)] == []


class TestPlantedInTraining:
    @every_protocol
    def test_counts_of_all_rows(self, protocol):
        """They are what weighted negatives are drawn by."""
        data, split = made(protocol)
        counts = np.bincount(data.item, minlength=split.n_items)[: split.n_items]
        asked = {row for queries in split.periods.values() for row in queries.items.tolist()}
        found = audit(protocol, data, dataclasses.replace(split, item_counts=counts))
        assert {f"item_counts holds row {row}, which is asked for" for row in asked if row < split.n_items} <= set(
            found
        )
        assert all(message.startswith("item_counts holds") for message in found)

    @every_protocol
    @pytest.mark.parametrize("name", ["item", "sequence_items", "seen_items"])
    def test_validation_rows(self, protocol, name):
        data, split = made(protocol)
        rows = split.periods["validation"].items[:3]
        array = getattr(split, name).copy()
        array[:3] = rows
        found = audit(protocol, data, dataclasses.replace(split, **{name: array}))
        assert {f"{name} holds row {row}, which is asked for" for row in rows} <= set(found)

    @pytest.mark.parametrize("protocol", [CLEAN[2], CLEAN[-1]], ids=["time-split", "next-item"])
    def test_later_rows_that_nobody_asks_for(self, protocol):
        data, split = made(protocol)
        first_asked = min(data.timestamp[queries.items].min() for queries in split.periods.values())
        unasked = (data.user == -1) & (data.timestamp >= first_asked) & (data.item < split.n_items)
        row = int(np.flatnonzero(unasked)[0])
        counts = split.item_counts.copy()
        counts[row] += 1
        found = audit(protocol, data, dataclasses.replace(split, item_counts=counts))
        assert found == [f"item_counts holds row {row}, which is not before the cut"]

    def test_a_row_of_the_cut_itself_before_anything_is_asked(self):
        data = rows_with_own_items(0)
        row = int(np.argmax(data.user == -1))
        day = np.where(data.timestamp == 15 * DAY, 16 * DAY, data.timestamp)
        day[row] = 15 * DAY
        data = dataclasses.replace(data, timestamp=day)
        protocol = dataclasses.replace(CLEAN[2], train_until="1970-01-16", validation_until="1970-01-21")
        split = protocol.split(data)
        counts = split.item_counts.copy()
        counts[row] += 1
        assert audit(protocol, data, split) == []
        found = audit(protocol, data, dataclasses.replace(split, item_counts=counts))
        assert found == [f"item_counts holds row {row}, which is not before the cut"]

    def test_nobody_is_not_a_user_who_is_asked_about(self):
        data, split = made(USER_SPLIT)
        asked, trained = np.flatnonzero(data.user == -1)[:2]
        items, counts = split.periods["test"].items.copy(), split.item_counts.copy()
        items[0] = asked
        counts[trained] += 1
        planted = with_queries(dataclasses.replace(split, item_counts=counts), "test", items=items)
        found = audit(USER_SPLIT, data, planted)
        assert found
        assert not any("who is asked about" in sentence for sentence in found)

    def test_the_history_of_an_asked_user(self):
        data, split = made(USER_SPLIT)
        row = int(split.periods["test"].history[0])
        counts = split.item_counts.copy()
        counts[row] += 1
        found = audit(USER_SPLIT, data, dataclasses.replace(split, item_counts=counts))
        assert found == [f"item_counts holds row {row} of a user who is asked about"]

    @every_protocol
    def test_a_sequence_out_of_order(self, protocol):
        data, split = made(protocol)
        at = int(split.sequence_indptr[np.argmax(np.diff(split.sequence_indptr))])
        items = split.sequence_items.copy()
        items[[at, at + 1]] = items[[at + 1, at]]
        found = audit(protocol, data, dataclasses.replace(split, sequence_items=items))
        assert found == [f"a training sequence goes from row {items[at]} to row {items[at + 1]}, which is not after it"]

    @every_protocol
    def test_a_sequence_of_two(self, protocol):
        data, split = made(protocol)
        merged = np.delete(split.sequence_indptr, 1)
        found = audit(protocol, data, dataclasses.replace(split, sequence_indptr=merged))
        before, after = (
            split.sequence_items[split.sequence_indptr[1] - 1],
            split.sequence_items[split.sequence_indptr[1]],
        )
        assert f"a training sequence goes from row {before} to row {after} of somebody else" in found


class TestPlantedInSessions:
    @pytest.mark.parametrize("protocol", [NEXT_ITEM, dataclasses.replace(TIME_SPLIT, per="session")])
    @pytest.mark.parametrize("seed", SEEDS)
    def test_sessions_numbered_anew_for_each_user(self, protocol, seed):
        data = rows_with_own_items(seed)
        anew = dataclasses.replace(data, session=data.session % 3)
        found = audit(protocol, anew, protocol.split(anew))
        assert {f"session {number} is of two users" for number in range(3)} <= set(found)


class TestPlantedInHistories:
    @pytest.mark.parametrize("per", ["session", "user"])
    def test_the_period_that_leaks_on_purpose(self, per):
        protocol = dataclasses.replace(LEAKED, per=per)
        data, split = made(protocol)
        found = audit(protocol, data, split)
        assert set(found) == {
            f"a history of leaked holds row {row}, which is not before target row {row}"
            for row in split.periods["test"].items
        }

    @every_protocol
    @pytest.mark.parametrize("period", ["validation", "test"])
    def test_a_history_that_holds_its_target(self, protocol, period):
        data, split = made(protocol)
        at, _, stop = history_of(split, period)
        target = int(split.periods[period].items[split.periods[period].indptr[at]])
        found = audit(protocol, data, with_history(split, period, stop - 1, target))
        assert f"a history of {period} holds row {target}, which is not before target row {target}" in found

    @pytest.mark.parametrize("protocol", [TIME_SPLIT, SEQUENCE_SPLIT, LeaveKOut(**JUDGED, k=1), NEXT_ITEM])
    def test_a_history_with_a_row_from_after_its_targets(self, protocol):
        data, split = made(protocol)
        whose = data.session if protocol == NEXT_ITEM else data.user
        queries = split.periods["validation"]
        latest = [max(targets, key=lambda row: data.timestamp[row]) for targets in parts(queries.indptr, queries.items)]
        at, later = next(
            (at, later)
            for at in np.flatnonzero(queries.stop > queries.start)
            for later in np.flatnonzero((whose == whose[latest[at]]) & (data.timestamp > data.timestamp[latest[at]]))
        )
        found = audit(protocol, data, with_history(split, "validation", queries.stop[at] - 1, later))
        assert f"a history of validation holds row {later}, which is not before target row {latest[at]}" in found

    @every_protocol
    def test_a_history_out_of_order(self, protocol):
        data, split = made(protocol)
        _, start, _ = history_of(split, "test")
        history = split.periods["test"].history.copy()
        history[[start, start + 1]] = history[[start + 1, start]]
        found = audit(protocol, data, with_queries(split, "test", history=history))
        message = f"a history of test goes from row {history[start]} to row {history[start + 1]}, which is not after it"
        assert message in found

    @every_protocol
    def test_a_history_of_somebody_else(self, protocol):
        data, split = made(protocol)
        whose = data.session if protocol == NEXT_ITEM else data.user
        at, start, _ = history_of(split, "test")
        target = split.periods["test"].items[split.periods["test"].indptr[at]]
        other = int(np.argmax((whose != whose[target]) & (data.timestamp < data.timestamp[target])))
        found = audit(protocol, data, with_history(split, "test", start, other))
        assert f"a history of test holds row {other}, but target row {target} is somebody else's" in found

    def test_rows_without_a_user_are_nobodys_history(self):
        data, split = made(TIME_SPLIT)
        queries = split.periods["test"]
        at = int(np.argmax((queries.user == -1) & (data.user[queries.items[queries.indptr[:-1]]] == -1)))
        row = int(np.flatnonzero((data.user == -1) & (data.timestamp < data.timestamp[queries.items].min()))[0])
        stop = queries.stop.copy()
        stop[at] = 1
        planted = with_queries(with_history(split, "test", 0, row), "test", stop=stop)
        target = queries.items[queries.indptr[at]]
        assert f"a history of test holds row {row}, but target row {target} is somebody else's" in audit(
            TIME_SPLIT, data, planted
        )


@pytest.fixture
def split():
    return made(SEQUENCE_SPLIT)[1]


def one_cut(split):
    chunk = next(sampling.random_cuts(sampling.generator("audit"), split, 5, 6))
    return {name: array.copy() for name, array in chunk.items()}


def one_window(split):
    chunk = next(sampling.windows(sampling.generator("audit"), split, 5, 3))
    return {name: array.copy() for name, array in chunk.items()}


PLANTED_IN = ("item", "item_counts", "seen_items", "sequence_items", "items", "history", "start", "stop")


def plant(data, split, draw):
    """The split with one value of one array changed; in the histories it may be where they begin or end."""
    row = draw(st.integers(0, len(data) - 1))
    name = draw(st.sampled_from(PLANTED_IN))
    period = draw(st.sampled_from(sorted(split.periods)))
    part = split if hasattr(split, name) else split.periods[period]
    array = getattr(part, name).copy()
    at = draw(st.integers(0, len(array) - 1))
    if name == "item_counts":
        array[at] += 1
    elif name == "start":
        array[at] = draw(st.integers(0, part.stop[at]))
    elif name == "stop":
        array[at] = draw(st.integers(part.start[at], len(part.history)))
    else:
        array[at] = row
    return (
        dataclasses.replace(split, **{name: array}) if part is split else with_queries(split, period, **{name: array})
    )


class TestPlantedAtRandom:
    @settings(deadline=None, derandomize=True, max_examples=250)
    @given(st.data(), st.sampled_from([*CLEAN, LEAKED]), st.sampled_from(SEEDS), st.integers(0, 3))
    def test_both_audits_find_the_same(self, drawn, protocol, seed, n_planted):
        data = rows_with_own_items(seed, n_rows=100)
        split = protocol.split(data)
        for _ in range(n_planted):
            split = plant(data, split, drawn.draw)
        audit(protocol, data, split)


class TestPlantedInDraws:
    def test_a_cut_that_holds_its_target(self, split):
        chunk = one_cut(split)
        target = chunk["target"][0, 0]
        chunk["history"][0, 0, chunk["length"][0, 0] - 1] = target + 1
        assert leaks_of_cuts(split, chunk) == [
            f"row {target} is in the history of row {target}, but not before it in the same training sequence"
        ]

    def test_a_cut_of_two_sequences(self, split):
        chunk = one_cut(split)
        chunk["history"][0, 0, 0] = next(row for row in split.sequence_items if row + 1 not in chunk["history"]) + 1
        assert len(leaks_of_cuts(split, chunk)) == 1

    def test_a_cut_whose_target_is_no_training_row(self, split):
        chunk = one_cut(split)
        chunk["target"][0, 1] = split.periods["test"].items[0]
        assert leaks_of_cuts(split, chunk) == [f"row {chunk['target'][0, 1]} is a target and no training row"]

    def test_a_cut_with_a_row_that_is_no_training_row(self, split):
        chunk = one_cut(split)
        chunk["history"][0, 0, 0] = split.periods["test"].items[0] + 1
        assert len(leaks_of_cuts(split, chunk)) == 1

    def test_a_cut_that_goes_on_in_its_padding(self, split):
        chunk = one_cut(split)
        chunk["history"][0, 2, chunk["length"][0, 2] :] = 1
        chunk["length"][0, 2] -= 1
        assert any("goes on after them" in leak for leak in leaks_of_cuts(split, chunk))

    def test_a_window_whose_targets_are_not_shifted(self, split):
        chunk = one_window(split)
        found = leaks_of_windows(split, {**chunk, "target": chunk["history"]})
        for row in (chunk["history"][chunk["history"] > 0] - 1).tolist():
            assert f"row {row} is in the history of row {row}, but not before it in the same training sequence" in found

    def test_a_window_over_two_sequences(self, split):
        chunk = one_window(split)
        target = chunk["target"][0, 0, 0] - 1
        strange = int(split.item[split.user != split.user[split.item == target]][0])
        chunk["history"][0, 0, 0] = strange + 1
        found = leaks_of_windows(split, chunk)
        assert (
            f"row {strange} is in the history of row {target}, but not before it in the same training sequence" in found
        )

    def test_a_window_of_a_row_that_is_no_training_row(self, split):
        chunk = one_window(split)
        chunk["target"][0, 0, 0] = split.periods["test"].items[0] + 1
        assert f"row {split.periods['test'].items[0]} is a target and no training row" in leaks_of_windows(split, chunk)
