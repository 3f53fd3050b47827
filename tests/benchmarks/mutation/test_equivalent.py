from pathlib import Path

from benchmarks.mutation.equivalent import Equivalent, equivalents, outdated, reason
from benchmarks.mutation.mutants import mutants

ROOT = Path(__file__).resolve().parents[3]
SOURCE = "def f(a, b):\n    return a - b\n"
ROW = Equivalent("a.py", "return a - b", "a - b", "b - a", "The two are always equal.")


def test_a_row_gives_its_reason_for_the_mutants_of_its_line_that_it_names():
    reasons = {mutant.new: reason(mutant, SOURCE, [ROW]) for mutant in mutants("a.py", SOURCE)}
    assert reasons.pop("b - a") == ROW.reason
    assert set(reasons.values()) == {None}


def test_a_row_without_a_replacement_covers_all_of_that_text():
    row = Equivalent("a.py", "return a - b", "a - b", None, "Nobody reads it.")
    assert {reason(mutant, SOURCE, [row]) for mutant in mutants("a.py", SOURCE)} == {row.reason}
    assert {reason(mutant, SOURCE, [row]) for mutant in mutants("b.py", SOURCE)} == {None}


def test_the_table_is_read_from_toml(tmp_path):
    table = tmp_path / "equivalent.toml"
    table.write_text(
        '[[mutant]]\npath = "a.py"\nline_text = "return a - b"\nold = "a - b"\nnew = "b - a"\n'
        'reason = "The two are always equal."\n[[mutant]]\npath = "b.py"\nline_text = "x"\nold = "x"\nreason = "So."\n'
    )
    assert equivalents(table) == (ROW, Equivalent("b.py", "x", "x", None, "So."))


def test_a_row_whose_line_or_file_is_gone_is_outdated(tmp_path):
    (tmp_path / "a.py").write_text(SOURCE)
    assert outdated([ROW], tmp_path) == []
    gone = Equivalent("b.py", "return a - b", "a - b", None, "So.")
    (tmp_path / "a.py").write_text(SOURCE.replace("a - b", "a - c"))
    assert outdated([ROW, gone], tmp_path) == [ROW, gone]


def test_every_row_of_the_table_is_a_mutant_of_the_sources_as_they_stand_and_says_why_in_a_sentence():
    table = equivalents()
    assert outdated(table, ROOT) == []
    assert all(row.reason[:1].isupper() and row.reason.endswith(".") for row in table)
    assert len({(row.path, row.line_text, row.old, row.new) for row in table}) == len(table)
