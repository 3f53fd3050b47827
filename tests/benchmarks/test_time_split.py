import dataclasses
import datetime as dt
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from protocol_checks import (
    N_ITEMS,
    N_USERS,
    Probabilities,
    check_types,
    described,
    grouped_by,
    interactions,
    items_of,
    oldest_first,
    parts,
    questions,
    tables,
)

import datasets
from backends.classic import popularity
from benchmarks import protocols, suites
from benchmarks.harness.evaluation import Judge
from benchmarks.metrics import evaluate
from benchmarks.protocols import base
from benchmarks.protocols.base import METRICS, Queries, Split, training_rows
from benchmarks.protocols.sequences import grouped
from benchmarks.protocols.time_split import TimeSplit
from benchmarks.specs.base import Sizes
from benchmarks.specs.popularity import Popularity
from datasets.errors import InputError

checked = settings(derandomize=True, deadline=None, max_examples=150)
TRAINING = (
    *("user", "item", "item_counts", "seen_indptr", "seen_items"),
    *("sequence_user", "sequence_indptr", "sequence_items"),
)
IN_ORDER = {"sequence_user", "sequence_indptr", "sequence_items", "history", "start", "stop"}


def time_split(**changes):
    chosen = {
        "train_until": "1970-01-04",
        "validation_until": "1970-01-06",
        "per": "user",
        "unknown_users": "drop",
        "period": "test",
        "ks": (1, 2),
        "primary_metric": "recall@2",
    }
    return TimeSplit(**{**chosen, **changes})


ROWS = [
    # user, item, day, session
    (3, 4, 0, "a"),
    (1, 2, 1, "b"),
    (3, 4, 1, "a"),
    (-1, 6, 2, "c"),
    (3, 0, 2, "d"),
    (1, 5, 3, "e"),
    (3, 2, 3, "f"),
    (3, 2, 4, "f"),
    (0, 1, 4, "g"),
    (2, 1, 4, "h"),
    (1, 6, 5, "i"),
    (-1, 0, 6, "j"),
    (0, 3, 6, "k"),
    (3, 3, 7, "i"),
]


def one_by_one(queries):
    """[(user, [items])] of the queries."""
    return [(user, targets) for user, _, targets in questions(queries)]


