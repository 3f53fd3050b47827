"""The part of the agreement page that is about mutants: every one that nothing noticed is there to be read."""

import re

from made_records import HOSTILE, mutant, mutated, trained

from reports.pages.markdown import markdown
from reports.pages.mutant_block import block
from reports.pages.site import Run, files
from reports.tables.leaderboard import build

GRU, METRICS = "backends/torch/gru4rec.py", "benchmarks/metrics.py"


def tables_of(*records):
    return {table.caption: table for table in block(build(records, []).mutants).tables}


def words(table):
    return [[cell.text for cell in row.cells] for row in table.rows]


def test_the_caption_says_what_was_caught_of_how_many_and_leaves_out_equivalent_ones():
    (caption, *_) = tables_of(mutated(GRU, *["difference"] * 3, "error", "equivalent", "survived"))
    assert caption == "Mutants: 4 of 5 caught (80.0 %); 1 more is equivalent"
    (caption, *_) = tables_of(mutated(GRU, "difference"))
    assert caption == "Mutants: 1 of 1 caught (100.0 %)"


def test_every_survivor_has_a_row_with_its_place_its_change_and_its_command():
    one = mutant("survived", line=7, old="x[1:]", new="x[2:]", operator="slice bound", mode="compiled")
    two = mutant("survived", line=30, old="step()\n    return", new="", operator="deleted statement")
    table = tables_of(mutated(GRU, one, "error"), mutated(METRICS, two))["Mutants that survived, one by one"]
    assert words(table) == [
        [GRU, "7", "`x[1:]` → `x[2:]`", "slice bound", "compiled"],
        [METRICS, "30", "`step() return` → nothing", "deleted statement", "–"],
    ]
    assert [row.command for row in table.rows] == [f"python -m benchmarks mutate {path}" for path in (GRU, METRICS)]
    assert not table.is_detail


def test_a_long_change_is_cut_short():
    table = tables_of(mutated(GRU, mutant("survived", old="x" * 500)))["Mutants that survived, one by one"]
    assert words(table)[0][2] == f"`{'x' * 159}…` → `b - a`"


def test_equivalent_ones_are_folded_and_say_why():
    found = tables_of(mutated(GRU, "difference", "equivalent"))
    table = found["Equivalent mutants, and why"]
    assert words(table)[0][-1] == "its operand is 0"
    assert table.is_detail
    assert "Mutants that survived, one by one" not in found


def test_what_caught_them_has_a_column_a_framework_and_none_for_tests():
    records = (
        mutated(GRU, "difference", "survived"),
        mutated("backends/jax/lstm.py", "error"),
        mutated(METRICS, "error"),
    )
    table = tables_of(*records)["What caught the mutants of each framework"]
    assert [column.name for column in table.columns] == ["caught by", "torch", "jax"]
    assert words(table) == [["loss", "50.0 %", "–"], ["an error", "–", "100.0 %"], ["nothing", "50.0 %", "–"]]


def test_a_column_for_what_was_not_tried_is_there_only_where_it_is_needed():
    (table, *_) = tables_of(mutated(GRU, "difference")).values()
    assert [column.name for column in table.columns][-1] == "kill rate"


def test_the_front_page_leads_to_the_mutants_and_hostile_code_is_text():
    boards = build([trained("mf-bpr", 0.1), mutated(GRU, mutant("survived", old=HOSTILE, operator=HOSTILE))], [])
    made = files([Run("", "..", boards, ())])
    (href,) = re.findall(r'href="(agreement\.html#[^"]+)">mutants caught by the ladder</a>', made["index.html"])
    assert f'id="{href.partition("#")[2]}"' in made["agreement.html"]
    assert "0 of 1 (0.0 %)" in made["index.html"]
    assert "<script>alert" not in made["agreement.html"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in made["agreement.html"]
    assert "<script>" not in markdown(boards, ())
