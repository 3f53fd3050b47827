"""The ladder's own data: what they hold, and that what is rare is met in the very first batch."""

import numpy as np
import pytest

from backends.registry import TRAINABLE
from benchmarks import specs
from benchmarks.agreement import climbs, ladder_data, reference
from benchmarks.protocols.features import n_categories
from benchmarks.specs.base import Sizes
from benchmarks.specs.questions import QUERIES_AT_ONCE

SMALL = ladder_data.problem()
CLIMBS = [climb for model in TRAINABLE for climb in climbs.of(model)]
BY_HISTORY = [climb for climb in CLIMBS if climb.spec.asks == "histories"]
UINT16 = np.iinfo(np.uint16).max


def named(climb):
    return f"{climb.spec.model} {climb.spec.variant} {climb.name}"


def wide():
    return ladder_data.problem(0, "wide")


class TestProblem:
    def test_what_is_known_of_users_are_items_of_their_group(self):
        assert SMALL.user.max() < SMALL.n_users
        lengths = SMALL.stop - SMALL.start
        assert (lengths.min(), lengths.max()) == (0, 10)
        group = np.repeat(np.arange(SMALL.n_users) % ladder_data.N_GROUPS, lengths)
        known = SMALL.history[: SMALL.stop[-1]]
        assert np.array_equal(known % ladder_data.N_GROUPS, group)
        assert np.array_equal(SMALL.held_out % ladder_data.N_GROUPS, np.arange(SMALL.n_users) % ladder_data.N_GROUPS)

    def test_sequences_are_of_their_users_group_and_long_enough_to_be_cut(self):
        lengths = np.diff(SMALL.sequence_indptr)
        assert (lengths.min(), lengths.max()) == (5, 14)
        group = np.repeat(SMALL.sequence_user % ladder_data.N_GROUPS, lengths)
        assert np.array_equal(SMALL.sequence_items % ladder_data.N_GROUPS, group)

    def test_three_histories_are_nobodys_and_longer_than_all_others(self):
        repeated, in_turn, mixed = SMALL.history[SMALL.stop[-1] :].reshape(3, -1).tolist()
        last = SMALL.n_items - 1
        assert (repeated, in_turn) == ([last] * 303, ([0, last] * 152)[:303])
        assert len(mixed) == 303
        assert len(set(mixed)) > 20

    def test_wide_data_go_beyond_what_16_bits_can_count(self):
        data = wide()
        assert min(data.n_users, data.n_items) > UINT16
        for ids in (data.user, data.item, data.history, data.sequence_items):
            assert ids.max() > UINT16

    def test_wide_histories_are_longer_than_any_model_reads_there(self):
        read = [getattr(c.spec, "length", getattr(c.spec, "history_length", 0)) for c in CLIMBS if c.size == "wide"]
        assert max(read) == 40
        assert (wide().stop - wide().start).max() > 40

    def test_tiles_of_all_sizes_have_a_last_one_that_is_short(self):
        assert all(n % tile for tile in range(2, 5000) for n in (wide().n_users, wide().n_items))

    @pytest.mark.parametrize("size", ladder_data.SIZES)
    def test_the_same_seed_gives_the_same_data_and_another_others(self, size):
        again = ladder_data.problem.__wrapped__(0, size)
        other = ladder_data.problem(1, size)
        for name in ("user", "item", "history", "sequence_items", "held_out"):
            assert np.array_equal(getattr(again, name), getattr(ladder_data.problem(0, size), name))
            assert not np.array_equal(getattr(other, name), getattr(again, name))


def opened(asked, at):
    """The history of a question, as a tuple."""
    return tuple(asked.history[asked.start[at] : asked.stop[at]].tolist())


ASKED = ladder_data.questions(SMALL, everybody=False, by_history=True)
HISTORIES = [opened(ASKED, at) for at in range(len(ASKED.user))]