class TestByHand:
    def test_training_rows(self):
        split = time_split().split(interactions(ROWS))
        assert (split.n_users, split.n_items, split.n_rows) == (2, 5, (5, 5, 4))
        assert split.user.tolist() == [0, 1, 1, 1]
        assert split.item.tolist() == [2, 0, 4, 4]
        assert split.item_counts.tolist() == [1, 0, 1, 0, 2]  # item 6 of nobody is beyond the catalogue
        assert split.seen_indptr.tolist() == [0, 1, 3]
        assert split.seen_items.tolist() == [2, 0, 4]

    def test_training_sequences_and_histories(self):
        split = time_split(per="session", unknown_users="popular").split(interactions(ROWS))
        assert split.sequence_user.tolist() == [0, 1]
        assert parts(split.sequence_indptr, split.sequence_items) == [[2], [4, 4, 0]]
        assert [history for _, history, _ in questions(split.period("validation"))] == [[2], [4, 4, 0], [], []]
        assert [history for _, history, _ in questions(split.period("test"))] == [[2], [], []]
        assert split.period("test").history is split.sequence_items

    def test_one_query_a_user(self):
        split = time_split().split(interactions(ROWS))
        assert one_by_one(split.period("validation")) == [(0, [5]), (1, [2, 2])]
        assert one_by_one(split.period("test")) == [(0, [6]), (1, [3])]

    def test_one_query_a_session(self):
        split = time_split(per="session", unknown_users="popular").split(interactions(ROWS))
        assert one_by_one(split.period("validation")) == [(0, [5]), (1, [2, 2]), (-1, [1]), (-1, [1])]
        assert one_by_one(split.period("test")) == [(0, [6, 3]), (-1, [0]), (-1, [3])]

    def test_sessions_of_unknown_users_can_be_dropped(self):
        split = time_split(per="session").split(interactions(ROWS))
        assert one_by_one(split.period("validation")) == [(0, [5]), (1, [2, 2])]
        assert one_by_one(split.period("test")) == [(0, [6, 3])]

    def test_two_new_users_are_two_queries(self):
        split = time_split(unknown_users="popular").split(interactions(ROWS))
        assert Counter(map(repr, one_by_one(split.period("validation")))) == Counter(
            map(repr, [(0, [5]), (1, [2, 2]), (-1, [1]), (-1, [1])])
        )

    def test_a_row_at_the_very_moment_of_a_cut_is_after_it(self):
        rows = [(0, 0, 0, "a"), (0, 1, 3, "b"), (0, 2, 5, "c")]
        assert time_split().split(interactions(rows)).n_rows == (1, 1, 1)
        early = interactions(rows)
        early.timestamp[1] -= 1
        with pytest.raises(InputError, match="2 training, 0 validation and 1"):
            time_split().split(early)

    def test_a_cut_may_be_a_moment(self):
        split = time_split(train_until="1970-01-04T00:00:01").split(interactions(ROWS))
        assert split.n_rows == (7, 3, 4)

    @pytest.mark.parametrize(
        ("cut", "microseconds"),
        [
            ("2011-10-09", 1_318_118_400_000_000),
            ("20111009", 1_318_118_400_000_000),
            ("2011-10-09T08:30", 1_318_149_000_000_000),
            ("2011-10-09 08:30:00.4", 1_318_149_000_400_000),
            ("2011-10-09T08:30:00.000001Z", 1_318_149_000_000_001),
            ("2011-10-09T08:30+02:00", 1_318_141_800_000_000),
            ("1969-12-31T23:59:59.5", -500_000),
            ("0001-01-01", -62_135_596_800_000_000),
            ("9999-12-31T23:59:59.999999", 253_402_300_799_999_999),
        ],
    )
    def test_a_cut_is_kept_to_the_microsecond(self, cut, microseconds):
        protocol = time_split(train_until=cut, validation_until="9999-12-31T23:59:59.999999")
        assert protocol.trains_before(interactions(ROWS)) == microseconds

    @pytest.mark.parametrize(
        ("cut", "written"),
        [
            ("20111009", "2011-10-09"),
            ("2011-10-09T02:00+02:00", "2011-10-09"),
            ("2011-10-09 08:30Z", "2011-10-09T08:30:00"),
            ("2011-10-09T08:30:00.4", "2011-10-09T08:30:00.400000"),
            (0.8, 0.8),
        ],
    )
    def test_one_moment_is_written_in_one_way(self, cut, written):
        made, plain = (time_split(train_until=until, validation_until=until) for until in (cut, written))
        assert made == plain
        assert made.train_until == written
        assert not made.validates

    def test_rows_less_than_a_second_apart_are_on_both_sides_of_a_cut(self):
        data = interactions([(0, 0, 0, "a"), (0, 1, 0, "b"), (0, 2, 0, "c")])
        data.timestamp[:] = [100_000, 500_000, 900_000]
        cuts = {"train_until": "1970-01-01T00:00:00.3", "validation_until": "1970-01-01T00:00:00.7"}
        split = time_split(**cuts).split(data)
        assert parts(split.sequence_indptr, split.sequence_items) == [[0]]
        assert [one_by_one(split.period(name)) for name in ("validation", "test")] == [[(0, [1])], [(0, [2])]]

    @pytest.mark.parametrize("cut", ["1970-01-06", 10 / 14])
    def test_two_equal_cuts_leave_no_validation(self, cut):
        split = time_split(train_until=cut, validation_until=cut).split(interactions(ROWS))
        assert split.n_rows == (10, 0, 4)
        assert one_by_one(split.period("validation")) == []
        assert [user for user, _ in one_by_one(split.period("test"))] == [0, 1, 3]
        assert parts(split.sequence_indptr, split.sequence_items) == [[1], [2, 5], [1], [4, 4, 0, 2, 2]]

    @pytest.mark.parametrize("cut", ["1970-01-06", 10 / 14])
    def test_a_search_for_settings_ends_before_the_test(self, cut):
        split = time_split(validation_until=cut, test_until=cut, period="validation").split(interactions(ROWS))
        assert split.n_rows == (5, 5, 0)
        assert one_by_one(split.period("test")) == []
        same = time_split().split(interactions(ROWS))
        assert one_by_one(split.period("validation")) == one_by_one(same.period("validation"))

    def test_what_comes_after_the_test_is_left_out(self):
        split = time_split(test_until="1970-01-07").split(interactions(ROWS))
        assert split.n_rows == (5, 5, 1)
        early = interactions([row for row in ROWS if row[2] < 6])
        assert split.content_hash() == time_split().split(early).content_hash()

    def test_rows_need_not_be_in_order_of_time(self):
        backwards = [row for _, row in sorted(enumerate(ROWS), reverse=True)]
        split = time_split().split(interactions(backwards))
        assert split.n_rows == (5, 5, 4)
        assert split.item.tolist() == [2, 0, 4, 4]
        assert parts(split.sequence_indptr, split.sequence_items) == [[2], [4, 4, 0]]  # oldest first all the same
        assert one_by_one(split.period("validation")) == [(0, [5]), (1, [2, 2])]


