"""An edit in the middle of a run, with real workers in a copy of the repository."""

from test_harness import actor, bench, interactions, repository, until, workers_of  # noqa: F401 - fixtures among them


def test_what_ran_before_and_after_an_edit_is_told_apart(bench):  # noqa: F811 - the fixture
    bench.write_suite(actor("slow", pause_s=1.0), actor("slower", pause_s=1.0))
    edited = bench.repository / "datasets" / "errors.py"
    whole = edited.read_text(encoding="utf-8")
    try:
        with bench.running("--backends", "torch") as process:
            assert until(lambda: len(bench.lines()) == 1)
            edited.write_text(f"{whole}# an edit\n", encoding="utf-8")
            _, stderr = process.communicate(timeout=100)
    finally:
        edited.write_text(whole, encoding="utf-8")
    assert process.returncode == 0, stderr
    first, second = (record for record in bench.records() if record.kind == "train")
    assert first.hashes["sources"] != second.hashes["sources"]
    assert not [note for note in first.notes if "sources" in note]
    before = first.hashes["sources"]
    assert second.notes[-1].startswith(f"the sources changed during the run, from {before} to ")
    assert not workers_of(bench)
