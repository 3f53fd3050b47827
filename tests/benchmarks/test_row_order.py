"""The same rows in another order are the same data, but for rows of one user or session that share a moment."""

import dataclasses
import importlib
import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from protocol_checks import N_ITEMS, N_USERS, Probabilities, described, interactions, parts, tables

import datasets
from backends.registry import FAMILIES
from benchmarks import sampling, specs
from benchmarks.harness.evaluation import Judge
from benchmarks.harness.prepare import prepare_split
from benchmarks.protocols import LeaveKOut, NextItem, SequenceSplit, TimeSplit, UserSplit, sequences
from datasets.errors import InputError

checked = settings(derandomize=True, deadline=None, max_examples=60)
JUDGED = {"period": "test", "ks": (1,), "primary_metric": "recall@1"}
CUTS = {"train_until": 0.5, "validation_until": 0.75}
TIME_SPLIT = TimeSplit(**JUDGED, **CUTS, per="user", unknown_users="popular")
NEXT_ITEM = NextItem(**JUDGED, **CUTS, per="session", leaked=True)
PROTOCOLS = [
    TIME_SPLIT,
    dataclasses.replace(TIME_SPLIT, per="session"),
    dataclasses.replace(TIME_SPLIT, unknown_users="drop"),
    NEXT_ITEM,
    dataclasses.replace(NEXT_ITEM, per="user"),
    UserSplit(**JUDGED, shares=(0.4, 0.3, 0.3), min_items=3),
    SequenceSplit(**JUDGED, min_items=4),
    LeaveKOut(**JUDGED, k=1, min_items=3),
]
every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: f"{p.name}-{getattr(p, 'per', '')}")

user_and_day = st.tuples(st.integers(-1, N_USERS - 1), st.integers(0, 15))
told_apart = st.lists(
    st.tuples(user_and_day, st.integers(0, N_ITEMS - 1), st.integers(0, 2)),
    min_size=12,
    max_size=45,
    unique_by=lambda row: row[0],  # no user has two rows of one moment, but several users may share one
).map(lambda rows: [(user, item, day, f"{user} {number}") for (user, day), item, number in rows])


def split_or_none(protocol, rows, **changes):
    try:
        return protocol.split(interactions(rows, **changes))
    except InputError:
        return None


@every_protocol
@checked
@given(told_apart, st.randoms(use_true_random=False))
def test_another_order_of_rows_changes_nothing(protocol, rows, random):
    split = split_or_none(protocol, rows)
    assume(split is not None)
    again = protocol.split(interactions(random.sample(rows, len(rows))))
    assert described(again) == described(split)
    assert again.content_hash() == split.content_hash()
    for name, array in split._arrays().items():
        assert np.array_equal(array, again._arrays()[name]), name


@checked
@given(told_apart, st.randoms(use_true_random=False))
def test_nor_does_it_change_the_best_possible_lists(rows, random):
    rows = [row for row in rows if row[0] >= 0]
    assume(rows and split_or_none(TIME_SPLIT, rows) is not None)
    shuffled = random.sample(rows, len(rows))
    one, other = (TIME_SPLIT.split(interactions(table, truth=Probabilities())) for table in (rows, shuffled))
    assert one.period("test").best.shape[1] > 0
    assert one.period("test").best.tolist() == other.period("test").best.tolist()
    assert one.content_hash() == other.content_hash()


@pytest.mark.parametrize("unknown_users", ["popular", "drop"])
@checked
@given(tables, st.randoms(use_true_random=False))
def test_where_rows_share_a_moment_only_what_is_in_order_of_time_depends_on_it(unknown_users, rows, random):
    protocol = dataclasses.replace(TIME_SPLIT, unknown_users=unknown_users)
    split = split_or_none(protocol, rows)
    assume(split is not None)
    again = protocol.split(interactions(random.sample(rows, len(rows))))
    assert again.content_hash() == split.content_hash()
    for name, array in split._arrays().items():
        if name.rpartition(".")[2] not in ("sequence_items", "history", "items"):
            assert np.array_equal(array, again._arrays()[name]), name
    for name in ("validation", "test"):
        one, other = (parts(made.period(name).indptr, made.period(name).items) for made in (split, again))
        assert list(map(sorted, one)) == list(map(sorted, other))


def batches_of(split):
    rng = [sampling.generator("order", number) for number in range(6)]
    drawn = [
        sampling.bootstrapped_triples(rng[0], split, 3, 5),
        sampling.labelled_pairs(rng[1], split, 5, 2),
        sampling.positives(rng[2], split, 5),
        sampling.prefixes(rng[3], split, 5, 4),
        sampling.random_cuts(rng[4], split, 5, 4),
        sampling.windows(rng[5], split, 5, 4),
    ]
    return [{name: array.tolist() for name, array in chunk.items()} for chunks in drawn for chunk in chunks]


def test_every_draw_is_the_same():
    rng = np.random.default_rng(0)
    rows = [(user, int(rng.integers(N_ITEMS)), day, str(user)) for user in range(N_USERS) for day in range(20)]
    shuffled = [rows[at] for at in rng.permutation(len(rows))]
    one, other = (batches_of(TIME_SPLIT.split(interactions(table))) for table in (rows, shuffled))
    assert len(one) == 6
    assert all(len(chunk) > 1 for chunk in one)
    assert one == other