def moment(days, cut):
    """A cut as a day: a day itself, or the day of the row at this fraction of all rows in order of time."""
    return sorted(days)[int(cut * len(days))] if isinstance(cut, float) else cut


def plainly(rows, cuts, per, unknown_users):
    """The protocol with lists and dictionaries only; None where the data cannot be cut."""
    train_until, validation_until, test_until = cuts
    days = [row[2] for row in rows]
    first, second = moment(days, train_until), moment(days, validation_until)
    end = max(days) + 1 if test_until is None else moment(days, test_until)
    train = [row for row in rows if row[2] < first]
    periods = {
        "validation": [row for row in rows if first <= row[2] < second],
        "test": [row for row in rows if max(first, second) <= row[2] < end],
    }
    known = sorted({user for user, *_ in train if user >= 0})
    is_validated = periods["validation"] or train_until == validation_until
    is_tested = periods["test"] or validation_until == test_until
    if not train or not is_validated or not is_tested or not known:
        return None
    number = {user: at for at, user in enumerate(known)}
    training = sorted((number[user], item) for user, item, *_ in train if user >= 0)
    past = {number[user]: items_of(oldest_first(mine)) for user, mine in grouped_by(train, 0).items()}
    queries = {}
    for period, held_out in periods.items():
        groups = {}
        for user, item, _, session in oldest_first(held_out):
            if unknown_users == "popular" or user in number:
                groups.setdefault(session if per == "session" else user, []).append((number.get(user, -1), item))
        queries[period] = [
            (groups[g][0][0], past.get(groups[g][0][0], []), [item for _, item in groups[g]]) for g in sorted(groups)
        ]
    n_items = max(item for _, item in training) + 1
    counts = Counter(item for _, item, *_ in train)
    return {
        "n_items": n_items,
        "training": training,
        "item_counts": [counts[item] for item in range(n_items)],
        "seen": [sorted({item for u, item in training if u == user}) for user in range(len(known))],
        "sequences": list(past.items()),
        "n_rows": (len(train), len(periods["validation"]), len(periods["test"])),
        **queries,
    }


days = st.integers(1, 8)
fractions = st.floats(0.05, 0.95)
cuts = st.one_of(st.tuples(days, days, days), st.tuples(fractions, fractions, fractions)).map(sorted)
cuts = st.tuples(cuts, st.booleans()).map(lambda drawn: drawn[0] if drawn[1] else [*drawn[0][:2], None])


def as_written(cut):
    whole_days = type(cut) is int
    return (dt.date(1970, 1, 1) + dt.timedelta(days=cut)).isoformat() if whole_days else cut


def written(cuts):
    train_until, validation_until, test_until = map(as_written, cuts)
    period = "validation" if test_until == validation_until else "test"
    return {
        "train_until": train_until,
        "validation_until": validation_until,
        "test_until": test_until,
        "period": period,
    }


