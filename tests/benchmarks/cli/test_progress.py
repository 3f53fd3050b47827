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
from benchmarks.cli.progress import GUESSED_S, Board, Estimate, about
from benchmarks.harness.plan import Options, Prepared, cells
from benchmarks.harness.run import groups
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


class TestEstimate:
    def test_nothing_known_is_guessed_by_kind(self):
        assert [Estimate([]).seconds(cell) for cell in planned()] == [GUESSED_S[cell.kind] for cell in planned()]

    def test_what_was_measured_is_known_and_of_others_the_most_like_it(self):
        popular, torch, jax, *_ = planned()
        known = Estimate([left_by(popular, 1.0), left_by(torch, 30.0), left_by(jax, 50.0)])
        assert [known.seconds(cell) for cell in (popular, torch, jax)] == [1.0, 30.0, 50.0]
        _, again, _, *_ = planned(seeds=(5,))
        assert known.seconds(again) == 30.0
        elsewhere = planned("other")
        assert [known.seconds(cell) for cell in elsewhere[:3]] == [1.0, 30.0, 50.0]
        assert known.seconds(elsewhere[3]) == GUESSED_S["throughput"]

    def test_the_same_data_set_counts_before_the_same_backend(self):
        _, torch, jax, *_ = planned()
        _, other, _, *_ = planned("other")
        assert Estimate([left_by(other, 500.0), left_by(jax, 50.0)]).seconds(torch) == 50.0

    def test_cells_that_ran_by_turns_share_the_time_of_the_longest(self):
        searched = [cell for cell in planned() if cell.kind == "index"]
        together = [left_by(cell, 10.0 + n, "g") for n, cell in enumerate(searched)]
        assert Estimate(together).seconds(searched[0]) == pytest.approx(12.0 / 3)

    def test_what_is_published_counts_on_the_same_data_set_where_nothing_of_ones_own_is_as_near(self):
        _, torch, jax, *_ = planned()
        published = [left_by(jax, 70.0)]
        assert Estimate([], published).seconds(jax) == 70.0
        assert Estimate([left_by(jax, 50.0)], published).seconds(jax) == 50.0
        assert Estimate([left_by(torch, 50.0)], published).seconds(jax) == 70.0
        _, _, elsewhere, *_ = planned("elsewhere")
        assert Estimate([], published).seconds(elsewhere) == GUESSED_S["train"]

    def test_failures_say_nothing(self):
        popular, *_ = planned()
        assert Estimate([left_by(popular, 1.0, status="failed")]).seconds(popular) == GUESSED_S["train"]

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (150, "2 min"), (3_599, "1 h 0 min"), (11_400, "3 h 10 min")],
    )
    def test_in_words(self, seconds, words):
        assert about(seconds) == words


class TestPlainLines:
    def test_each_says_how_many_are_done_and_how_long_is_left(self, stderr):
        run(planned())
        first, second, *lines, last = stderr.getvalue().splitlines()
        assert first == "[0 of 8, about 1 min left] 8 cells, about 1 min · shop · leave-k-out · seed 0"
        popular = "train · popularity (seen-kept) · classic · eager  ndcg@5 0.2500, 10.0 s"
        assert second == f"[1 of 8, about 46 s left] ok       {popular}"
        assert last.startswith("[8 of 8, done] ok       index · gru4rec (a variant")
        # Of trainings 10 s are known after the first; of two that are timed by turns each has half of their 20 s.
        left = [re.findall(r"of 8, about (\d+) s left", line) for line in lines]
        assert left == [["36"], ["26"], ["16"], ["6"], ["4"], ["2"]]

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
        assert "about 1 min left" in said

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
    with Board(options(), made, []) as board:
        whole = board.left_s
        board.doing(groups(made)[0])
        now[0] = 5.0
        assert board.left_s == pytest.approx(whole - 5)
        now[0] = 5_000.0
        assert board.left_s == pytest.approx(whole - GUESSED_S["train"])
