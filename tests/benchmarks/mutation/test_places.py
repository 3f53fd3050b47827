"""Which lines have to run for a mutant to show."""

import pytest

from benchmarks.mutation.places import place

SOURCE = '''\
import library

library.setting = True
LIMIT = 5
library.prepare(
    LIMIT,
)


class Model(library.Base):
    size = 3

    def scaled(self, x, by=10):
        return x * by


@library.compiled(
    fully=True,
)
def train(batch):
    """Trains."""
    if batch:
        loss = library.loss(
            batch,
            5,
        )
    else:
        loss = 0

    def inner(x=1):
        return x

    with library.tape():
        inner()
    return loss
'''


def line_of(text):
    return next(number for number, line in enumerate(SOURCE.splitlines(), 1) if text in line)


def lines(first, last):
    return frozenset(range(line_of(first), line_of(last) + 1))


INSIDE = {
    "a statement of one line": ("loss = 0", lines("loss = 0", "loss = 0")),
    "a statement of several": (
        "            5,",
        frozenset(range(line_of("library.loss"), line_of("library.loss") + 4)),
    ),
    "the head of a block": ("if batch", lines("if batch", "if batch")),
    "another head": ("with library", lines("with library", "with library")),
    "a method": ("return x * by", lines("return x * by", "return x * by")),
    "a default is used where the function is called": ("by=10", lines("return x * by", "return x * by")),
    "so is one of a function in a function": ("def inner", frozenset({line_of("def inner") + 1})),
    "a decorator": ("fully=True", lines('"""Trains."""', "return loss")),
    "what a class is made of": ("library.Base", lines("return x * by", "return x * by")),
}


@pytest.mark.parametrize(("text", "expected"), INSIDE.values(), ids=INSIDE)
def test_what_is_in_a_function_runs_with_its_statement(text, expected):
    found = place(SOURCE, line_of(text))
    assert found.lines == expected
    assert not found.beyond


@pytest.mark.parametrize(
    ("text", "beyond"),
    [("library.setting", True), ("LIMIT,", True), ("LIMIT = 5", False), ("size = 3", False), ("import library", False)],
)
def test_what_is_in_none_runs_where_the_file_is_imported(text, beyond):
    found = place(SOURCE, line_of(text))
    assert found.lines == frozenset()
    assert found.beyond == beyond