class TestAgainstThePlainForm:
    @checked
    @given(rows=tables, cuts=cuts, unknown_users=st.sampled_from(["popular", "drop"]))
    @pytest.mark.parametrize("per", ["session", "user"])
    def test_every_array_is_the_plain_forms(self, per, rows, cuts, unknown_users):
        assume(len(set(cuts)) > 1)
        protocol = time_split(**written(cuts), per=per, unknown_users=unknown_users)
        expected = plainly(rows, cuts, per, unknown_users)
        if expected is None:
            with pytest.raises(InputError, match="made: "):
                protocol.split(interactions(rows))
            return
        split = protocol.split(interactions(rows))
        assert described(split) == expected
        check_types(split)
        assert cuts[2] is not None or sum(split.n_rows) == len(rows)

    @checked
    @given(rows=tables, cuts=cuts, data=st.data())
    def test_nothing_after_the_cut_reaches_training(self, rows, cuts, data):
        days = [row[2] for row in rows]
        cuts = [cut and moment(days, cut) for cut in cuts]  # fractions as the days that they stand for
        assume(len(set(cuts)) > 1)
        if plainly(rows, cuts, "user", "drop") is None:
            return
        protocol = time_split(**written(cuts))
        first = cuts[0]
        others = st.tuples(st.integers(-1, N_USERS - 1), st.integers(0, N_ITEMS - 1))
        perturbed = [r if r[2] < first else (*data.draw(others), r[2], r[3]) for r in rows]
        before, after = (protocol.split(interactions(table)) for table in (rows, perturbed))
        assert (before.n_users, before.n_items, before.n_rows) == (after.n_users, after.n_items, after.n_rows)
        for name in TRAINING:
            assert np.array_equal(getattr(before, name), getattr(after, name)), name

    @checked
    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=30))
    def test_rows_by_user_and_item_and_the_distinct_items_of_each_user(self, pairs):
        user, item = (np.array(column, np.int32) for column in (zip(*pairs, strict=True) if pairs else ([], [])))
        *rows, indptr, items = training_rows(user, item, 4)
        assert list(zip(*(column.tolist() for column in rows), strict=True)) == sorted(pairs)
        assert [column.dtype for column in (*rows, indptr, items)] == [np.int32, np.int32, np.int64, np.int32]
        found = [items[indptr[u] : indptr[u + 1]].tolist() for u in range(4)]
        assert found == [sorted({i for v, i in pairs if v == u}) for u in range(4)]


class TestTruth:
    def test_each_user_is_asked_about_with_all_that_came_before(self):
        truth = Probabilities()
        rows = sorted(ROWS[:3] + ROWS[4:], key=lambda row: row[2])
        split = time_split().split(interactions([row for row in rows if row[0] >= 0], truth=truth))
        assert truth.asked == [(1, 1, 1), (3, 3, 2), (1, 2, 1), (3, 5, 1)]
        assert split.period("validation").best.dtype == np.int32
        assert split.period("validation").best[:, :5].tolist() == [[2, 3, 4, 0, 1], [0, 1, 2, 3, 4]]
        assert (split.period("validation").best[:, 5:] == -1).all()  # the catalogue ends before the list does

    def test_new_users_are_asked_about_one_by_one(self):
        truth = Probabilities()
        rows = [row for row in ROWS if row[0] >= 0]
        time_split(unknown_users="popular").split(interactions(rows, truth=truth))
        assert Counter(truth.asked[:4]) == Counter([(0, 0, 1), (1, 1, 1), (2, 0, 1), (3, 3, 2)])

    def test_a_period_may_have_nobody_to_ask_about(self):
        rows = [(0, 0, 0, "a"), (1, 1, 3, "b"), (0, 2, 5, "c")]
        split = time_split().split(interactions(rows, truth=Probabilities()))
        assert (len(split.period("validation")), len(split.period("test"))) == (0, 1)

    def test_too_many_lists_are_not_made(self, monkeypatch):
        data = interactions([row for row in ROWS if row[0] >= 0], truth=Probabilities())
        monkeypatch.setattr(base, "TRUTH_LIMIT", 2 * 5)
        assert time_split().split(data).period("validation").best.shape == (2, 50)
        monkeypatch.setattr(base, "TRUTH_LIMIT", 2 * 5 - 1)
        assert time_split().split(data).period("validation").best.shape == (2, 0)

    def test_sessions_have_no_lists(self):
        truth = Probabilities()
        split = time_split(per="session").split(interactions(ROWS, truth=truth))
        assert split.period("validation").best.shape == (2, 0)
        assert truth.asked == []


