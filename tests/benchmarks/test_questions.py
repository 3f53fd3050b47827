"""How queries are put to models that read histories, against slow oracles."""

from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.specs import questions

checked = settings(derandomize=True, deadline=None, max_examples=150)

sequences = st.lists(st.tuples(st.integers(-1, 3), st.lists(st.integers(0, 50), max_size=20)), min_size=1, max_size=8)


@st.composite
def asked(draw):
    """Queries about steps of sessions, in any order and with repeats: (user, what it had so far)."""
    made = draw(sequences)
    starts = np.cumsum([0, *(len(items) for _, items in made)])
    of = draw(st.lists(st.integers(0, len(made) - 1), min_size=1, max_size=30))
    steps = [draw(st.integers(0, len(made[session][1]))) for session in of]
    return SimpleNamespace(
        user=np.array([made[session][0] for session in of], np.int32),
        history=np.array([item for _, items in made for item in items], np.int32),
        start=starts[of],
        stop=starts[of] + steps,
    )


def history_of(queries, query):
    return queries.history[queries.start[query] : queries.stop[query]].tolist()


def shapes(portions):
    return {tuple((name, value.shape) for name, value in inputs.items()) for inputs, _ in portions}


class TestLastItems:
    @checked
    @given(queries=asked(), length=st.integers(1, 8), at_once=st.integers(1, 7))
    def test_each_row_is_its_querys_last_items(self, queries, length, at_once):
        with mock.patch.object(questions, "QUERIES_AT_ONCE", at_once):
            portions = list(questions.last_items(queries, length))
        answered = []
        for inputs, rows in portions:
            assert list(inputs) == ["user", "history", "length"]
            assert {value.dtype for value in inputs.values()} == {np.dtype(np.int32)}
            for place, query in enumerate(rows):
                last = history_of(queries, query)[-length:]
                assert inputs["user"][place] == queries.user[query]
                assert inputs["length"][place] == len(last)
                assert inputs["history"][place].tolist() == [item + 1 for item in last] + [0] * (length - len(last))
            answered += rows.tolist()
        n = len(queries.user)
        assert answered[:n] == list(range(n))
        assert set(answered[n:]) <= {n - 1}
        assert len(shapes(portions)) == 1
        assert len(portions) == -(-n // at_once)

    def test_a_few_queries_are_not_filled_up(self):
        queries = SimpleNamespace(
            user=np.zeros(3, np.int32), history=np.zeros(0, np.int32), start=np.zeros(3, int), stop=np.zeros(3, int)
        )
        ((inputs, rows),) = questions.last_items(queries, 4)
        assert (inputs["history"].shape, rows.tolist()) == ((3, 4), [0, 1, 2])


def check_sessions(queries):
    """Every query is answered, by a row and step before which its own history stands and nothing else."""
    answered = set()
    for inputs, rows in questions.whole_sessions(queries):
        assert list(inputs) == ["user", "history", "session", "step"]
        assert {value.dtype for value in inputs.values()} == {np.dtype(np.int32)}
        for place, query in enumerate(rows):
            session, step = inputs["session"][place], inputs["step"][place]
            own = history_of(queries, query)
            assert inputs["history"][session][: step + 1].tolist() == [0] + [item + 1 for item in own]
            assert inputs["user"][session] == queries.user[query]
        answered |= set(rows.tolist())
    assert answered == set(range(len(queries.user)))


class TestWholeSessions:
    @checked
    @given(queries=asked(), places=st.sampled_from([1, 8, 32, 1 << 14]))
    def test_each_query_finds_its_own_history_before_its_step(self, queries, places):
        with mock.patch.object(questions, "PLACES_AT_ONCE", places):
            check_sessions(queries)

    def test_sessions_of_every_length(self):
        """Those of 7, 8 and 9 items, 15, 16 and 17 are where the width of a portion changes."""
        lengths = np.arange(40)
        stop = np.cumsum(lengths)
        history = np.arange(stop[-1], dtype=np.int32)
        check_sessions(SimpleNamespace(user=lengths.astype(np.int32), history=history, start=stop - lengths, stop=stop))

    @checked
    @given(queries=asked(), places=st.sampled_from([1, 8, 32, 1 << 14]))
    def test_shapes_are_few_and_small_enough(self, queries, places):
        with mock.patch.object(questions, "PLACES_AT_ONCE", places):
            portions = list(questions.whole_sessions(queries))
        for inputs, rows in portions:
            n_sessions, width = inputs["history"].shape
            assert width >= 8
            assert is_power_of_two(width)
            assert is_power_of_two(len(rows))
            assert n_sessions * width <= max(places, width)
            assert n_sessions == max(1, places // width)
        longest = int((queries.stop - queries.start).max()) + 1
        assert max(inputs["history"].shape[1] for inputs, _ in portions) < max(2 * longest, 9)

    @checked
    @given(queries=asked())
    def test_a_session_stands_once_however_often_it_is_asked_about(self, queries):
        portions = list(questions.whole_sessions(queries))
        opened = {(start, user) for start, user in zip(queries.start.tolist(), queries.user.tolist(), strict=True)}
        used = sum(len(np.unique(inputs["session"])) for inputs, _ in portions)
        assert used == len(opened)
        once = [query for _, rows in portions for query in dict.fromkeys(rows.tolist())]
        assert sorted(once) == list(range(len(queries.user)))

    def test_a_session_asked_about_at_every_step_is_one_row(self):
        items = np.array([4, 2, 9, 7, 5], np.int32)
        queries = SimpleNamespace(
            user=np.array([3, 3, 3, 1, 1], np.int32),
            history=items,
            start=np.array([0, 0, 0, 3, 3]),
            stop=np.array([0, 1, 2, 3, 4]),
        )
        with mock.patch.object(questions, "PLACES_AT_ONCE", 16):
            ((inputs, rows),) = questions.whole_sessions(queries)
        assert inputs["history"].tolist() == [[0, 5, 3, 0, 0, 0, 0, 0], [0, 8, 0, 0, 0, 0, 0, 0]]
        assert inputs["user"].tolist() == [3, 1]
        assert inputs["session"][:5].tolist() == [0, 0, 0, 1, 1]
        assert inputs["step"][:5].tolist() == [0, 1, 2, 0, 1]
        assert rows.tolist() == [0, 1, 2, 3, 4, 4, 4, 4]


def is_power_of_two(n):
    return n & (n - 1) == 0


@pytest.mark.parametrize("ask", [lambda q: questions.last_items(q, 3), questions.whole_sessions])
def test_no_queries_make_no_portion(ask):
    nothing = SimpleNamespace(
        user=np.zeros(0, np.int32), history=np.zeros(0, np.int32), start=np.zeros(0, int), stop=np.zeros(0, int)
    )
    assert list(ask(nothing)) == []
