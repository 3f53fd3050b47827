"""Lists for given users: what a model is told about them, and which checkpoints are taken."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from protocol_checks import interactions, long_tables
from record_lines import record

from benchmarks import protocols, recommend, specs
from benchmarks.harness import files, store
from datasets.errors import InputError

JUDGED = {"ks": [3], "primary_metric": "recall@3"}
PROTOCOLS = [
    {"name": "leave-k-out", "k": 1, "min_items": 3, "period": "test"},
    {"name": "sequence-split", "min_items": 4, "period": "validation"},
    {"name": "user-split", "shares": [0.4, 0.2, 0.4], "min_items": 3, "period": "test"},
    {"name": "user-split", "shares": [0.4, 0.2, 0.4], "min_items": 3, "period": "validation"},
    {"name": "time-split", "train_until": 0.5, "validation_until": 0.7, "per": "user", "unknown_users": "drop",
     "period": "test"},
    {"name": "time-split", "train_until": 0.5, "validation_until": 0.7, "per": "session", "unknown_users": "popular",
     "period": "test"},
    {"name": "next-item", "train_until": 0.5, "validation_until": 0.7, "per": "user", "period": "test"},
    {"name": "next-item", "train_until": 0.5, "validation_until": 0.7, "per": "session", "period": "test"},
]  # fmt: skip
named = pytest.mark.parametrize("protocol", [protocols.make({**each, **JUDGED}) for each in PROTOCOLS], ids=str)
SEQUENCE_MODEL, USER_MODEL = specs.make("gru4rec", {}), specs.make("mf-bpr", {})


def shop(rows):
    """Interactions in which a session is one user's, as loaders make them."""
    return interactions([(user, item, day, 10 * user + session) for user, item, day, session in rows])


def rows_of(data, user):
    """A user's items, oldest first."""
    rows = np.flatnonzero(data.user == user)
    return data.item[rows[np.argsort(data.timestamp[rows], kind="stable")]].tolist()


def told(spec, protocol, data):
    """What the model is told about every user of the data: number and history, None where it knows none."""
    try:
        split = protocol.split(data)
    except InputError:
        return {}
    everyone = np.arange(data.n_users)
    asked, is_known = recommend.questions(spec, protocol, split, data, everyone)
    histories = [asked.history[first:last].tolist() for first, last in zip(asked.start, asked.stop, strict=True)]
    return {user: (int(asked.user[user]), histories[user]) if is_known[user] else None for user in everyone.tolist()}


class TestQuestions:
    @named
    @given(long_tables)
    @settings(max_examples=20, deadline=None)
    def test_a_history_is_that_of_the_user_and_in_order_of_time(self, protocol, rows):
        data = shop(rows)
        for user, known in told(SEQUENCE_MODEL, protocol, data).items():
            if known is not None:
                whole = iter(rows_of(data, user))
                assert all(item in whole for item in known[1])
                assert known[1]

    @named
    @given(long_tables)
    @settings(max_examples=20, deadline=None)
    def test_a_user_model_is_asked_by_the_number_of_whom_it_was_trained_on(self, protocol, rows):
        data = shop(rows)
        for user, known in told(USER_MODEL, protocol, data).items():
            if known is not None:
                number, seen = known
                split = protocol.split(data)
                assert set(split.item[split.user == number].tolist()) == set(seen) <= set(rows_of(data, user))

    def test_who_is_asked_about_is_told_all_but_what_is_asked_for(self):
        data = interactions([(user, (user + day) % 7, day, 0) for user in range(4) for day in range(6)])
        protocol = protocols.make({**PROTOCOLS[0], **JUDGED})
        assert told(SEQUENCE_MODEL, protocol, data) == {
            **{user: (user, rows_of(data, user)[:-1]) for user in range(4)},
            4: None,
        }
        assert [known and len(known[1]) for known in told(USER_MODEL, protocol, data).values()] == [4, 4, 4, 4, None]

    def test_new_users_are_told_their_first_rows_and_those_of_training_all(self):
        data = interactions([(user, (user + day) % 7, day, 0) for user in range(5) for day in range(5)])
        protocol = protocols.make({**PROTOCOLS[2], **JUDGED})
        known = told(SEQUENCE_MODEL, protocol, data)
        trained = protocol.users(data).tolist()
        assert len(trained) == 2
        for user in trained:
            assert known[user] == (trained.index(user), rows_of(data, user))
        new = protocol.newcomers(data).tolist()
        assert len(new) == 2
        for user in new:
            assert known[user] == (-1, rows_of(data, user)[:4])
        assert [known[user] for user in set(range(5)) - {*trained, *new}] == [None]


class TestTrained:
    @pytest.fixture
    def left(self, tmp_path):
        """A results folder with a record and the checkpoint that it tells of."""
        folder = tmp_path / "results"
        (folder / "checkpoints").mkdir(parents=True)
        path = folder / "checkpoints" / f"{'a' * 16}.npz"
        path.write_bytes(b"parameters")
        checkpoint = {"checkpoint": files.hash_file(path)}
        trained = record(cell="a" * 16, model="mf-bpr", variant="tuned", hashes=checkpoint)
        store.append(folder, [trained, record(cell="b" * 16, model="popularity", variant="seen-kept")])
        return path

    def test_the_record_says_what_it_is(self, left):
        found = recommend.trained(left)
        assert (found.record.model, found.results) == ("mf-bpr", left.parent.parent)

    def test_one_that_has_changed_is_refused(self, left):
        left.write_bytes(b"others")
        with pytest.raises(InputError, match="is not what its record says that the run left"):
            recommend.trained(left)

    def test_a_model_without_one_is_named_with_those_that_there_are(self, left):
        message = r"popularity \(seen-kept\) has left no checkpoint .*give a{16}.npz \(mf-bpr\)\."
        with pytest.raises(InputError, match=message):
            recommend.trained(left.with_stem("b" * 16))

    @pytest.mark.parametrize("place", ["checkpoints/cccccccccccccccc.npz", "aaaaaaaaaaaaaaaa.npz", "../elsewhere.npz"])
    def test_a_file_that_no_record_tells_of_is_refused(self, left, place):
        with pytest.raises(InputError, match=r"no record says what .* is, expected RESULTS/checkpoints/CELL.npz"):
            recommend.trained(left.parent.parent / place)


def test_a_user_who_is_named_takes_no_more_than_a_line():
    (said,) = recommend._left_out(pd.Index(["x" * 10_000]), 1, "not in shop")
    assert said == f"1 of 1 users is not in shop ('{'x' * 39}…)"