class TestGrouped:
    @checked
    @given(
        st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 3)), max_size=40),
        st.booleans(),
    )
    def test_rows_of_each_group_in_order(self, rows, in_time):
        group, time = (np.array(column, np.int32) for column in (zip(*rows, strict=True) if rows else ([], [])))
        order, indptr = grouped(group, 5, time.astype(np.int64) if in_time else None)
        assert (order.dtype, indptr.dtype) == (np.int64, np.int64)
        expected = [
            sorted((at for at, (g, _) in enumerate(rows) if g == wanted), key=lambda at: rows[at][1] if in_time else 0)
            for wanted in range(5)
        ]
        assert parts(indptr, order) == [places for places in expected if places]


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"per": "week"}, "per is 'week', expected one of session, user"),
            ({"unknown_users": "keep"}, "unknown_users is 'keep', expected one of popular, drop"),
            ({"period": "train"}, "period is 'train', expected one of validation, test"),
            (
                {"validation_until": "1970-01-04", "period": "validation"},
                "period is 'validation', expected test, since validation_until is train_until",
            ),
            (
                {"test_until": "1970-01-06"},
                "period is 'test', expected validation, since test_until is validation_until",
            ),
            ({"test_until": dt.date(1970, 1, 4)}, "test_until is 1970-01-04, expected a date in quotes"),
        ],
    )
    def test_an_option_that_there_is_not(self, changes, message):
        with pytest.raises(InputError, match=message):
            time_split(**changes)

    def test_no_timestamps(self):
        with pytest.raises(InputError, match=r"made has no timestamps.*add a column timestamp"):
            time_split().split(interactions(ROWS, timestamp=None))

    def test_no_sessions(self):
        data = interactions(ROWS, session=None)
        with pytest.raises(InputError, match=r"made has no sessions.*session_id"):
            time_split(per="session").split(data)
        assert len(time_split(per="user").split(data).period("test")) == 2

    def test_an_empty_period(self):
        with pytest.raises(InputError, match=r"leaves 0 training, 10 validation and 4 test rows.*1969-12-31"):
            time_split(train_until="1969-12-31").split(interactions(ROWS))
        with pytest.raises(InputError, match="0 validation"):
            time_split(train_until="1970-01-05T00:00:01").split(interactions(ROWS))
        with pytest.raises(InputError, match="0 test rows"):
            time_split(validation_until="1971-01-01").split(interactions(ROWS))

    def test_no_row_with_a_user(self):
        rows = [(-1 if day < 3 else user, item, day, session) for user, item, day, session in ROWS]
        with pytest.raises(InputError, match="no training row has a user"):
            time_split().split(interactions(rows))

    @pytest.mark.parametrize(
        "cut",
        [
            "yesterday noon",
            "2011-13-45",
            "09.10.2011",
            "",
            "NaT",
            "now",
            "today",
            "2011",
            "1970-01-04T24:30",
            "0.8",
            "9999-12-31T23:00-02:00",
        ],
    )
    def test_what_is_no_date(self, cut):
        with pytest.raises(InputError, match=r"train_until is .*, expected a date in quotes, as in 2011-10-09"):
            time_split(train_until=cut).split(interactions(ROWS))

    def test_a_date_finer_than_times_are(self):
        with pytest.raises(InputError, match=r"'1970-01-04T00:00:00\.1234567', expected a date in quotes"):
            time_split(train_until="1970-01-04T00:00:00.1234567").split(interactions(ROWS))

    @pytest.mark.parametrize("cut", [0, 1, 1.5, -0.1, 80, float("nan")])
    def test_what_is_no_fraction(self, cut):
        with pytest.raises(InputError, match=r"train_until is .* or a fraction of the rows, between 0 and 1"):
            time_split(train_until=cut).split(interactions(ROWS))

    @pytest.mark.parametrize("cut", [dt.date(1970, 1, 4), None, (0.8,)])
    def test_a_cut_of_another_type(self, cut):
        """TOML has dates of its own, and who forgets the quotes has written one."""
        with pytest.raises(InputError, match=r"train_until is .*, expected a date in quotes"):
            time_split(train_until=cut)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({}, "unknown protocol None, expected one of time-split"),
            ({"name": "leave-one-out"}, "unknown protocol 'leave-one-out'"),
            ({"name": "time-split", "until": 0.8}, "until"),
            ({"name": "time-split", "train_until": 0.8}, "the setting 'period' is missing; add it in the suite"),
        ],
    )
    def test_a_protocol_that_there_is_not(self, settings, message):
        with pytest.raises(InputError, match=message):
            protocols.make(settings)

    @pytest.mark.parametrize("ks", [(), (5, 2), (0, 2), (2, 2), 5])
    def test_lengths_that_do_not_rise_from_one(self, ks):
        with pytest.raises(InputError, match="ks"):
            time_split(ks=ks, primary_metric="recall@5")

    @pytest.mark.parametrize("name", ["recall@7", "recal@2", "recall", "test.recall@2"])
    def test_a_primary_metric_that_is_not_measured(self, name):
        with pytest.raises(InputError, match=f"primary_metric is '{name}'"):
            time_split(primary_metric=name)

    def test_every_metric_that_is_measured_can_be_the_primary_one(self):
        measured = evaluate(np.zeros((1, 1), np.int32), np.array([0, 1]), np.zeros(1, np.int32), 1, (1,)).metrics
        assert sorted(measured) == sorted(f"{name}@1" for name in METRICS)
        for name in measured:
            assert time_split(primary_metric=name).primary_metric == name

    def test_protocols_are_imported_without_the_compiler(self):
        """They are read for every command, and it takes longer to load than most commands run."""
        code = "import sys, benchmarks.protocols; print('numba' in sys.modules)"
        root = Path(protocols.__file__).parents[2]
        seen = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
        assert seen.stdout == "False\n"

    def test_a_suites_lists_become_tuples(self):
        block = suites.load("own-data").blocks[0]
        assert protocols.make(block.protocol).ks == (5, 10, 20, 50)


