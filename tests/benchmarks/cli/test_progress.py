"""Progress: how long a run will take, and that what it says fits a narrow terminal."""

import argparse
import io
import re
import types
from pathlib import Path

import pytest
from record_lines import record

from benchmarks.cli import progress
from benchmarks.cli.console import Console
from benchmarks.cli.progress import Board, about, between, in_all
from benchmarks.harness.estimates import Span, Total
from benchmarks.harness.groups import groups
from benchmarks.harness.plan import Options, Prepared, cells
from benchmarks.harness.teams import Here
from benchmarks.suites import Block, IndexRow, ModelRow

PROTOCOL = {"name": "leave-k-out", "k": 1, "min_items": 5, "period": "test", "ks": [5], "primary_metric": "ndcg@5"}
ROWS = (ModelRow("popularity"), ModelRow("gru4rec", {"variant": "a variant with a name that goes on and on and on"}))
INDEXES = (IndexRow("exact"), IndexRow("annoy", query=({"search_k": 5}, {"search_k": 9})))
BLOCK = Block("shop", PROTOCOL, ROWS, indexes=INDEXES, modes=("eager",), throughput=("eager",))
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def planned(dataset="shop", seeds=(0,)):
    prepared = Prepared(dataset, PROTOCOL, Path("unused"), {"dataset": "d", "split": "s"}, ())
    return cells(BLOCK, prepared, Options(backends=("torch", "jax"), seeds=seeds))


def left_by(cell, seconds, group=None, status="ok"):
    described = {name: getattr(cell, name) for name in ("kind", "dataset", "model", "backend")}
    of_kind = {"train": {}, "throughput": {"group": group}, "index": {"group": group, "index": cell.index}}[cell.kind]
    timings = {
        "train": {"wall_s": seconds},
        "throughput": {"worker_s": seconds, "window_samples_per_s": [1e5]},
        "index": {"worker_s": seconds, "batch_qps": [1e5]},
    }[cell.kind]
    found = {"metrics": {"ndcg@5": 0.25}, "settings": {"primary_metric": "ndcg@5"}, "timings": timings}
    reason = None if status == "ok" else "it was killed"
    return record(**described, **of_kind, **found, cell=cell.key, status=status, reason=reason)


def options(**given):
    return argparse.Namespace(**{"quiet": False, "force": False, **given})


@pytest.fixture
def stderr(monkeypatch):
    made = io.StringIO()
    monkeypatch.setattr(progress, "sys", types.SimpleNamespace(stderr=made))  # that of `sys` is the test runner's
    monkeypatch.setattr(progress, "Console", lambda *, stderr: Console(file=made) if stderr else None)
    return made


@pytest.fixture
def terminal(monkeypatch, stderr):
    """A terminal of 80 columns that has colours."""
    stderr.isatty = lambda: True
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return stderr


def run(made, records=(), board_options=None):
    """What a run tells the board; every cell takes 10 seconds."""
    with Board(board_options or options(), made, records) as board:
        known = {one.cell for one in records}
        for group in groups(made):
            if all(cell.key in known for cell in group.cells):
                board.kept(group)
                continue
            board.doing(group)
            for cell in group.cells:
                board.done(cell, left_by(cell, 10.0 * len(group.cells), "g" if group.turns else None))
    return board


class TestInWords:
    def test_a_range_is_one_duration_where_both_ends_are_the_same(self):
        assert between(Span(20.0, 90.0)) == "20 s to 2 min"
        assert between(Span(20.1, 20.2)) == "about 20 s"
        assert between(Span(0.2, 1.6)) == "up to 2 s"

    def test_what_nobody_knows_is_said(self):
        span = Span(20.0, 90.0)
        assert in_all(Total(span, 3, 0)) == "20 s to 2 min"
        assert in_all(Total(span, 3, 2)) == "20 s to 2 min without 2 that are like nothing recorded yet"
        none = Span(0.0, 0.0)
        assert in_all(Total(none, 0, 4)) == "for how long is not known, since nothing like it has been recorded"

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (150, "2 min"), (3_599, "1 h 0 min"), (11_400, "3 h 10 min")],
    )
    def test_one_duration(self, seconds, words):
        assert about(seconds) == words


