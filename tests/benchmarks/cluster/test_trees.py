"""Sources of other revisions on the nodes of a cluster."""

import shutil

import pytest

READS = "found['n'] = float(pathlib.Path('benchmarks/own/number.py').read_text())"


@pytest.fixture
def trees(tmp_path):
    """Two trees that differ in a number."""
    for number in (3, 4):
        path = tmp_path / str(number) / "benchmarks" / "own" / "number.py"
        path.parent.mkdir(parents=True)
        path.write_text(str(number))
    return tmp_path / "3", tmp_path / "4"


def test_a_task_runs_the_sources_that_its_own_tree_had_when_it_was_sent(bench, trees):
    one, other = (bench.team(READS, root=root) for root in trees)
    assert [result["metrics"]["n"] for (result,) in bench.run(one, other)] == [3.0, 4.0]
    shutil.rmtree(trees[0])  # what has been sent once is there
    ((again,),) = bench.run(bench.team("found['n'] = len(os.listdir('benchmarks'))", root=trees[1]))
    assert again["metrics"]["n"] == 1