@pytest.fixture
def split():
    return time_split(per="session", unknown_users="popular").split(interactions(ROWS))


def arrays(split):
    made = {name: getattr(split, name) for name in TRAINING}
    for period, queries in split.periods.items():
        made |= {f"{period}.{f.name}": getattr(queries, f.name) for f in dataclasses.fields(Queries)}
    return made


def with_array(split, name, array):
    period, _, field = name.rpartition(".")
    if period:
        changed = dataclasses.replace(split.period(period), **{field: array})
        return dataclasses.replace(split, periods={**split.periods, period: changed})
    return dataclasses.replace(split, **{name: array})


class TestFiles:
    def test_what_is_saved_is_what_is_loaded(self, split, tmp_path):
        split.save(tmp_path / "a" / "b")
        loaded = Split.load(tmp_path / "a" / "b")
        assert (loaded.n_users, loaded.n_items, loaded.n_rows) == (split.n_users, split.n_items, split.n_rows)
        for name, array in arrays(split).items():
            assert array.dtype == arrays(loaded)[name].dtype
            assert np.array_equal(array, arrays(loaded)[name])
        assert loaded.content_hash() == split.content_hash()

    def test_lists_of_the_truth_are_saved_too(self, tmp_path):
        rows = [row for row in ROWS if row[0] >= 0]
        made = time_split().split(interactions(rows, truth=Probabilities()))
        made.save(tmp_path / "split")
        assert Split.load(tmp_path / "split").period("test").best.tolist() == made.period("test").best.tolist() != []

    def test_a_split_is_not_written_over_another(self, split, tmp_path):
        split.save(tmp_path / "split")
        with pytest.raises(FileExistsError):
            split.save(tmp_path / "split")

    def test_equal_data_have_equal_hashes(self, split):
        again = time_split(per="session", unknown_users="popular").split(interactions(ROWS, name="another"))
        assert again.content_hash() == split.content_hash()

    def test_every_element_changes_the_hash_but_the_order_of_the_past_does_not(self, split):
        hashes = {split.content_hash()}
        n_elements = 0
        for name, array in arrays(split).items():
            changed = set()
            for place in range(array.size):
                other = array.copy()
                other.flat[place] += 1 + place  # two equal targets of one query are one when either changes alike
                changed.add(with_array(split, name, other).content_hash())
            if name.rpartition(".")[2] in IN_ORDER:
                assert changed == {split.content_hash()}
            else:
                hashes |= changed
                n_elements += array.size
        assert n_elements > 40
        assert len(hashes) == n_elements + 1

    def test_the_order_of_a_querys_targets_does_not_change_the_hash(self, split):
        queries = split.period("test")
        assert parts(queries.indptr, queries.items)[0] == [6, 3]
        swapped = queries.items.copy()
        swapped[:2] = [3, 6]
        assert with_array(split, "test.items", swapped).content_hash() == split.content_hash()
        swapped[1:3] = swapped[2:0:-1]  # over the bounds of two queries
        assert with_array(split, "test.items", swapped).content_hash() != split.content_hash()

    def test_the_published_hash_stays(self):
        """Of the embedded data in the order that no file decides: draws are keyed by it."""
        protocol = protocols.make(suites.load("quick").blocks[0].protocol)
        assert protocol.split(datasets.load("synthetic-tiny")).content_hash() == "f6bdd7bdd870087e"

    @pytest.mark.parametrize("change", [{"n_users": 3}, {"n_items": 6}, {"n_rows": (5, 4, 5)}])
    def test_every_size_changes_the_hash(self, split, change):
        assert dataclasses.replace(split, **change).content_hash() != split.content_hash()

    def test_a_type_changes_the_hash(self, split):
        wide = dataclasses.replace(split, item_counts=split.item_counts.astype(np.uint64))
        assert wide.content_hash() != split.content_hash()