class TestPlainLines:
    def test_each_says_how_many_are_done_and_how_long_is_left(self, stderr):
        run(planned())
        first, second, *lines, last = stderr.getvalue().splitlines()
        unknown = "8 cells, for how long is not known, since nothing like it has been recorded"
        assert first == f"[0 of 8, time left unknown] {unknown} · shop · leave-k-out · seed 0"
        popular = "train · popularity (seen-kept) · classic · eager  ndcg@5 0.2500, 10.0 s"
        assert second == f"[1 of 8, time left unknown] ok       {popular}"
        assert last.startswith("[8 of 8, done] ok       index · gru4rec (a variant")
        # After the first training of this model the second is known; what is timed by turns, once all have been.
        left = [line.partition("]")[0].partition(", ")[2] for line in lines]
        assert left == ["over 10 s left", *["time left unknown"] * 5]

    def test_of_what_is_known_the_sum_is_left(self, stderr):
        others = planned(seeds=(1,))
        timed = [cell for cell in others if cell.kind != "train"]
        run(planned(), [left_by(cell, 10.0) for cell in others if cell.kind == "train"])
        left = [line.partition("]")[0].partition(", ")[2] for line in stderr.getvalue().splitlines()]
        assert left[:4] == ["over 30 s left", "over 20 s left", "over 10 s left", "time left unknown"]
        stderr.truncate(0)
        run([cell for cell in planned() if cell.kind != "train"], [left_by(cell, 10.0) for cell in timed])
        assert "about" in stderr.getvalue().splitlines()[0]

    def test_what_cells_do_not_share_stands_in_each(self, stderr):
        run(planned(seeds=(0, 1)))
        first, *lines = stderr.getvalue().splitlines()
        assert "seed" not in first
        assert all("shop · leave-k-out · seed" in line for line in lines)

    def test_what_is_recorded_takes_no_time(self, stderr):
        made = planned()
        run(made, [left_by(cell, 10.0) for cell in made])
        lines = stderr.getvalue().splitlines()
        assert lines[0].startswith("[0 of 8, about 0 s left]")
        assert all("] kept     " in line for line in lines[1:])

    def test_quiet_says_nothing(self, stderr):
        run(planned(), board_options=options(quiet=True))
        assert stderr.getvalue() == ""


class TestTerminal:
    def test_no_line_is_wider_than_80_columns_and_what_came_out_is_told(self, terminal):
        run(planned("a-data-set-with-a-name-that-is-long", seeds=(0, 1)))
        lines = ESCAPES.sub("", terminal.getvalue().replace("\r", "\n")).splitlines()
        assert max(map(len, lines)) <= 80
        told = [line for line in lines if line.startswith("ok ")]
        assert len(told) == len(planned(seeds=(0, 1)))
        assert all("…  ndcg@5 0.2500, 1" in line or "…  100,000 samples/s" in line for line in told)

    def test_the_bar_says_how_long_is_left(self, terminal):
        made = planned()
        with Board(options(), made, []) as board:
            board.doing(groups(made)[0])
            board._progress.refresh()
        said = ESCAPES.sub("", terminal.getvalue())
        assert "0/8" in said
        assert "time left unknown" in said

    def test_colours_where_the_terminal_has_them_and_nobody_forbids_them(self, terminal, monkeypatch):
        run(planned())
        assert "\x1b[32mok" in terminal.getvalue()
        terminal.truncate(0)
        monkeypatch.setenv("NO_COLOR", "1")
        run(planned())
        assert "\x1b[32m" not in terminal.getvalue()
        assert "ok " in terminal.getvalue()


@pytest.mark.usefixtures("stderr")
def test_time_that_a_group_has_run_is_not_left(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    made = planned()
    first = made[0]
    with Board(options(force=True), made, [left_by(first, 20.0)]) as board:
        assert board.left_s == pytest.approx(20.0)
        board.doing(groups(made)[0])
        now[0] = 5.0
        assert board.left_s == pytest.approx(15.0)
        assert board.left == "over 15 s left"
        now[0] = 5_000.0
        assert board.left_s == pytest.approx(0.0)


@pytest.mark.usefixtures("stderr")
def test_of_what_runs_side_by_side_each_has_its_share(monkeypatch):
    monkeypatch.setattr(progress.time, "monotonic", lambda: 0.0)
    made = planned()
    known = [left_by(cell, 20.0) for cell in made if cell.kind == "train"]
    alone, together = (Board(options(force=True), made, known, executor=Here(jobs)) for jobs in (1, 2))
    assert alone.left_s == pytest.approx(60.0)
    assert together.left_s == pytest.approx(30.0)
