"""The front page's facts: who wins, by how much, and from which tables that may be said."""

from __future__ import annotations

import pytest
from made_records import indexed, record, searched, timed, trained

from backends.registry import FAMILIES
from reports.tables.catalogues import RECALL
from reports.tables.front import front, kind_of, newest
from reports.tables.leaderboard import build

RATES = {("torch", "eager"): 100.0, ("torch", "compiled"): 300.0, ("jax", "compiled"): 200.0}


def boards(*records, verdicts=()):
    return build(records, list(verdicts))


def timings(model, rates=RATES, **changes):
    changes = {"group": f"g-{model}"} | changes
    return [timed(b, m, [rate, 1.1 * rate, 0.9 * rate], model=model, **changes) for (b, m), rate in rates.items()]


def popular(figure=0.05, **changes):
    return trained("popularity", figure, variant="seen-kept", backend="classic", **changes)


def test_every_family_has_a_kind():
    assert [name for name, family in FAMILIES.items() if family.kind == "other"] == []
    assert kind_of("gone") == "other"


def test_the_winner_of_a_kind_is_who_is_fastest_most_often_and_its_speed_ups_are_over_pytorch_eager():
    quick = {("torch", "eager"): 100.0, ("torch", "compiled"): 900.0, ("jax", "compiled"): 950.0}
    made = boards(
        *timings("mf-bpr"), *timings("mf-logloss"), *timings("mf-bpr", quick, variant="other", group="g-other")
    )
    (kind,) = front({"": made}).kinds
    assert (kind.kind, kind.winner, kind.n_first) == ("matrix factorisation", ("torch", "compiled"), 2)
    assert sorted(kind.speed_ups) == pytest.approx([3.0, 3.0, 9.0])


def test_without_pytorch_eager_there_is_no_speed_up():
    rates = {who: rate for who, rate in RATES.items() if who != ("torch", "eager")}
    found = front({"": boards(*timings("mind", rates), *timings("sasrec"))})
    of_kind = {kind.kind: kind for kind in found.kinds}
    assert of_kind["multi-interest"].speed_ups == of_kind["multi-interest"].compared == ()
    assert of_kind["multi-interest"].winner == ("torch", "compiled")
    assert of_kind["sequence"].speed_ups == pytest.approx([3.0])
    assert [timing.has_baseline for timing in found.timings] == [True, False]


def test_where_some_of_a_kind_were_timed_with_pytorch_eager_these_decide():
    rates = {("tensorflow", "compiled"): 900.0, ("jax", "compiled"): 1.0}
    (kind,) = front({"": boards(*timings("sasrec"), *timings("lstm", rates), *timings("gru4rec", rates))}).kinds
    assert (kind.winner, kind.n_first, len(kind.compared), len(kind.others)) == (("torch", "compiled"), 1, 1, 2)


def test_a_kind_that_was_trained_and_not_timed_is_named():
    (kind,) = front({"": boards(trained("gru4rec", 0.1))}).kinds
    assert (kind.kind, kind.winner, kind.compared, kind.others) == ("sequence", None, (), ())


def test_contestants_are_columns_framework_by_framework_eager_first():
    rates = {("jax", "compiled"): 3.0, ("torch", "compiled"): 2.0, ("jax", "eager"): 1.0, ("torch", "eager"): 4.0}
    assert front({"": boards(*timings("mf-bpr", rates))}).contestants == (
        *(("torch", "eager"), ("torch", "compiled"), ("jax", "eager"), ("jax", "compiled")),
    )


def test_trainings_in_one_framework_stand_aside_where_models_were_compared():
    compared = boards(popular(), trained("mf-bpr", 0.15), trained("mf-bpr", 0.151, backend="jax"))
    alone = boards(popular(), trained("mf-logloss", 0.3, protocol="leave-k-out"))
    found = front({"all": compared, "search": alone})
    assert [(of.run, of.table.protocol) for of in found.scores] == [("all", "time-split")]
    assert [(of.run, of.table.protocol) for of in found.aside if of.models] == [("search", "leave-k-out")]
    assert [of.run for of in front({"search": alone}).scores] == ["search"]


def test_of_two_runs_on_one_data_set_the_one_that_compared_more_counts():
    small = boards(trained("mf-bpr", 0.15), trained("mf-bpr", 0.15, backend="jax"))
    both = [trained(m, 0.1, backend=b) for m in ("mf-bpr", "mf-logloss") for b in ("torch", "jax")]
    found = front({"small": small, "large": boards(*both)})
    assert [of.run for of in found.scores] == ["large"]
    assert [of.run for of in found.aside] == ["small"]