class TestQuestions:
    def test_users_come_in_any_order_and_with_repeats(self):
        users = np.array([7, 299, 0, 7], np.int32)
        asked = ladder_data.asked(SMALL, users)
        assert asked.user.tolist() == users.tolist()
        for place, user in enumerate(users):
            assert opened(asked, place) == tuple(SMALL.history[SMALL.start[user] : SMALL.stop[user]].tolist())

    def test_one_who_is_not_asked_by_history_is_asked_by_number_alone(self):
        asked = ladder_data.questions(SMALL, everybody=False, by_history=False)
        assert len(asked.user) == ladder_data.N_ASKED
        assert (asked.user >= 0).all()

    def test_everybody_is_asked_where_that_is_wanted(self):
        asked = ladder_data.questions(SMALL, everybody=True, by_history=False)
        assert asked.user.tolist() == list(range(SMALL.n_users))

    def test_of_everybodys_histories_several_portions_are_asked_about(self):
        asked = ladder_data.questions(wide(), everybody=True, by_history=True)
        assert len(asked.user) > 3 * QUERIES_AT_ONCE
        assert len(asked.user) % QUERIES_AT_ONCE
        assert asked.user.max() > UINT16

    def test_a_user_that_nobody_knows_is_asked_about_with_histories_of_others(self):
        unknown = [HISTORIES[at] for at in np.flatnonzero(ASKED.user == -1)]
        assert len(set(unknown)) > 10
        assert any(unknown)

    def test_the_same_user_has_several_histories(self):
        of_user = {}
        for user, history in zip(ASKED.user.tolist(), HISTORIES, strict=True):
            of_user.setdefault(user, set()).add(history)
        assert sum(len(histories) > 1 for user, histories in of_user.items() if user >= 0) > 10

    def test_a_session_is_asked_about_at_each_of_its_steps(self):
        last = SMALL.n_items - 1
        asked = set(zip(ASKED.user.tolist(), HISTORIES, strict=True))
        for user, session in ((-1, (last,) * 12), (0, (0, last) * 6)):
            assert {(user, session[:n]) for n in range(13)} <= asked
        longest = int(np.argmax(SMALL.stop - SMALL.start))
        own = tuple(SMALL.history[SMALL.start[longest] : SMALL.stop[longest]].tolist())
        assert {(longest, own[:n]) for n in range(len(own) + 1)} <= asked

    def test_prefixes_of_one_session_share_its_beginning(self):
        """So that a model that reads whole sessions reads one and answers for each of its steps."""
        begun = np.bincount(np.unique(ASKED.start, return_inverse=True)[1])
        assert (begun >= 11).sum() >= 4

    def test_items_come_again_and_again(self):
        assert any(len(history) > 1 and len(set(history)) == 1 for history in HISTORIES)

    @pytest.mark.parametrize("climb", BY_HISTORY, ids=named)
    def test_histories_are_empty_as_long_as_the_model_reads_and_longer(self, climb):
        data = ladder_data.problem(0, climb.size)
        asked = ladder_data.questions(data, everybody=climb.size == "wide", by_history=True)
        read = getattr(climb.spec, "length", getattr(climb.spec, "history_length", getattr(climb.spec, "window", 0)))
        assert {0, 1, read, read + 1} <= set((asked.stop - asked.start).tolist())


def first_batch(climb):
    return next(reference.steps(next(reference.chunks(climb))))


def looked_up(batch):
    """Table -> the rows that a batch looks up in it, numbered from 0; -1 is nobody, or padding."""
    items = [batch[name].ravel() - 1 for name in ("history",) if name in batch]
    items = [rows[rows >= -1] for rows in items]  # without masks
    at_every_place = "target" in batch and batch["target"].ndim > 1  # numbered as histories are
    items += [batch["target"].ravel() - at_every_place] if "target" in batch else []
    items += [batch[name].ravel() for name in ("item", "positive", "negative") if name in batch]
    users = [batch["user"].ravel()] if "user" in batch else []
    return {"items": np.concatenate(items), **({"users": np.concatenate(users)} if users else {})}


