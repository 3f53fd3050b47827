"""Where the injected bugs have been seen in public: the form of the table's `seen`, and that it is read."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.agreement import injection

THREAD = re.compile(r"[\w.-]+/[\w.-]+#[1-9]\d*", re.ASCII)
TABLE = {
    path.stem.replace("_", "-"): tomllib.loads(path.read_text(encoding="utf-8"))["bug"]
    for path in sorted(Path(injection.__file__).with_name("bugs").glob("*.toml"))
}


def well_formed(entry):
    """A thread by owner/project#number; a citation reads as words, so it holds neither a number sign nor an address."""
    if not isinstance(entry, str):
        return False
    words = bool(entry) and entry == entry.strip() and "#" not in entry and "://" not in entry
    return bool(THREAD.fullmatch(entry)) or (words and " " in entry)


@pytest.mark.parametrize("family", TABLE)
def test_every_sighting_is_a_thread_or_a_citation_and_stands_once_in_its_row(family):
    for row in TABLE[family]:
        seen = row.get("seen", ["no sighting"])
        assert isinstance(seen, list), row["name"]
        assert seen, row["name"]
        assert len(set(seen)) == len(seen), row["name"]
        assert [entry for entry in seen if not well_formed(entry)] == [], row["name"]


@pytest.mark.parametrize("family", TABLE)
def test_a_family_names_no_bug_twice(family):
    names = Counter(row["name"] for row in TABLE[family])
    assert [name for name, count in names.items() if count > 1] == []


def test_the_bugs_carry_the_sightings_of_the_table():
    expected = {(family, row["name"]): tuple(row.get("seen", ())) for family in TABLE for row in TABLE[family]}
    assert {(bug.model, bug.name): bug.seen for bug in injection.bugs()} == expected
    assert any(expected.values())


@pytest.mark.parametrize("entry", ["tensorflow/tensorflow#9047", "cs231n/cs231n.github.io#179", "Keras documentation"])
def test_threads_and_citations_are_told_from_the_rest(entry):
    assert well_formed(entry)


@pytest.mark.parametrize(
    "entry",
    ["", " ", " padded citation", "#12", "keras#12", "keras-team/keras#", "keras-team/keras#012", "a/b/c#1",
     "keras-team/keras/issues/12", "see keras-team/keras#12", "at https://github.com/keras-team/keras", 12],
)  # fmt: skip
def test_what_is_neither_is_refused(entry):
    assert not well_formed(entry)
