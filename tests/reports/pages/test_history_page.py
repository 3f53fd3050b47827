"""The page of a history: what has changed, since which commit, and that hostile names stay names."""

from benchmarks.gate.history import Figure, Gated
from reports.pages import history


def gates(values, cell="throughput · gru4rec · jax"):
    return [
        Gated(
            at=f"2026-11-{day:02d}T00:00:00+00:00", suite="gate", base="HEAD~1", head="working tree", machine="m-1",
            commit=f"{day:040x}", dirty=day == 11,
            figures=(Figure(cell=cell, figure="speed", value=value, verdict="regressed"),),
        )
        for day, value in enumerate(values, 1)
    ]  # fmt: skip


CHANGED = [100.0, 101.0, 99.0, 100.5, 99.5, 100.0, 101.0, 99.0, 100.5, 99.5, 80.0, 81.0, 79.0, 80.5, 79.5, 80.0, 81.0]


def test_a_change_is_told_with_the_commit_that_it_came_with(tmp_path):
    path = history.write(tmp_path, gates(CHANGED))
    page = path.read_text(encoding="utf-8")
    row = page[page.index("<tbody>") : page.index("</tbody>")]
    assert "2026-11-11" in row
    assert "00000000000b"[:12] not in row
    assert f"{11:040x}"[:12] + " with local changes" in row
    assert "<td>0.80" in row
    assert page.count("<figure") == 1
    assert "1 figure regressed" in page


def test_the_same_history_is_the_same_bytes_and_one_gate_is_enough():
    assert history.page(gates(CHANGED)) == history.page(gates(CHANGED))
    assert "No figure has changed by more than chance." in history.page(gates([5.0]))


def test_a_name_is_no_markup():
    page = history.page(gates([1.0, 2.0], cell="<script>alert(1)</script> $x$ & co"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
