"""Small interactions and queries for neighbourhood models, and how these are asked about them."""

import importlib
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from backends.registry import FAMILIES


@dataclass(frozen=True)
class Case:
    """Training rows (user, item), queries (user, [items]) and what is asked of the model; -1 is an unknown user."""

    rows: tuple
    queries: tuple
    n_neighbours: int = 50
    weighted: bool = False
    filter_seen: bool = True
    k: int = 10


@st.composite
def cases(draw):
    """So few users and items that rows repeat and scores tie; histories hold items that training does not know."""
    rng = draw(st.randoms(use_true_random=False))
    n_users, n_items, n_rows = rng.randint(1, 6), rng.randint(1, 8), rng.randint(1, 30)
    return Case(
        rows=tuple((rng.randrange(n_users), rng.randrange(n_items)) for _ in range(n_rows)),
        queries=tuple(
            (rng.randrange(-1, n_users), [rng.randrange(n_items + 2) for _ in range(rng.randint(0, 5))])
            for _ in range(4)
        ),
        n_neighbours=draw(st.integers(1, 5)),
        weighted=draw(st.booleans()),
        filter_seen=draw(st.booleans()),
        k=draw(st.integers(1, 10)),
    )


def fitted(model, spec, rows):
    """The adapter and its state, given the rows as the harness gives them; users are numbered without gaps."""
    adapter = importlib.import_module(FAMILIES[model].adapters["classic"])
    user, item = (np.array(column, np.int32)[None] for column in zip(*rows, strict=True))
    state, losses = adapter.train(adapter.init(spec, {}, "cpu", "eager"), {"user": user, "item": item})
    assert (losses.shape, losses.dtype) == ((0,), np.float32)
    assert adapter.sync(state) is None  # nothing is queued
    return adapter, state


def lists(model, spec, case):
    """What the model recommends, as lists without their -1, which stand nowhere but at the end."""
    adapter, state = fitted(model, spec, case.rows)
    found = adapter.recommend(state, asked(case.queries), case.k)
    assert (found.shape, found.dtype) == ((len(case.queries), case.k), np.int32)
    assert np.all((found[:, 1:] == -1) | (found[:, :-1] != -1))
    return [[item for item in row if item >= 0] for row in found.tolist()]


def asked(queries):
    """The queries as the specs' `inputs` hands them on: stretches of one history, in an order of their own."""
    stretches, history = {}, [0]  # an item that is nobody's
    for place, (_, read) in reversed(list(enumerate(queries))):
        stretches[place] = (len(history), len(history) + len(read))
        history += read
    start, stop = np.array([stretches[place] for place in range(len(queries))]).T
    user = np.array([user for user, _ in queries], np.int32)
    return {"user": user, "history": np.array(history, np.int32), "start": start, "stop": stop}


def ranked(score):
    """The keys whose score is above 0, best first, ties by number."""
    return sorted((key for key, value in score.items() if value > 0), key=lambda key: (-score[key], key))


def sets_of(rows):
    """User -> items and item -> users, as sets."""
    items_of, users_of = {}, {}
    for user, item in rows:
        items_of.setdefault(user, set()).add(item)
        users_of.setdefault(item, set()).add(user)
    return items_of, users_of


def rarity(n):
    return 1.0 / float(np.log1p(float(n)))
