"""What has become of mutants is on the disk at once, and a run that was killed goes on from there."""

from benchmarks.mutation.kept import Kept, identity
from benchmarks.mutation.mutants import Mutant

CAUGHT = {"mode": "eager", "how": "error", "by": "loss"}


def test_what_was_put_is_there_again(tmp_path):
    path = tmp_path / "folder" / "kept.jsonl"
    Kept(path).put("a", CAUGHT)
    kept = Kept(path)
    kept.put("b", None)
    assert Kept(path).outcomes == {"a": CAUGHT, "b": None}


def test_the_last_word_counts(tmp_path):
    kept = Kept(tmp_path / "kept.jsonl")
    for outcome in (CAUGHT, None):
        kept.put("a", outcome)
    assert Kept(tmp_path / "kept.jsonl").outcomes == {"a": None}


def test_a_line_that_breaks_off_is_passed_over_and_the_next_stands_by_itself(tmp_path):
    path = tmp_path / "kept.jsonl"
    Kept(path).put("a", CAUGHT)
    with path.open("a") as file:
        file.write('{"b": {"mode"')
    Kept(path).put("c", CAUGHT)
    assert Kept(path).outcomes == {"a": CAUGHT, "c": CAUGHT}


def test_of_a_line_that_is_damaged_the_mutant_is_tried_again(tmp_path):
    path = tmp_path / "kept.jsonl"
    for name in "abc":
        Kept(path).put(name, CAUGHT)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + "5\n" + lines[1].replace("{", "", 1) + lines[2])
    assert Kept(path).outcomes == {"a": CAUGHT, "c": CAUGHT}


def test_mutants_of_a_file_differ_by_place_or_text():
    made = [Mutant("p", 1, start, stop, "x", new, "o") for start in (0, 1) for stop in (2, 3) for new in "ab"]
    assert len(set(map(identity, made))) == len(made)
