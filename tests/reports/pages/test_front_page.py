"""The front page: answers with their evidence, whatever a results folder holds and whatever things are called."""

from __future__ import annotations

import re
from html import unescape

import pytest
from made_records import HOSTILE, hostile_suite, indexed, record, searched, suite, suite_verdicts, timed, trained

from reports.pages.site import Run, files
from reports.tables.leaderboard import build


def run_of(records, verdicts=(), name="", home=".."):
    return Run(name, home, build(records, list(verdicts)), ())


def front(*runs):
    return files(runs)["index.html"]


def shown(page):
    """The words of a page as they are read."""
    body = page.partition("<main")[2]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def card(page, anchor):
    return shown("<main" + page.partition(f'<h2 id="{anchor}">')[2].partition("</section>")[0])


@pytest.fixture(scope="module")
def site():
    large = [
        searched(n, r, [q, q]) for n, r, q in (("exact", 1.0, 1.0), ("annoy", 0.97, 3.0), ("faiss-ivf", 0.96, 9.0))
    ]
    runs = [run_of(suite(), suite_verdicts(), "whole", "../whole"), run_of(large, (), "large", "../large")]
    return files(runs)


def test_the_three_answers_name_a_winner_and_by_how_much(site):
    page = site["index.html"]
    framework, model, index = (card(page, f"which-{of}") for of in ("framework", "model", "index"))
    # Each of two is the fastest once: who is further ahead; the other comparison had no PyTorch compiled.
    words = "matrix factorisation PyTorch compiled 4.8× fastest in 1 of 2 comparisons, without torch compiled timeout"
    assert words in framework
    assert "online-retail time-split mf-logloss 0.1559 (0.1530–0.1587)" in model
    assert "popularity 0.0642" in model
    assert "4,059 items faiss-hnsw 31.0k/s, 4.6× Annoy" in index
    assert "1,000,000 items faiss-ivf 9.00/s, 3.0× Annoy" in index


def test_every_answer_leads_to_a_place_that_is_there(site):
    links = set(re.findall(r'<a href="([^"]+)"', site["index.html"].partition("<main")[2]))
    evidence = {tuple(link.split("#")) for link in links if "#" in link}
    assert {page for page, _ in evidence} == {
        *("accuracy.html", "throughput.html", "retrieval.html", "agreement.html"),
    }
    for page, anchor in evidence:
        assert f'id="{anchor}"' in site[page], (page, anchor)
    for link in links - {"#".join(pair) for pair in evidence}:
        assert link in site or link.startswith(("../whole/", "../large/")), link


def test_what_is_called_the_same_leads_each_to_its_own_figures():
    rates = {"cpu": (1.0, 2.0), "gpu": (7.0, 21.0)}
    records = [timed("torch", "eager", [slow, slow], device=d, group=d) for d, (slow, _) in rates.items()]
    records += [timed("jax", "compiled", [fast, fast], device=d, group=d) for d, (_, fast) in rates.items()]
    found = files([run_of(records)])
    heat = found["index.html"].partition('<table class="heat">')[2].partition("</table>")[0]
    links = re.findall(r'<a href="throughput.html#([^"]+)"', heat)
    blocks = [found["throughput.html"].partition(f'id="{anchor}"')[2].partition("</table>")[0] for anchor in links]
    assert ["fastest: jax compiled, 2.00 samples/s" in block for block in blocks] == [True, False]
    assert ["fastest: jax compiled, 21.0 samples/s" in block for block in blocks] == [False, True]
    assert ["on online-retail, gpu</span>" in block for block in blocks] == [False, True]


def test_the_table_has_one_row_per_model_and_data_set_in_seven_columns(site):
    table = site["index.html"].partition('<h2 id="models">')[2].partition("</table>")[0]
    assert table.count('<th scope="col"') == 7
    rows = re.findall(r"<tr>\s*<th scope=\"row\">(\S+)", table)
    assert rows == ["mf-logloss", "mf-bpr", "als"]
    assert 'title="jax is 0.004 below torch."' in table


def test_a_cell_of_the_heat_map_has_the_shade_of_its_factor(site):
    heat = site["index.html"].partition('<table class="heat">')[2].partition("</table>")[0]
    cells = re.findall(r'<td class="figure ([^"]+)" title="[^"]*">([^<]+)</td>', heat)
    assert ("same", "1.0×") in cells
    assert ("slower-4", "0.23×") in cells
    assert ("faster-2 best", "2.2×") in cells
    assert ("none", "timeout") in cells
    assert all(float(words.rstrip("×")) < 1 for shade, words in cells if shade.startswith("slower"))


