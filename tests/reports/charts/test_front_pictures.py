"""The front page's pictures: what they show, in words too, and that labels stay apart."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree as ET

import matplotlib.style
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import indexed, suite, suite_verdicts, timed, trained

from reports.charts import dots, heatmap, recall
from reports.charts.drawing import STYLE
from reports.tables.front import front
from reports.tables.leaderboard import build


@pytest.fixture(scope="module")
def found():
    return front({"": build(suite(), suite_verdicts())})


def drawn(make, *arguments):
    with matplotlib.style.context(STYLE, after_reset=True):
        return make(*arguments)


def words(chart):
    return " ".join(ET.fromstring(chart.svg).itertext())  # noqa: S314 - our own


def test_the_heat_map_has_a_figure_in_each_cell_and_says_who_is_fastest(found):
    chart = drawn(heatmap.draw, found)
    for shown in ("PyTorch", "eager", "JAX", "compiled", "1.0×", "0.23×", "mf-bpr as_published · online-retail"):
        assert shown in words(chart)
    assert "mf-logloss as_published · online-retail: PyTorch compiled 4.8×" in chart.description
    assert chart.file_text.count('background: #ffffff"') == 1
    assert chart.svg == drawn(heatmap.draw, found).svg


def test_without_pytorch_eager_there_is_no_heat_map():
    only = [timed(backend, "compiled", [9.0, 10.0]) for backend in ("torch", "jax")]
    assert drawn(heatmap.draw, front({"": build(only, [])})) is None


def test_the_dots_name_scores_popularity_and_what_was_published(found):
    chart = drawn(dots.draw, found.scores[0])
    for shown in ("mf-logloss", "0.1559", "popularity 0.0642", "published 0.152", "precision@5"):
        assert shown in words(chart)
    labels = [label for label, _ in chart.points]
    assert "mf-logloss as_published, published: 0.152" in labels
    assert "popularity: 0.0642" in labels
    heights = {label.split(" ")[0]: at[1] for label, at in chart.points if "95 %" in label}
    assert heights["mf-logloss"] < heights["mf-bpr"] < heights["als"]  # the best is on top


def test_models_without_a_figure_have_no_dots():
    fell = trained("mf-bpr", 0.1, status="failed", reason="it fell over", metrics={}, intervals={}, curve=[])
    assert drawn(dots.draw, front({"": build([fell], [])}).scores[0]) is None


def test_a_line_of_recall_is_named_and_stops_at_its_own_front(found):
    chart = drawn(recall.draw, found.catalogues[0])
    assert all(name in words(chart) for name in ("exact", "faiss-ivf", "faiss-hnsw", "annoy"))
    assert chart.description.startswith("Fastest at recall 0.95 or more: faiss-hnsw 31.0k/s, faiss-ivf 21.0k/s")
    assert "Recall against queries per second, 4,059 items" not in chart.svg.partition("</desc>")[2]
    assert "4,059 items" in chart.title


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1e6)), min_size=1, max_size=12))
def test_on_an_indexs_front_more_recall_always_costs_rate(points):
    rows = [indexed("annoy", r, [q], {"search_k": n}) for n, (r, q) in enumerate(points)]
    (table,) = build(rows, []).retrieval
    shown = [recall._point(row) for row in recall._front(table.rows)]
    assert shown == sorted(shown)
    assert all(a[1] > b[1] for a, b in pairwise(shown))
    assert all(any(r >= point[0] and q >= point[1] for r, q in shown) for point in map(recall._point, table.rows))


@given(st.lists(st.floats(0, 1), max_size=16).map(sorted))
def test_labels_stand_apart_in_their_order_and_end_inside(heights):
    placed = recall._apart(heights)
    assert len(placed) == len(heights)
    assert all(b - a >= recall._GAP - 1e-9 for a, b in pairwise(placed))
    assert all(place <= 1 for place in placed)