def test_a_models_score_is_that_of_the_framework_in_the_middle_and_its_range_is_of_all():
    rows = [trained("mf-bpr", figure, backend=b) for b, figure in (("torch", 0.1), ("jax", 0.2), ("paddle", 0.4))]
    worse = trained("popularity", 0.03, variant="seen-filtered", backend="classic")
    (of,) = front({"": boards(popular(), worse, *rows, trained("als", 0.15, backend="classic"))}).scores
    first, second = of.models
    assert (first.model, first.estimate.mean, first.low, first.high, first.n_frameworks) == ("mf-bpr", 0.2, 0.1, 0.4, 3)
    assert (second.model, second.n_frameworks) == ("als", 1)
    assert of.popularity.estimate.mean == 0.05
    assert of.n_compared == 1


def test_generated_data_come_after_real_data():
    rows = [trained("mf-bpr", 0.1, backend=b, dataset=d) for d in ("synthetic-small", "mine") for b in ("torch", "jax")]
    found = front({"": boards(*rows)})
    assert [(of.table.dataset, of.is_generated) for of in found.scores] == [("mine", False), ("synthetic-small", True)]


def test_the_table_has_the_best_variant_of_each_model_and_any_timing_of_it():
    rows = [trained("mf-bpr", f, variant=v, backend=b) for v, f in (("a", 0.1), ("b", 0.2)) for b in ("torch", "jax")]
    found = front({"": boards(popular(), *rows, *timings("mf-bpr", variant="a"))})
    (line,) = found.lines
    assert (line.best.variant, line.n_variants, line.timing.table.variant) == ("b", 2, "a")
    assert line.above == pytest.approx(0.15)
    without = front({"": boards(*rows)}).lines[0]
    assert (without.above, without.timing) == (None, None)


def test_what_finished_nowhere_is_a_row_without_a_figure():
    fell = record(model="mf-bpr", status="failed", reason="it fell over", hashes={})
    (of,) = front({"": boards(trained("als", 0.1, backend="classic"), fell)}).scores
    assert [(score.model, score.status, score.estimate is None) for score in of.models] == [
        ("als", "ok", False),
        ("mf-bpr", "failed", True),
    ]


def test_indexes_are_asked_by_the_order_of_the_catalogue_and_against_annoy():
    few = [indexed(n, 1.0, [r, r]) for n, r in (("exact", 100.0), ("faiss-ivf", 400.0), ("annoy", 50.0))]
    many = [searched(n, r, [q, q]) for n, r, q in (("exact", 1.0, 1.0), ("annoy", 0.9, 99.0), ("faiss-ivf", 0.96, 9.0))]
    found = front({"few": boards(*few), "many": boards(*many)})
    small, large = found.sizes
    assert (small.low, small.high, small.answer.winner.name, small.n_won, small.n_sets) == (
        4059,
        4059,
        "faiss-ivf",
        1,
        1,
    )
    assert small.to_annoy.ratio.median == 8.0
    assert (large.run, large.answer.winner.name, large.to_annoy) == ("many", "faiss-ivf", None)  # Annoy stays below
    assert [catalogue.table.n_items for catalogue in found.catalogues] == [4059, 1_000_000]
    assert [row.name for row, _ in found.catalogues[0].contestants] == ["faiss-ivf", "exact", "annoy"]
    assert all(row.recall >= RECALL for catalogue in found.catalogues for row, _ in catalogue.contestants)


def test_of_catalogues_of_one_order_the_one_with_most_settings_stands_for_all():
    first = [indexed(n, 1.0, [r, r], dataset="a", group="a") for n, r in (("exact", 9.0), ("faiss-ivf", 8.0))]
    names = (("exact", 1.0), ("faiss-ivf", 3.0), ("annoy", 2.0))
    second = [indexed(n, 1.0, [r, r], dataset="b", group="b") for n, r in names]
    (size,) = front({"": boards(*first, *second)}).sizes
    assert (size.answered.table.dataset, size.answer.winner.name, size.n_won, size.n_sets) == ("b", "faiss-ivf", 1, 2)


def test_of_a_catalogue_the_set_of_vectors_with_most_settings_is_drawn():
    names = (("exact", 1.0), ("faiss-ivf", 3.0), ("annoy", 2.0))
    sets = {"first": names[:1], "most": names, "last": names[:2]}
    rows = [indexed(n, 1.0, [r, r], variant=v, group=v) for v, of in sets.items() for n, r in of]
    (catalogue,) = front({"": boards(*rows)}).catalogues
    assert catalogue.table.source.startswith("mf-bpr most,")


def test_the_day_is_that_of_the_newest_record_and_not_of_a_clock():
    of = boards(
        trained("als", 0.1, backend="classic", run_id="20261121T190207-1"),
        trained("als", 0.1, backend="classic", seed=1, run_id="20261122T000000-2"),
        trained("als", 0.1, backend="classic", seed=2, run_id="run-9"),
    )
    assert newest(of) == "2026-11-22"
    assert newest(boards(trained("als", 0.1, backend="classic"))) == ""
