"""The audit of somebody else's split files, held to a plain reading of their rows."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from protocol_checks import interactions

from benchmarks.audit import files
from benchmarks.audit.files import LEAK_IN_TIME, LEAK_OF_TIES, NO_LEAK
from benchmarks.audit.report import CLEAN, LEAK, NOTHING
from datasets.errors import InputError

row = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 6))
tables = st.lists(row, min_size=1, max_size=8)
TRAIN = [(0, 0, 0), (0, 1, 1), (1, 0, 2)]
NAMES = ("train.csv", "validation.csv", "test.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("split")


def write(folder, tables):
    """One CSV a table of (user, item, second), as the paths of train, validation and test, None where there is none."""
    for name, rows in zip(NAMES, tables, strict=True):
        if rows is not None:
            lines = [f"u{user},i{item},{second}" for user, item, second in rows]
            (folder / name).write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n", encoding="utf-8")
    return [None if rows is None else str(folder / name) for name, rows in zip(NAMES, tables, strict=True)]


def audit(folder, train, validation, test):
    return files.of_files(*write(folder, [train, validation, test]))


def expected(train, validation, test):
    """[(verdict, n)] of all findings, in their order."""
    asked = [rows for rows in (validation, test) if rows is not None]
    found = []
    for one, other in itertools.combinations([train, *asked], 2):
        found.append((LEAK, sum(row in one for row in other)))
    for rows in asked:
        own_first = {user: min(second for u, _, second in rows if u == user) for user, *_ in rows}
        found += [
            (LEAK_IN_TIME, sum(second >= min(own_first.values()) for *_, second in train)),
            (LEAK, sum(second > own_first.get(user, 99) for user, _, second in train)),
            (LEAK_OF_TIES, sum(second == own_first.get(user, 99) for user, _, second in train)),
            (NO_LEAK, len({user for user, *_ in rows} - {user for user, *_ in train})),
            (NO_LEAK, len({item for _, item, _ in rows} - {item for _, item, _ in train})),
        ]
    found = [(verdict, n) for verdict, n in found if n]
    if not any(train_row[column] == row[column] for train_row in train for row in test for column in (0, 1)):
        found.insert(0, (NOTHING, len(test)))
    elif all(verdict != LEAK for verdict, _ in found):
        found.insert(0, (CLEAN, len(train) + sum(map(len, asked))))
    return found


@settings(deadline=None, derandomize=True, max_examples=80)
@given(tables, st.none() | tables, tables)
@example([(0, 0, 0)], [(1, 1, 1)], [(2, 2, 2)])
@example(TRAIN, [(0, 2, 1)], [(0, 2, 1)])  # the two that are asked about share a row
def test_findings_are_those_of_a_plain_reading(tmp_path_factory, train, validation, test):
    report = audit(tmp_path_factory.getbasetemp(), train, validation, test)
    found = [(finding.verdict, finding.n) for finding in report.findings]
    assert found == expected(train, validation, test)
    assert report.is_leaking == (LEAK in dict(found))
    assert report.is_clean == (CLEAN in dict(found))
    assert list(report.sizes.values()) == [len(rows) for rows in (train, validation, test) if rows is not None]


def sentences(folder, *tables):
    """{verdict: [sentence]}, the folder left out."""
    found = {}
    for finding in audit(folder, *tables).findings:
        found.setdefault(finding.verdict, []).append(finding.sentence.replace(f"{folder}/", ""))
    return found


class TestSentences:
    def test_a_row_in_two_files(self, folder):
        assert sentences(folder, TRAIN, None, [(1, 1, 5), (1, 0, 2)])[LEAK] == [
            "1 of 2 rows of test.csv (50.00%), such as user u1's item i0 of 1970-01-01T00:00:02Z, stand in train.csv "
            "too, with the same user, item and timestamp"
        ]

    def test_rows_from_after_the_first_that_is_asked_for(self, folder):
        found = sentences(folder, TRAIN, None, [(2, 0, 1)])
        assert found[LEAK_IN_TIME] == [
            "2 of 3 rows of train.csv (66.67%), such as user u0's item i1 of 1970-01-01T00:00:01Z, are not before the "
            "first of test.csv at 1970-01-01T00:00:01Z; they are from 1970-01-01T00:00:01Z to 1970-01-01T00:00:02Z"
        ]
        assert LEAK not in found

    def test_rows_from_after_what_the_same_user_is_asked(self, folder):
        assert sentences(folder, TRAIN, None, [(0, 3, 0)])[LEAK] == [
            "1 of 3 rows of train.csv (33.33%), such as user u0's item i1 of 1970-01-01T00:00:01Z, are later than the "
            "first that the same user has in test.csv; users with such rows: 1"
        ]

    def test_users_and_items_that_nobody_has_trained_on_are_no_leak(self, folder):
        found = sentences(folder, TRAIN, None, [(0, 2, 5), (3, 2, 6)])
        assert [said.partition(";")[0] for said in found[NO_LEAK]] == [
            "1 of 2 rows of test.csv (50.00%), such as user u3's item i2 of 1970-01-01T00:00:06Z, are of users "
            "without a row in train.csv (1 in all)",
            "2 of 2 rows of test.csv (100.00%), such as user u0's item i2 of 1970-01-01T00:00:05Z, are of items "
            "without a row in train.csv (1 in all)",
        ]
        assert CLEAN in found


@pytest.fixture
def in_memory(monkeypatch):
    """Audits rows of (user, item, microsecond) as if they had been read."""

    def in_memory(train, test):
        tables = {"train": train, "test": test}
        monkeypatch.setattr(files, "load", lambda name: of_rows(tables[name.removeprefix("file:")]))
        return files.of_files("train", None, "test")

    return in_memory


def of_rows(rows):
    time = np.array([time for *_, time in rows], np.int64)
    return interactions([(user, item, 0, 0) for user, item, _ in rows], timestamp=time)


class TestFractions:
    def test_a_leak_less_than_a_second_wide_is_one(self, in_memory):
        report = in_memory([(0, 0, 0), (0, 1, 900_000)], [(0, 2, 500_000)])
        assert report.is_leaking
        assert [finding.sentence for finding in report.findings if finding.verdict == LEAK] == [
            "1 of 2 rows of train (50.00%), such as user u0's item i1 of 1970-01-01T00:00:00.9Z, are later than the "
            "first that the same user has in test; users with such rows: 1"
        ]
        assert in_memory([(0, 0, 0), (0, 1, 499_999)], [(0, 2, 500_000)]).is_clean

    def test_rows_that_differ_by_less_than_a_second_are_two(self, in_memory):
        assert in_memory([(0, 0, 100_000), (1, 0, 100_000)], [(0, 0, 500_000)]).is_clean
        same = in_memory([(0, 0, 100_000), (1, 0, 100_000)], [(0, 0, 100_000)])
        assert same.findings[0].sentence == (
            "1 of 1 rows of test (100.00%), such as user u0's item i0 of 1970-01-01T00:00:00.1Z, stand in train too, "
            "with the same user, item and timestamp"
        )


class TestNothingToJudge:
    def test_files_that_have_nothing_in_common(self, in_memory):
        report = in_memory([(0, 0, 0), (1, 1, 5)], [(2, 2, 9)])
        assert (report.findings[0].verdict, report.is_clean, report.is_leaking) == (NOTHING, False, False)
        assert report.findings[0].sentence == (
            "no user and no item of test has a row in train, so no row of one says anything of the other; write the "
            "ids of all files in one way"
        )

    @pytest.mark.parametrize("test", [[(2, 0, 9)], [(0, 2, 9)]])
    def test_a_user_or_an_item_in_common_is_enough(self, in_memory, test):
        assert in_memory([(0, 0, 0), (1, 1, 5)], test).is_clean


class TestReading:
    def test_files_of_different_kinds_are_one_split(self, folder):
        (folder / "a.csv").write_text("user_id,item_id,timestamp\n10,5,100\n9,7,50\n", encoding="utf-8")
        (folder / "b.inter").write_text("item_id:token\tuser_id:token\ttimestamp:float\n5\t10\t100\n", encoding="utf-8")
        report = files.of_files(str(folder / "a.csv"), None, str(folder / "b.inter"))
        assert [finding.n for finding in report.findings if "stand in" in finding.sentence] == [1]
        assert "user 10's item 5 of 1970-01-01T00:01:40Z" in report.findings[0].sentence

    def test_a_file_without_times_is_refused(self, folder):
        (folder / "timeless.csv").write_text("user_id,item_id\n1,2\n", encoding="utf-8")
        train, _, _ = write(folder, [TRAIN, None, None])
        with pytest.raises(InputError, match=r"timeless\.csv has no timestamps, which the audit needs"):
            files.of_files(train, None, str(folder / "timeless.csv"))


class TestRowsOfNobody:
    """Guests with a session and no user id: they are no user of the files', and not each other either."""

    @staticmethod
    def audit(folder, train, test):
        for name, rows in (("train.csv", train), ("test.csv", test)):
            lines = [f"{user},i{item},{second},s{item}" for user, item, second in rows]
            (folder / name).write_text("\n".join(["user_id,item_id,timestamp,session_id", *lines]) + "\n")
        report = files.of_files(str(folder / "train.csv"), None, str(folder / "test.csv"))
        return [(finding.verdict, finding.n, finding.sentence.replace(f"{folder}/", "")) for finding in report.findings]

    def test_they_are_not_the_last_user(self, tmp_path):
        found = self.audit(tmp_path, [("", 0, 9), ("u1", 1, 0)], [("u1", 2, 3), ("", 0, 5)])
        assert [(verdict, n) for verdict, n, _ in found] == [(CLEAN, 4), (LEAK_IN_TIME, 1), (NO_LEAK, 1)]
        assert "such as nobody's item i0 of 1970-01-01T00:00:09Z, are not before the first" in found[1][2]

    def test_a_file_of_nothing_else(self, tmp_path):
        train = [("", 0, 1), ("", 1, 2)]
        assert self.audit(tmp_path, train, [("", 0, 3)])[0][0] == CLEAN
        assert self.audit(tmp_path, train, [("", 2, 3)])[0][0] == NOTHING
        assert self.audit(tmp_path, train, train)[0][:2] == (LEAK, 2)


def test_what_was_noted_of_the_files_is_told(folder):
    late = [(0, 0, 0), (0, 2, 1_400_000_000)]
    report = audit(folder, late, None, [(0, 3, 1_400_000_001)])
    (note,) = report.notes
    assert note.startswith(f"{folder / 'train.csv'}: times are numbers and taken for seconds: 1 of 2 lie before 1980")
