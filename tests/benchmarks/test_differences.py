"""How arrays differ: held to loops over plain numbers, with what is no number, and of what nothing is left."""

import re

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.agreement import differences
from benchmarks.agreement.differences import absolute, largest, to_the_array, to_the_gradients, to_the_row

checked = settings(derandomize=True, deadline=None)
NUMBERS = st.sampled_from([0.0, 1.0, -2.5, 4.0, 1e-3, np.nan, np.inf, -np.inf])
FINITE = st.sampled_from([0.0, 1.0, 3.0])


@given(st.data(), arrays.array_shapes(min_dims=1, max_dims=3, max_side=4))
@checked
def test_entries_are_those_that_differ_most(data, shape):
    found = data.draw(arrays.arrays(np.float32, shape, elements=NUMBERS))
    expected = data.draw(arrays.arrays(np.float64, shape, elements=FINITE))
    entries = largest({"w": found}, {"w": expected}).entries
    sizes = {}
    for index in np.ndindex(shape):
        size = abs(float(found[index]) - expected[index])
        sizes[f"w{list(index)}"] = size if np.isfinite(size) else np.inf
    ordered = sorted(sizes, key=lambda place: -sizes[place])  # ties in the order of the array
    assert [entry.place for entry in entries] == [place for place in ordered if sizes[place] > 0][:5]
    for entry in entries:
        index = tuple(map(int, re.findall(r"\d+", entry.place)))
        np.testing.assert_equal((entry.found, entry.expected), (float(found[index]), expected[index]))


@given(st.data(), arrays.array_shapes(min_dims=2, max_dims=3, max_side=4))
@checked
def test_a_row_is_measured_by_its_own_largest_element(data, shape):
    found = data.draw(arrays.arrays(np.float64, shape, elements=st.floats(-10, 10)))
    expected = data.draw(arrays.arrays(np.float64, shape, elements=st.floats(-10, 10)))
    whole = max((abs(float(value)) for value in expected.ravel()), default=0.0) or 1.0
    worst = 0.0
    for row, own in zip(found, expected, strict=True):
        size = max(abs(float(value)) for value in own.ravel())
        unit = max(size, 1e-30) if size else whole
        worst = max(worst, max(abs(float(a) - float(b)) for a, b in zip(row.ravel(), own.ravel(), strict=True)) / unit)
    assert largest({"w": found}, {"w": expected}, to_the_row).size == pytest.approx(worst)


def test_a_thousandth_of_a_tiny_row_counts_as_much_as_one_of_a_long_one():
    expected = np.array([[1e-12, 0.0], [100.0, 0.0]])
    found = expected * [[1.001], [1.0]]
    assert largest({"w": found}, {"w": expected}, to_the_row).size == pytest.approx(1e-3)
    assert largest({"w": found}, {"w": expected}, to_the_array).size < 1e-16


def test_of_rows_of_zeros_differences_are_relative_to_the_array():
    expected = np.array([[0.0, 0.0], [4.0, 0.0]])
    assert largest({"w": expected + 1}, {"w": expected}, to_the_row).size == pytest.approx(0.25)
    assert largest({"w": np.full((2, 2), 0.5)}, {"w": np.zeros((2, 2))}, to_the_row).size == 0.5


def test_what_float32_has_no_digits_for_is_no_difference():
    expected = np.array([[1e-40, 0.0], [1.0, 0.0]])
    assert largest({"w": expected * [[2.0], [1.0]]}, {"w": expected}, to_the_row).size < 1e-9


def test_several_interests_of_a_user_are_one_row():
    expected = np.array([[[1e-6, 0.0], [1.0, 0.0]]])
    found = expected + np.array([[[1e-6, 0.0], [0.0, 0.0]]])
    assert largest({"w": found}, {"w": expected}, to_the_row).size == pytest.approx(1e-6)


def test_the_array_is_measured_by_its_largest_element_or_by_one():
    assert largest({"w": np.array([1.0, -4.5])}, {"w": np.array([1.0, -4.0])}, to_the_array).size == 0.125
    assert largest({"w": np.array([0.5])}, {"w": np.array([0.0])}, to_the_array).size == 0.5


def test_a_gradient_of_rounding_is_measured_by_the_others():
    expected = {"table": np.array([2.0, -1.0]), "bias": np.array([1e-17])}
    scale = to_the_gradients(expected)
    assert scale(expected["table"]) == 2.0
    assert scale(expected["bias"]) == 0.02
    assert to_the_gradients({"w": np.zeros(2)})(np.zeros(2)) == 0.01


def test_the_array_of_the_largest_difference_is_named():
    expected = {"a": np.zeros(2), "b": np.zeros((1, 2))}
    found = {"a": np.array([0.0, 1.0]), "b": np.array([[0.0, -3.0]])}
    worst = largest(found, expected)
    assert (worst.size, worst.where) == (3.0, "b")
    assert worst.entries == (("b[0, 1]", -3.0, 0.0),)


def test_what_is_equal_differs_by_nothing_nowhere():
    assert largest({"a": np.ones(3)}, {"a": np.ones(3)}) == (0.0, "", (), None)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_ends_the_search(value):
    worst = largest({"a": np.array([0.0, value]), "b": np.array([1e9])}, {"a": np.zeros(2), "b": np.zeros(1)})
    assert not np.isfinite(worst.size)
    assert worst.where == "a"
    assert worst.entries[0].place == "a[1]"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (np.zeros((3, 2), np.float32), "a is float32[3, 2], not an array of shape [2, 3]"),
        (None, "a is a NoneType, not an array of shape [2, 3]"),
        ([[0.0] * 3] * 2, "a is a list, not an array of shape [2, 3]"),
    ],
)
def test_an_array_of_another_shape_differs_by_more_than_any_limit(found, words):
    worst = largest({"a": found}, {"a": np.zeros((2, 3))})
    assert (worst.size, worst.where) == (np.inf, words)


def test_absolute_differences_are_as_they_are():
    assert absolute(np.full(3, 7.0)) == 1.0


def test_what_is_described_is_told_by_type_and_shape():
    assert differences.described(np.zeros((2, 0), np.int32)) == "int32[2, 0]"
    assert differences.described(3.0) == "a float"
