"""Maps of item vectors: which are shown, how they are coloured, and what the pages say of them."""

import re
from xml.etree import ElementTree as ET

import msgspec
import pytest
from made_records import PROTOCOL, failed, mapped, shuffle, trained

from reports.charts.draw import draw
from reports.pages.markdown import markdown, summary
from reports.pages.site import Run, files
from reports.tables.leaderboard import build
from reports.write import publish

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<i>"_&\x1b|$x$'


def table(*records):
    (table,) = build(records, []).item_maps
    return table


def html(boards, charts):
    return files([Run("", "..", boards, tuple(charts))]).get("items.html", "")


def picture(*records):
    (chart,) = draw(build(records, []))
    return chart


def dots(chart):
    """Colour -> number of lines of no length with round ends, in the order in which the colours are drawn."""
    found = {}
    for path in ET.fromstring(chart.svg).iter(SVG + "path"):  # noqa: S314
        if path.get("stroke-linecap") == "round":
            found[path.get("stroke")] = len(re.findall(r"M[\d.]+ [\d.]+h0", path.get("d")))
    return found


def texts(chart):
    return [element.text for element in ET.fromstring(chart.svg).iter(SVG + "text")]  # noqa: S314


def test_a_row_has_what_the_record_has():
    (row,) = table(mapped()).rows
    assert (row.model, row.backend, row.mode, row.method) == ("mf-bpr", "torch", "compiled", "t-SNE")
    assert (row.n_items, len(row.x), len(row.y), len(row.category)) == (4059, 30, 30, 30)
    assert (row.share, row.chance) == (0.625, 0.3103)


def test_one_table_a_dataset_and_protocol_with_failures_last():
    broken = failed("failed", "InputError: all vectors have one direction", kind="map", model="als")
    skipped = failed("skipped", "the training whose vectors it maps is oom", kind="map", model="mf-bpr", seed=3)
    boards = build([broken, skipped, mapped(), mapped(dataset="other"), trained("als", 0.1)], [])
    assert [(table.dataset, len(table.rows)) for table in boards.item_maps] == [("online-retail", 3), ("other", 1)]
    assert [row.status for row in boards.item_maps[0].rows] == ["ok", "failed", "skipped"]
    page = markdown(boards, draw(boards))
    assert page.count("the training whose vectors it maps is oom") == 2  # beside the maps and among the failures


def test_no_other_table_has_them():
    boards = build([mapped(), trained("mf-bpr", 0.1)], [])
    alone = build([trained("mf-bpr", 0.1)], [])
    for name in ("accuracy", "ladder", "kills", "throughput", "retrieval", "overhead", "failures"):
        assert getattr(boards, name) == getattr(alone, name)


def test_a_later_map_of_the_same_model_replaces_an_earlier():
    later = mapped(run_id="run-2", metrics={}, threads=2)
    assert table(mapped(), later).rows == table(later).rows


def test_a_page_without_maps_says_nothing_of_them():
    boards = build([trained("mf-bpr", 0.1)], [])
    assert html(boards, draw(boards)) == ""
    assert "Item vectors" not in markdown(boards, draw(boards))


def test_both_pages_say_how_many_neighbours_are_of_one_category():
    boards = build([mapped()], [])
    charts = draw(boards)
    row = "| mf-bpr | as_published | torch | compiled | 0 | t-SNE | 30 | 4,059 | 62.5 % | 31.0 % |"
    assert row in markdown(boards, charts)
    assert f"](charts/{charts[0].name}.svg)" in markdown(boards, charts)
    page = html(boards, charts)
    assert "for 62.5 % of them, by chance for 31.0 %." in page
    assert "scikit-learn 1.9.1" in markdown(boards, charts)
    assert summary(boards)


def test_the_title_names_everything():
    assert picture(mapped()).title == (
        "Item vectors of mf-bpr as_published, torch compiled on online-retail: t-SNE of 30 of 4,059 items"
    )