def test_the_header_has_the_day_of_the_newest_run_the_machine_and_the_versions(site):
    records = [
        trained("als", 0.1, backend="classic", run_id="20261121T190207-1"),
        trained("mf-bpr", 0.1, versions={"torch": "2.13.0+cpu"}),
    ]
    words = shown(front(run_of(records)))
    assert "Measured 2026-11-21 CPU Example CPU at 2.0 GHz, 2 cores, 1 thread Versions PyTorch 2.13.0 Data" in words
    assert "2 runs" in shown(site["index.html"])
    assert "Licence Apache-2.0" in words
    assert "Cite cff-version" in words


def test_indexes_alone_make_a_page_of_indexes():
    page = front(run_of([searched("exact", 1.0, [5.0, 5.0]), searched("faiss-ivf", 0.97, [9.0, 9.0])]))
    assert "No training was timed here." in card(page, "which-framework")
    assert "No model was trained and scored here." in card(page, "which-model")
    assert "faiss-ivf 9.00/s, Annoy was not run" in card(page, "which-index")
    assert not {"speed-up", "scores", "models"} & set(re.findall(r'<h2 id="([^"]+)"', page))
    assert "<fieldset" not in page


def test_trainings_alone_make_a_page_of_models():
    page = front(run_of([trained("gru4rec", 0.1), trained("popularity", 0.2, variant="seen-kept", backend="classic")]))
    assert "sequence not timed" in card(page, "which-framework")
    assert "popularity 0.2000; no model beats it" in card(page, "which-model")
    assert "No index was measured here." in card(page, "which-index")


def test_a_ladder_alone_makes_a_page_of_counts():
    rungs = [{"rung": "loss", "holds": True, "difference": 0.1, "tolerance": 1.0, "where": "step 1"}]
    page = front(run_of([record(kind="agreement", rungs=rungs)]))
    assert "adapters match the reference 1 of 1" in shown(page)
    assert re.findall(r'<h2 id="([^"]+)"', page) == [
        *("which-framework", "which-model", "which-index", "trust", "details"),
    ]


def test_where_pytorch_eager_was_not_timed_it_is_said():
    only = [timed(backend, "compiled", [rate, rate], model="mind") for backend, rate in (("torch", 9.0), ("jax", 10.0))]
    page = front(run_of(only))
    assert "multi-interest JAX compiled fastest on 1 of 1 model; PyTorch eager was not timed" in card(
        page, "which-framework"
    )
    assert "mind as_published on online-retail: JAX compiled, 10.0 samples/s" in shown(page)


def test_an_index_that_reaches_too_little_wins_nothing():
    page = front(run_of([indexed("annoy", 0.5, [9.0, 9.0])]))
    assert "4,059 items no index reaches it" in card(page, "which-index")


def test_hostile_names_are_text_everywhere():
    records, verdicts = hostile_suite()
    rows = [trained("mf-bpr", 0.1, backend=b, variant=HOSTILE, dataset=HOSTILE) for b in ("torch", "jax")]
    more = [indexed("annoy", 1.0, [9.0, 8.0], dataset=HOSTILE, group=HOSTILE)]
    made = files([run_of([*records, *rows, *more], verdicts, HOSTILE, "../x")])
    page = made["index.html"]
    assert page.count("<script>") == 1
    assert "&lt;script&gt;alert(1)" in page
    assert HOSTILE not in page
    for name in ("heat-map.svg", "recall-queries.svg"):
        assert "<script" not in made[name]


def test_the_pictures_for_a_readme_stand_by_themselves(site):
    for name in ("heat-map.svg", "recall-queries.svg"):
        assert site[name].startswith("<svg style=")
        assert "background: #ffffff" in site[name]
    assert "1,000,000 items" in site["recall-queries.svg"]  # the largest catalogue


def test_the_order_of_runs_leaves_no_trace():
    a = run_of([trained("mf-bpr", 0.1, backend=b) for b in ("torch", "jax")], suite_verdicts(), "a", "../a")
    b = run_of([searched("exact", 1.0, [5.0, 5.0])], (), "b", "../b")
    assert front(a, b) == front(b, a)