@pytest.fixture(scope="module")
def online_retail(real_data_dir):
    return datasets.load("online-retail", real_data_dir, accept_download=False, progress=False)


@pytest.fixture(scope="module")
def judge(online_retail):
    protocol = protocols.make(suites.load("online-retail").blocks[0].protocol)
    return Judge(protocol.split(online_retail), protocol)


class TestOnlineRetail:
    """What the publication says, and what was measured independently of this code."""

    def test_rows_users_and_items(self, judge, online_retail):
        split = judge.split
        assert split.n_rows == (378_470, 64_460, 89_691)
        assert len(split.user) == len(split.item) == 278_511
        assert (split.n_users, split.n_items) == (3_706, 4_052)
        assert len(np.unique(split.user)) == 3_706
        in_training = online_retail.timestamp < int(np.datetime64("2011-10-09", "us").astype(np.int64))
        assert split.item_counts.sum() == (in_training & (online_retail.item < 4_052)).sum()

    def test_invoices(self, judge):
        queries = judge.split.period("validation")
        assert len(queries) == 2_435
        assert (queries.user >= 0).sum() == 1_664
        assert len(queries.items) == 64_460
        assert len(judge.split.period("test").items) == 89_691

    def test_the_popular_five(self, judge):
        assert np.argsort(-judge.split.item_counts, kind="stable")[:5].tolist() == [3527, 3506, 1347, 2730, 180]

    def test_popularity_has_the_published_precision(self, judge):
        spec = Popularity()
        assert spec.parameters(Sizes.of(judge.split)) == ()
        state = popularity.init(spec, {}, "cpu", "eager")
        for chunk in spec.batches(judge.split, ("unused",), 1):
            state, _ = popularity.train(state, chunk)
        metrics = judge.judge(judge.lists(popularity, state, spec, "validation"), "validation").metrics
        assert round(metrics["precision@5"], 5) == 0.06423
        hits = np.isin(judge.split.period("validation").items, [3527, 3506, 1347, 2730, 180]).sum()
        assert metrics["precision@5"] == pytest.approx(hits / (5 * 2_435), rel=1e-12)