@pytest.mark.parametrize("n_categories", [1, 3, 10])
def test_each_category_has_its_colour_and_its_name(n_categories):
    chart = picture(mapped(60, n_categories))
    assert list(dots(chart).values()) == [60 // n_categories] * n_categories
    assert [name for name in texts(chart) if "genre" in name] == [f"genre {code}" for code in range(n_categories)]
    assert "other" not in texts(chart)


def test_only_the_ten_most_frequent_have_a_colour_and_the_others_are_grey():
    category = [code for code in range(14) for _ in range(20 - code if code != 13 else 30)]
    n = len(category)
    drawn = {"method": "PCA", "x": [0.0] * n, "y": [0.5] * n, "category": category}
    chart = picture(mapped(map={**drawn, "categories": [f"genre {code}" for code in range(14)]}))
    assert [name for name in texts(chart) if "genre" in name] == [f"genre {code}" for code in (13, *range(9))]
    assert texts(chart)[-1] == "other"
    counts = dots(chart)
    assert counts.pop("#8a8f98") == 11 + 10 + 9 + 8
    assert list(counts.values()) == [30, *range(20, 11, -1)]
    assert next(iter(dots(chart))) == "#8a8f98"  # the largest group lies beneath the others


def test_items_without_categories_have_one_colour_and_no_legend():
    record = mapped(metrics={}, map={**msgspec.to_builtins(mapped().map), "category": None, "categories": None})
    chart = picture(record)
    assert list(dots(chart).values()) == [30]
    assert chart.svg.count("<text") == len(texts(chart)) == 3  # the lines of the title
    assert "category" not in chart.description
    assert "| 30 | 4,059 | – | – |" in markdown(build([record], []), [chart])


def test_two_thousand_items_stay_small_and_hold_no_bitmap():
    chart = picture(mapped(2000, 12))
    assert sum(dots(chart).values()) == 2000
    assert len(chart.file_text.encode()) < 150_000
    assert "<image" not in chart.svg
    assert "data:" not in chart.svg


def test_drawing_again_gives_the_same_bytes_whatever_came_between():
    records = [mapped(), mapped(seed=1), mapped(backend="jax"), mapped(variant="tuned", dataset="other")]

    def rendered():
        boards = build(records, [])
        charts = draw(boards)
        return {chart.name: chart.file_text for chart in charts}, html(boards, charts), markdown(boards, charts)

    first = rendered()
    assert len(first[0]) == 4
    shuffle(records, 1)
    assert rendered() == first


def test_the_picture_of_a_map_that_is_gone_is_removed(tmp_path):
    first = publish({tmp_path: build([mapped(), mapped(seed=1)], [])})
    second = publish({tmp_path: build([mapped()], [])})
    assert set((tmp_path / "charts").iterdir()) == {path for path in second if path.parent.name == "charts"}
    assert len(first) == len(second) + 1


def test_a_dots_category_can_be_read_where_the_dot_is_drawn():
    chart = picture(mapped(12, 3))
    drawn = {
        (float(x), float(y))
        for path in ET.fromstring(chart.svg).iter(SVG + "path")  # noqa: S314
        if path.get("stroke-linecap") == "round"
        for x, y in re.findall(r"M([\d.]+) ([\d.]+)h0", path.get("d"))
    }
    assert [label for label, _ in chart.points] == ["genre 0", "genre 1", "genre 2"]
    read = [(at[i], at[i + 1]) for _, at in chart.points for i in range(0, len(at), 2)]
    assert len(read) == len(drawn) == 12
    assert all(min(abs(x - a) + abs(y - b) for a, b in drawn) < 0.2 for x, y in read)


def test_names_from_outside_are_text_and_nothing_else():
    names = [HOSTILE, "_hidden?", "a name of many words that no legend has the room for"]
    record = mapped(dataset=HOSTILE, map={**msgspec.to_builtins(mapped().map), "categories": names})
    chart = picture(record)
    shown = texts(chart)
    assert any('<i>"_&' in name and "|$x$" in name for name in shown)
    assert "_hidden?" in shown
    assert "a name of many words that …" in shown
    assert "\x1b" not in chart.svg
    page = html(build([record], []), [chart])
    assert "<i>" not in page


def test_a_variant_told_apart_by_its_settings_takes_its_map_along():
    """What a map adds to the settings is no difference between models."""
    settings = {"primary_metric": "precision@5", "protocol": PROTOCOL}
    boards = build([mapped(), trained("mf-bpr", 0.1, settings=settings, mode="compiled")], [])
    assert boards.item_maps[0].rows[0].variant == boards.accuracy[0].rows[0].variant == "as_published"
