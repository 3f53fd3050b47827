"""Searches as pictures: the best so far of all models in one, and a panel for each setting of a search."""

import re
from xml.etree import ElementTree as ET

import pytest
from made_records import HOSTILE, PROTOCOL, SPACE, changed, search_of, shuffle, trained, tried
from test_charts import contrast

from reports.charts.draw import SECTIONS, draw
from reports.charts.drawing import PALETTE
from reports.tables.leaderboard import build

SVG = "{http://www.w3.org/2000/svg}"


def pictures(*records):
    return draw(build(records, []))


def texts(chart):
    return [element.text for element in ET.fromstring(chart.svg).iter(SVG + "text")]  # noqa: S314


@pytest.mark.parametrize("background", ["#ffffff", "#0f1318"])
def test_colours_of_models_can_be_seen_on_light_and_on_dark(background):
    assert [colour for colour in PALETTE if contrast(colour, background) < 3] == []


def test_one_picture_of_all_models_and_one_of_each_search():
    charts = pictures(*search_of([0.1, 0.3, 0.2]), *search_of([0.2, 0.1], model="mf-bpr"))
    assert [chart.name.rpartition("-online")[0] for chart in charts] == ["tuning-best", *["tuning-settings"] * 2]
    assert {chart.name.partition("-")[0] for chart in charts} <= set(SECTIONS)
    assert [chart.model for chart in charts] == ["", "mf-bpr", "sasrec"]
    best = charts[0]
    assert {"mf-bpr", "sasrec", "trial", "best precision@5 so far, validation"} <= set(texts(best))
    assert best.description.endswith(": mf-bpr 0.2000 at trial 1; sasrec 0.3000 at trial 2.")


def test_the_best_so_far_can_be_asked_for_at_every_trial():
    best = pictures(*search_of([0.1, 0.3, 0.2]))[0]
    assert [label for label, _ in best.points] == [
        "sasrec, trial 1: best so far 0.1000",
        "sasrec, trial 2: best so far 0.3000",
        "sasrec, trial 3: best so far 0.3000",
    ]
    (x1, y1), (x2, y2), (x3, y3) = (at for _, at in best.points)
    assert x1 < x2 < x3
    assert y1 > y2 == y3  # from the top


def test_searches_of_one_model_are_told_apart_in_the_legend():
    seeds = pictures(*search_of([0.1]), *search_of([0.2], seed=1))[0]
    assert {f"sasrec sampled softmax (seed {n})" for n in (0, 1)} <= set(texts(seeds))
    backends = pictures(*search_of([0.1]), *search_of([0.2], backend="jax"))[0]
    assert {f"sasrec sampled softmax, {name}" for name in ("torch", "jax")} <= set(texts(backends))


def test_a_dot_tells_its_trial_and_all_its_settings_in_each_panel():
    found = [*search_of([0.1, 0.3, None]), tried(4, 0.05, ended="pruned")]
    _, chart = pictures(*found)
    labels = [label for label, _ in chart.points]
    pruned = "trial 4: precision@5 0.0500, pruned; learning_rate=0.004, dim=16, dropout=0.25"
    assert labels.count(pruned) == 3
    assert labels.count("trial 2: precision@5 0.3000; learning_rate=0.002, dim=32, dropout=0.25") == 3
    assert len(labels) == 9
    assert {"learning_rate", "dim", "dropout", "8", "16", "32", "chosen", "pruned", "other trials"} <= set(texts(chart))
    assert chart.description.endswith(
        "3 trials. Chosen: trial 2: precision@5 0.3000; learning_rate=0.002, dim=32, dropout=0.25. 1 failed and have "
        "no dot."
    )


def test_choices_stand_side_by_side_and_logarithms_are_even():
    space = {"rate": SPACE["learning_rate"], "dim": SPACE["dim"]}
    drawn = [{"rate": rate, "dim": dim} for rate, dim in ((0.001, 8), (0.01, 16), (0.1, 32))]
    _, chart = pictures(*(tried(n, 0.1 * n, of, space=space) for n, of in enumerate(drawn, 1)))
    rate, dim = ([at[0] for _, at in chart.points[place : place + 3]] for place in (0, 3))
    for x in (rate, dim):
        assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)


