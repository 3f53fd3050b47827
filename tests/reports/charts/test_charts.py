"""Pictures: parsable, described, the same bytes each time, and drawn only from what may be compared."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from made_records import indexed, suite, suite_verdicts, timed, trained

from backends.ann import INDEXES
from backends.registry import FRAMEWORKS
from reports.charts import text
from reports.charts.draw import draw
from reports.charts.drawing import COLOURS, MARKERS
from reports.tables.leaderboard import build

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def charts():
    return draw(build(suite(), suite_verdicts()))


def test_one_picture_a_model_a_group_and_a_set_of_vectors(charts):
    assert [chart.name.partition("-")[0] for chart in charts] == [
        *["curve"] * 2,
        *["ladder"] * 2,
        *["throughput"] * 2,
        "retrieval",
        "items",
    ]


def test_pictures_are_described_and_parse(charts):
    for chart in charts:
        root = ET.fromstring(chart.svg)  # noqa: S314 - our own picture
        assert root.get("role") == "img"
        labels = root.get("aria-labelledby", "").split()
        described = {child.get("id"): child.text for child in root if child.tag in {SVG + "title", SVG + "desc"}}
        assert list(described) == labels
        assert described[labels[1]] == chart.description


def test_pictures_hold_no_date_font_or_address(charts):
    for chart in charts:
        assert "<metadata" not in chart.svg
        assert "DejaVu" not in chart.svg
        assert "@font-face" not in chart.svg
        assert set(re.findall(r"https?://[^\"]+", chart.svg)) <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }


def test_ids_of_two_pictures_on_one_page_never_meet(charts):
    ids = [name for chart in charts for name in re.findall(r'\bid="([^"]+)"', chart.svg)]
    assert len(ids) == len(set(ids))
    for chart in charts:
        for target in re.findall(r'(?:url\(|xlink:href=")#([^)"]+)', chart.svg):
            assert f'id="{target}"' in chart.svg


def test_every_framework_and_index_looks_like_no_other():
    names = {*FRAMEWORKS, *INDEXES}
    assert names <= set(COLOURS)
    assert set(COLOURS) == set(MARKERS)
    for kind in (FRAMEWORKS, INDEXES):
        assert len({(COLOURS[name], MARKERS[name]) for name in kind}) == len(kind)


def contrast(colour, other):
    """WCAG 2.2's ratio of two colours' relative luminances."""

    def luminance(rgb):
        parts = [int(rgb[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(colour), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", ["#ffffff", "#0f1318"])
def test_colours_can_be_seen_on_light_and_on_dark(background):
    assert {name: c for name, c in COLOURS.items() if contrast(c, background) < 3} == {}


def test_a_users_own_style_does_not_show(charts):
    with mpl.rc_context({"font.size": 30, "axes.linewidth": 9, "xtick.labelsize": 30}):
        assert draw(build(suite(), suite_verdicts())) == charts


def test_pictures_tell_what_the_tables_tell(charts):
    throughput, retrieval = charts[5], charts[6]
    assert "Speed-up over PyTorch eager: torch compiled 4.80× (4.67× – 4.90×)" in throughput.description
    assert "faiss-ivf nlist=64 nprobe=16 0.9960 at 21.0k/s" in retrieval.description
    for name in ("annoy", "exact", "faiss-flat", "faiss-hnsw", "faiss-ivf", "Pareto front"):
        assert f">{name}<" in retrieval.svg


def test_published_curve_and_popularity_lines_are_drawn_beside_ours(charts):
    bpr, logloss = charts[:2]
    assert ">published<" in logloss.svg
    assert ">published<" not in bpr.svg
    assert all(f">popularity, {variant}<" in bpr.svg for variant in ("seen-kept", "seen-filtered"))


def test_nothing_is_drawn_that_may_not_be_compared():
    records = [
        timed("torch", "eager", [100.0], group=None),
        timed("jax", "compiled", [900.0], group=None),
        indexed("annoy", 0.9, [900.0], group=None),
        trained("als", 0.14),
    ]
    assert draw(build(records, [])) == ()


def test_names_from_outside_are_text_and_nothing_else():
    name = "<b>&$x^2$\x00"
    (chart,) = draw(build([timed("torch", "eager", [1.0, 2.0], model=name)], []))
    texts = [element.text for element in ET.fromstring(chart.svg).iter(SVG + "text")]  # noqa: S314
    assert any("<b>&$x^2$" in (text or "") for text in texts)


def test_nothing_written_in_a_picture_is_cut_off(charts):
    """By the width of an average letter: names of indexes are as long as names get."""
    long = [indexed(name, 0.9 + n / 100, [900.0 + n]) for n, name in enumerate(sorted(INDEXES))]
    for chart in (*charts, *draw(build([*long, indexed("exact", 1.0, [100.0])], []))):
        root = ET.fromstring(chart.svg)  # noqa: S314
        width = float(root.get("viewBox").split()[2])
        for element in root.iter(SVG + "text"):
            size = float(element.get("font-size").removesuffix("px")) * 0.5 * len(element.text)
            start = float(element.get("x") or re.search(r"translate\(([\d.]+)", element.get("transform"))[1])
            left = start - {"middle": size / 2, "end": size}.get(element.get("text-anchor"), 0)
            if "rotate" not in element.get("transform", ""):
                assert left > -3, element.text
                assert left + size < width + 3, element.text


@pytest.mark.parametrize(
    ("value", "expected"), [(0.95, "0.95"), (20, "20"), (1000, "1k"), (8300, "8.3k"), (1e4, "10k"), (2e6, "2M")]
)
def test_ticks_are_whole(value, expected):
    assert text.tick(value) == expected


def test_powers_of_ten_are_raised():
    assert [text.power(value) for value in (1e-8, 1.0, 1e12, 0.0)] == ["10⁻⁸", "10⁰", "10¹²", ""]


def test_a_picture_of_a_hundred_points_is_small():
    points = [indexed("annoy", 0.9 + n / 1200, [900.0 + n, 950.0 + n], {"search_k": n}) for n in range(100)]
    (chart,) = draw(build([*points, indexed("exact", 1.0, [100.0])], []))
    assert len(chart.svg) < 16_000
