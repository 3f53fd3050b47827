"""What is passed over because data are too few, what is said of it, and when it is refused."""

import pytest

from benchmarks import cli
from benchmarks.harness.enough import Enough
from datasets.errors import InputError, TooFewError

DAY = 86_400


def tried(*outcomes):
    """An `Enough` that has seen these data sets, and a sentence where there were too few."""
    enough = Enough()
    for dataset, sentence in outcomes:
        with enough.of(dataset):
            if sentence:
                raise TooFewError(sentence)
    return enough


def test_one_that_is_enough_excuses_the_others_of_its_data(capsys):
    tried(("a", "too few."), ("a", ""), ("a", "too few."), ("a", "far too few.")).conclude("run")
    said = capsys.readouterr().err.splitlines()
    assert said == ["note: too few. Nothing is run for that.", "note: far too few. Nothing is run for that."]


@pytest.mark.parametrize("others", [(), (("b", ""),)])
def test_none_that_is_enough_is_refused_with_the_first_sentence(others):
    with pytest.raises(TooFewError, match=r"^too few$"):
        tried(("a", "too few"), ("a", "far too few"), *others).conclude("run")


def test_what_is_wrong_otherwise_is_not_passed_over():
    with pytest.raises(InputError, match="no such file"), Enough().of("a"):
        raise InputError("no such file")


def test_an_audit_of_data_that_are_enough_for_one_block_of_two_is_one(tmp_path, capsys):
    """Forty users of four rows each: too few to hold some out, and enough to cut by time."""
    path = tmp_path / "shop.csv"
    rows = [f"u{user},i{(user + day) % 9},{DAY * (10_000 + day) + user}" for user in range(40) for day in range(4)]
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n", encoding="utf-8")
    code = cli.main(["audit", "--datasets", f"file:{path}", "--results", str(tmp_path / "results")])
    said = capsys.readouterr()
    assert code == 0, said
    assert "time-split" in said.out
    assert "leave-k-out" not in said.out
    assert "leave-k-out" in said.err
    assert said.err.rstrip().endswith("Nothing is audited for that.")