def test_true_is_no_one_and_false_no_nought():
    space = {"x": {"values": [True, 1, False, 0]}}
    found = [tried(n, 0.1 * n, {"x": value}, space=space) for n, value in enumerate(space["x"]["values"], 1)]
    _, chart = pictures(*found)
    assert len({at[0] for _, at in chart.points}) == 4
    assert {"true", "1", "false", "0"} <= set(texts(chart))


@pytest.mark.parametrize("ended", ["complete", "pruned"])
def test_pruned_trials_are_hollow(ended):
    _, chart = pictures(tried(1, 0.3), tried(2, 0.2), tried(3, 0.1, ended=ended))
    assert ('fill-opacity="0" stroke="#2f81c7"' in chart.svg) == (ended == "pruned")


def test_of_one_trial_there_is_no_picture_by_value_and_of_none_no_picture():
    assert [chart.name.rpartition("-online")[0] for chart in pictures(tried(1, 0.1))] == ["tuning-best"]
    assert pictures(*search_of([None, None])) == ()
    assert pictures(trained("als", 0.1)) == ()


def test_the_same_figures_are_the_same_bytes():
    found = [*search_of([0.1, None, 0.3, 0.2]), *search_of([0.3, 0.2], model="mf-bpr")]
    first = pictures(*found)
    shuffle(found, 5)
    again = pictures(*found)
    assert [(chart.name, chart.svg, chart.points) for chart in again] == [
        (chart.name, chart.svg, chart.points) for chart in first
    ]


def test_names_of_pictures_differ_where_searches_do():
    wider = {**SPACE, "dropout": {"low": 0.0, "high": 0.9}}
    again = [
        changed(one, search="b" * 16, cell=f"{n:016x}", space=wider) for n, one in enumerate(search_of([0.2, 0.1]))
    ]
    other = {"primary_metric": "precision@5", "protocol": {**PROTOCOL, "per": "user"}}
    charts = pictures(
        *search_of([0.1, 0.2]), *again, *search_of([0.1, 0.2], backend="jax"),
        *search_of([0.1, 0.3], settings=other, search="c" * 16),
    )  # fmt: skip
    assert len({chart.name for chart in charts}) == len(charts) == 6


def test_names_from_outside_are_text_and_nothing_else():
    name = HOSTILE + "&$x^2$\x00"
    space = {name: {"values": [name, "b"]}}
    found = [tried(n, 0.1, {name: value}, space=space, model=name) for n, value in enumerate((name, "b"), 1)]
    for chart in pictures(*found):
        ET.fromstring(chart.svg)  # noqa: S314
        assert "\x00" not in chart.svg


def test_nothing_written_in_a_picture_is_cut_off_and_it_is_as_wide_as_a_phone():
    choices = {f"choices_number_{n}": {"values": [f"value {n} {place}" for place in range(6)]} for n in range(2)}
    numbers = {f"range_number_{n}": {"low": 1e-5, "high": 1e4, "log": n < 2} for n in range(3)}
    found = [
        tried(
            number, 0.1 * number, variant="a long name " * 6, space=choices | numbers,
            drawn={name: of["values"][number] for name, of in choices.items()}
            | dict.fromkeys(numbers, 10.0 ** (number - 5)),
        )
        for number in range(1, 6)
    ]  # fmt: skip
    for chart in pictures(*found):
        root = ET.fromstring(chart.svg)  # noqa: S314
        width = float(root.get("viewBox").split()[2])
        assert width < 345
        assert not chart.is_wide
        for element in root.iter(SVG + "text"):
            size = float(element.get("font-size").removesuffix("px")) * 0.5 * len(element.text)
            start = float(element.get("x") or re.search(r"translate\(([\d.]+)", element.get("transform"))[1])
            left = start - {"middle": size / 2, "end": size}.get(element.get("text-anchor"), 0)
            if "rotate" not in element.get("transform", ""):
                assert left > -3, element.text
                assert left + size < width + 3, element.text