@pytest.mark.parametrize("climb", CLIMBS, ids=named)
class TestFirstBatch:
    def test_it_holds_the_first_and_the_last_row_of_every_table(self, climb):
        data = ladder_data.problem(0, climb.size)
        rows = looked_up(first_batch(climb))
        assert {0, data.n_items - 1} <= set(rows["items"].tolist())
        if "users" in rows:
            assert {0, data.n_users - 1} <= set(rows["users"].tolist())

    def test_it_is_of_the_shapes_and_types_of_the_batch_that_was_drawn(self, climb):
        data = ladder_data.problem(0, climb.size)
        drawn = next(climb.spec.batches(data, (*ladder_data.key(0, climb.size), climb.spec.model), 1))
        found = first_batch(climb)
        assert {name: (value.dtype, value.shape) for name, value in found.items()} == {
            name: (value.dtype, value.shape[1:]) for name, value in drawn.items()
        }

    def test_its_rows_are_within_their_tables(self, climb):
        data = ladder_data.problem(0, climb.size)
        rows = looked_up(first_batch(climb))
        assert -1 <= rows["items"].min() <= rows["items"].max() < data.n_items
        if "users" in rows:
            least = -1 if climb.spec.asks == "histories" else 0
            assert least <= rows["users"].min() <= rows["users"].max() < data.n_users


@pytest.mark.parametrize("climb", BY_HISTORY, ids=named)
def test_the_first_batch_has_a_repeated_item_and_one_whose_length_says_so(climb):
    batch = first_batch(climb)
    last = ladder_data.problem(0, climb.size).n_items
    assert batch["history"][0, :2].tolist() == [last, last]
    if "length" in batch:
        assert batch["length"][:2].min() >= 2


@pytest.mark.parametrize("model", [model for model in TRAINABLE if specs.make(model, {}).asks == "histories"])
def test_the_first_batch_has_a_user_that_nobody_knows(model):
    for climb in climbs.of(model):
        if climb.spec.asks == "histories":
            assert first_batch(climb)["user"][2] == -1


def test_a_negative_is_the_positive_and_two_rows_have_the_same_positive():
    pairwise = first_batch(climbs.of("mf-bpr", quick=True)[0])
    assert pairwise["negative"][2] == pairwise["positive"][2]
    (softmax,) = (climb for climb in climbs.of("dssm", quick=True) if climb.spec.variant == "softmax")
    item = first_batch(softmax)["item"]
    assert item[2, 0] == item[3, 0]
    assert (item[2, 1:] == item[2, 0]).all()


@pytest.mark.parametrize("climb", [climb for climb in CLIMBS if hasattr(climb.spec, "objective")], ids=named)
def test_a_negative_of_a_sequence_model_is_the_target(climb):
    batch = first_batch(climb)
    if "negatives" in batch:
        target = batch["target"] - (climb.spec.trains_on == "positions")
        own = target[..., None] if climb.spec.objective == "bce" else target.ravel()[:, None]
        hits = own == batch["negatives"]
        assert 0 < hits.sum() < hits.size


def test_what_is_drawn_is_not_written_to():
    drawn = {"user": np.arange(5, dtype=np.int32), "item": np.arange(5, dtype=np.int32)}
    kept = {name: value.copy() for name, value in drawn.items()}
    ladder_data.with_the_rare(drawn, SMALL)
    assert all(np.array_equal(drawn[name], kept[name]) for name in drawn)


@pytest.mark.parametrize(("size", "n"), [("small", 256), ("wide", 1 << 15)])
def test_a_side_has_two_dense_columns_and_two_sparse_ones_one_of_more_categories_than_small_types_hold(size, n):
    data = ladder_data.problem(0, size)
    counts = [
        sorted(n_categories(column) for column in columns.values())
        for columns in (data.user_features, data.item_features)
    ]
    assert [of_side[:3] for of_side in counts] == [[0, 0, 3], [0, 0, 4]]
    assert counts[0][-1] > n  # of few items there are fewer
    assert size == "small" or counts[1][-1] > n


def test_of_the_last_user_and_item_who_are_in_the_first_batch_no_category_is_known():
    for columns in (SMALL.user_features, SMALL.item_features):
        sparse = [column for column in columns.values() if n_categories(column)]
        assert [int(column[-1]) for column in sparse] == [0, 0]


def test_columns_of_features_have_a_row_more_than_there_are_users_and_items():
    sizes = Sizes.of(SMALL)
    assert all(len(column) == SMALL.n_users + 1 for column in sizes.user_features.values())
    assert all(len(column) == SMALL.n_items + 1 for column in sizes.item_features.values())
