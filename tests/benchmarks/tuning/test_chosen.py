"""The suite that a search writes is one that `run` takes, with what was judged and no two rows called the same."""

import dataclasses

import pytest
from test_studies import METRIC, origin, record

from benchmarks import suites
from benchmarks.harness import plan
from benchmarks.harness.plan import Options, Prepared
from benchmarks.suites import Block, ModelRow
from benchmarks.tuning import chosen
from benchmarks.tuning.search import Searched
from benchmarks.tuning.studies import Study
from datasets.errors import InputError

PROTOCOL = {"name": "leave-k-out", "k": 1, "period": "test", "ks": (5,), "primary_metric": METRIC}
SEARCH = {"epochs": [4, 9]}
LONG = "x" * 197


def row(variant="own", *, is_searched=True, **settings):
    return ModelRow("mf-bpr", {"variant": variant, **settings}, search=SEARCH if is_searched else {})


def searched(block, of, **changes):
    """A row whose only trial has ended."""
    study = Study(origin(**of.settings), {}, 1, ())
    cell = dataclasses.replace(study._origin, trial={"search": study.search, "number": 1, "drawn": {"epochs": 9},
                                                     "space": {}, "cap_s": 9.0})  # fmt: skip
    study.trials = [record(cell, **changes)]
    return Searched(block, of, study, None)


def written(tmp_path, *blocks, **changes):
    """The blocks of the suite that is written of these, each of whose searched rows has a trial."""
    searches = [searched(block, of, **changes) for block in blocks for of in block.models if of.search]
    path = tmp_path / "tuned-own.toml"
    chosen.write(path, chosen.suite("tuned", blocks, searches, ["made in a test"]))
    read = suites.load(str(path)).blocks
    options = Options()
    prepared = Prepared("shop", PROTOCOL, tmp_path, {"dataset": "d", "split": "s"}, ())
    plan.refuse_alike(cell for block in read for cell in plan.cells(block, prepared, options))
    return read


def block(*rows, **changes):
    return Block("shop", PROTOCOL, rows, **changes)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([[row()]], [["tuned"]]),
        ([[row("x"), row("y")]], [["tuned", "y, tuned"]]),
        ([[row("x"), row("tuned", is_searched=False)]], [["x, tuned", "tuned"]]),
        ([[row("x")], [row("y", l2=0.5)]], [["tuned"], ["y, tuned"]]),
        ([[row("x")], [row("x")]], [["tuned"], ["tuned"]]),
        ([[row("tuned")]], [["tuned"]]),
    ],
)
def test_rows_are_told_apart(tmp_path, blocks, expected):
    read = written(tmp_path, *(block(*rows) for rows in blocks))
    assert [[of.variant for of in made.models] for made in read] == expected
    assert {
        of.settings["epochs"] for made in read for of in made.models if of.variant != "tuned" or "epochs" in of.settings
    } == {9}


def test_long_variants_are_cut_and_still_told_apart(tmp_path):
    (made,) = written(tmp_path, block(row(f"{LONG}1"), row(f"{LONG}2"), row(f"{LONG}3")))
    variants = [of.variant for of in made.models]
    assert len(set(variants)) == 3
    assert all(len(variant) <= 200 for variant in variants)


def test_all_else_of_a_block_stays(tmp_path):
    whole = block(row(is_searched=False), seeds=(1, 2), backends=("jax",), modes=("eager",), throughput=("eager",),
                  filter_seen="by data", item_maps=True)  # fmt: skip
    (made,) = written(tmp_path, whole)
    assert dataclasses.replace(made, protocol=whole.protocol) == whole
    assert made.protocol == {**whole.protocol, "ks": [5]}


@pytest.mark.parametrize("ended", ["pruned", "capped"])
def test_what_was_ended_early_trains_as_long_as_it_was_judged(tmp_path, ended):
    points = [{"epoch": n, "steps": n, "loss": 1.0, "metrics": {METRIC: 0.5}} for n in range(4)]
    (made,) = written(tmp_path, block(row()), ended=ended, curve=points)
    assert made.models[0].settings["epochs"] == 3


def test_a_file_that_is_somebody_elses_is_not_written_over(tmp_path):
    path = tmp_path / "tuned.toml"
    for content in (b"", b"title = 'mine'\n", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"tuned\.toml was not written by `tune`, or changed since; move it away"):
            chosen.write(path, "new")
        assert path.read_bytes() == content
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="was not written by `tune`"):
        chosen.write(path, "new")