@pytest.fixture(scope="module")
def turned():
    """The embedded data as they are and with their rows in another order, both cut."""
    data = datasets.load("synthetic-tiny")
    order = np.random.default_rng(0).permutation(len(data))
    columns = {name: getattr(data, name)[order] for name in ("user", "item", "timestamp")}
    return [TIME_SPLIT.split(rows) for rows in (data, dataclasses.replace(data, **columns))]


@pytest.mark.parametrize("model", FAMILIES)
def test_every_model_learns_from_the_same_batches(turned, model):
    spec = specs.make(model, {})
    one, other = (list(itertools.islice(spec.batches(split, ("order",), 1), 2)) for split in turned)
    assert len(one) == len(other)
    for chunk, same in zip(one, other, strict=True):
        assert chunk.keys() == same.keys()
        for name, array in chunk.items():
            assert np.array_equal(array, same[name]), name


@pytest.mark.parametrize("model", ["popularity", "item-cf", "user-cf", "ease", "slim", "oracle"])
def test_every_figure_is_the_same(turned, model):
    spec = specs.make(model, {})
    adapter = importlib.import_module(FAMILIES[model].adapters["classic"])
    figures = []
    for split in turned:
        state = adapter.init(spec, {}, "cpu", "eager")
        for chunk in spec.batches(split, ("order",), 1):
            state, _ = adapter.train(state, chunk)
        figures.append(Judge(split, TIME_SPLIT).all_periods(adapter, state, spec)[0])
    assert figures[0]["recall@1"] > 0
    assert figures[0] == figures[1]


class TestWhatTheFileDecides:
    @checked
    @given(tables)
    @pytest.mark.parametrize(
        ("protocol", "columns", "whose"),
        [
            (TIME_SPLIT, (0,), "user"),
            (dataclasses.replace(TIME_SPLIT, per="session"), (0, 3), "user or session"),
            (NEXT_ITEM, (3,), "session"),
            (dataclasses.replace(NEXT_ITEM, per="user"), (0,), "user"),
            (LeaveKOut(**JUDGED, k=1), (0,), "user"),
        ],
        ids=["time-split", "time-split-session", "next-item-session", "next-item-user", "leave-k-out"],
    )
    def test_it_is_counted(self, protocol, columns, whose, rows):
        shared = Counter((column, row[column], row[2]) for row in rows for column in columns if row[column] != -1)
        n = sum(any(shared[column, row[column], row[2]] > 1 for column in columns) for row in rows)
        said = sequences.note_of_order(interactions(rows), protocol)
        assert said.startswith(f"{n} of {len(rows)} rows share their moment with another of the same {whose}")
        assert said.endswith("; among these the order of the file counts") == (n > 0)

    def test_it_is_a_note_of_every_record(self, tmp_path):
        rows = [f"u{user},i{(user + day) % 7},{day}" for day in range(20) for user in range(4)]
        notes, hashes = {}, {}
        for name, lines in (("whole", rows), ("turned", rows[::-1]), ("tied", [*rows, "u0,i6,3"])):
            (tmp_path / f"{name}.csv").write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n")
            for _ in range(2):  # cut, and found
                prepared = prepare_split(str(tmp_path / f"{name}.csv"), TIME_SPLIT, tmp_path / "results", None)
            notes[name] = [note for note in prepared.notes if "share their moment" in note]
            hashes[name] = prepared.hashes
        assert hashes["whole"]["split"] == hashes["turned"]["split"]
        assert hashes["whole"]["dataset"] != hashes["turned"]["dataset"]
        cut = "time-split train_until=0.5 validation_until=0.75 per=user unknown_users=popular test@1 by recall@1"
        same = "rows share their moment with another of the same user"
        assert notes["whole"] == [f"{tmp_path / 'whole.csv'}, {cut}: 0 of 80 {same}"]
        assert notes["tied"] == [
            f"{tmp_path / 'tied.csv'}, {cut}: 2 of 81 {same}; among these the order of the file counts"
        ]

    @pytest.mark.parametrize(
        ("order", "share"),
        [
            (lambda data: np.arange(len(data))[::-1], 0.4212),
            (lambda data: np.argsort(data.item, kind="stable"), 0.2581),
            (lambda data: np.argsort(-data.item, kind="stable"), 0.2664),
        ],
        ids=["file reversed", "item up", "item down"],
    )
    def test_of_the_last_rows_of_movielens_1m(self, real_data_dir, order, share):
        """Share of users whose last row is another, where rows of one moment stand in another order."""
        if not (real_data_dir / "ml-1m.zip").exists():
            pytest.skip(f"no real data: {real_data_dir} has no ml-1m.zip")
        data = datasets.load("ml-1m", real_data_dir, accept_download=False, progress=False)
        rows = order(data)
        columns = {name: getattr(data, name)[rows] for name in ("user", "item", "timestamp", "rating")}
        protocol = LeaveKOut(**JUDGED, k=1)
        last, others = (protocol.split(each).period("test") for each in (data, dataclasses.replace(data, **columns)))
        assert np.array_equal(last.user, others.user)
        assert np.mean(last.items != others.items) == pytest.approx(share, abs=0.002)
