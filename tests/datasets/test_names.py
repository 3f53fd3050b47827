"""What is suggested for a name that there is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.names import MOST, meant, nearest

KNOWN = ["mf-bpr", "gru4rec", "hnswlib", "faiss-hnsw", "faiss-ivf", "faiss-flat", "faiss-sq8"]
ALIASES = {"matrixfactorization": ("als", "mf-bpr")}


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("MF_BPR", ["mf-bpr"]),
        ("gru4rek", ["gru4rec"]),
        ("hnsw", ["hnswlib", "faiss-hnsw"]),
        ("matrix factorization", ["mf-bpr"]),  # of its aliases the one that is known
        ("mf", []),  # in many a name
        ("xyzzy", []),
        (3, []),
    ],
)
def test_the_nearest_names_are_found(given_name, expected):
    assert nearest(given_name, KNOWN, ALIASES) == expected


def test_what_is_in_many_names_gets_a_few_of_them():
    assert len(nearest("faiss", KNOWN, {})) == MOST


def test_the_suggestion_is_put_in_words():
    assert meant("hnsw", KNOWN, {}) == " (did you mean 'hnswlib' or 'faiss-hnsw'?)"
    assert meant("xyzzy", KNOWN, {}) == ""


@given(st.text(max_size=200), st.lists(st.text(max_size=20), unique=True))
def test_whatever_is_given_only_known_names_are_suggested(name, known):
    assert set(nearest(name, known, {})) <= set(known)
