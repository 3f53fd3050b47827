"""The three answers of the front page in words: which framework, which model, which index."""

from __future__ import annotations

from dataclasses import dataclass

from reports.charts import text
from reports.pages.links import Where
from reports.tables.answers import LEVEL, RECALL
from reports.tables.catalogues import SizeAnswer
from reports.tables.front import Front, KindAnswer, Scores


@dataclass(frozen=True)
class Item:
    """One line of a card; what was not measured is "".

    Attributes:
        of, form: what is asked about, and in which form of it; `href` is the way to the evidence.
        answer, variant: what wins, and in which of its variants or settings.
        figure, interval: by how much.
        aside: what else has to be known.
    """

    of: str
    href: str | None
    aside: str
    answer: str = ""
    figure: str = ""
    form: str = ""
    variant: str = ""
    interval: str = ""


@dataclass(frozen=True)
class Card:
    """A question, how it was answered, and the answers; `absent` is said where there are none."""

    anchor: str
    question: str
    how: str
    items: tuple[Item, ...]
    absent: str
    further: tuple[Item, ...] = ()
    further_title: str = ""


def cards(found: Front, where: Where) -> tuple[Card, ...]:
    """All three, whether they have an answer or not."""
    real = [of for of in found.scores if not of.is_generated]
    generated = [of for of in found.scores if of.is_generated]
    shown, folded = (real, generated) if real else (generated, [])
    return (
        Card(
            "which-framework",
            "Which framework?",
            "Training speed-up over PyTorch eager, by kind of model. Contestants ran interleaved in the same session.",
            tuple(_framework(kind, where) for kind in found.kinds),
            "No training was timed here.",
        ),
        Card(
            "which-model",
            "Which model?",
            "The best model on each data set, with its 95 % interval, beside popularity.",
            tuple(_model(of, where) for of in shown if of.finished),
            "No model was trained and scored here.",
            tuple(_model(of, where) for of in folded if of.finished),
            "Generated data sets",
        ),
        Card(
            "which-index",
            "Which index?",
            f"The fastest at index recall {RECALL:g} or more, by size of the catalogue: queries per second, and as a "
            "multiple of Annoy’s.",
            tuple(_index(size, where) for size in found.sizes),
            "No index was measured here.",
        ),
    )


def _framework(kind: KindAnswer, where: Where) -> Item:
    evidence = (kind.compared or kind.others)[:1]
    href = where(evidence[0].table) if evidence else None
    if kind.winner is None:
        return Item(kind.kind, href, "not timed")
    name = f"{text.framework(kind.winner[0])} {kind.winner[1]}"
    if not kind.compared:
        won = f"fastest on {kind.n_first} of {_n(len(kind.others), 'model')}; PyTorch eager was not timed"
        return Item(kind.kind, href, won, name)
    low, high = (text.times(bound(kind.speed_ups)) for bound in (min, max))
    aside = f"fastest in {kind.n_first} of {_n(len(kind.compared), 'comparison')}"
    lost = dict.fromkeys(words for timing in kind.compared for words in timing.table.missing)
    if lost:
        aside += f", without {', '.join(lost)}"
    if kind.others:
        aside += f"; {_n(len(kind.others), 'model')} more timed without PyTorch eager"
    return Item(kind.kind, href, aside, name, low if low == high else f"{low.rstrip('×')}–{high}")


def _model(of: Scores, where: Where) -> Item:
    first = of.finished[0]
    estimate = first.estimate
    assert estimate is not None  # noqa: S101 - only finished scores are asked for
    known = of.popularity.estimate.mean if of.popularity and of.popularity.estimate else None
    aside = [of.table.metric or "", f"popularity {text.metric(known)}" if known is not None else "popularity not run"]
    if known is not None and known >= estimate.mean:
        aside.append("no model beats it")
    second = of.finished[1] if len(of.finished) > 1 else None
    if second and second.estimate:
        other = second.variant if second.model == first.model else ""
        aside.append(f"next {' '.join(filter(None, (second.model, other)))} {text.metric(second.estimate.mean)}")
    interval = ""
    if estimate.low is not None and estimate.high is not None:
        interval = f"{text.metric(estimate.low)}–{text.metric(estimate.high)}"
    return Item(
        of=of.table.dataset,
        form=of.table.protocol,
        href=where(of.table),
        answer=first.model,
        variant=first.variant,
        figure=text.metric(estimate.mean),
        interval=interval,
        aside="; ".join(filter(None, aside)),
    )


def _index(size: SizeAnswer, where: Where) -> Item:
    table, winner = size.answered.table, size.answer.winner
    of = f"{table.n_items:,} items" if table.n_items else "size not recorded"
    href = where(table)
    if winner is None:
        return Item(of, href, "no index reaches it")
    aside = [" ".join(part for part in (winner.build, winner.query) if part)]
    if size.answer.lead.verdict == LEVEL and size.answer.runner_up:
        aside.append(f"level with {size.answer.runner_up.name}")
    if table.lost:
        aside.append(f"without {', '.join(table.lost)}")
    if size.n_sets > 1:
        low, high = (f"{n:,}" for n in (size.low or 0, size.high or 0))
        span = f"{low} items" if low == high else f"{low} to {high} items"
        aside.append(f"fastest on {size.n_won} of {size.n_sets} sets of vectors of {span}")
    figure = f"{text.median(winner.qps, text.rate)}/s, {_annoy(size)}"
    return Item(of, href, "; ".join(filter(None, aside)), winner.name, figure)


def _annoy(size: SizeAnswer) -> str:
    table, winner = size.answered.table, size.answer.winner
    if size.to_annoy and size.to_annoy.ratio:
        return f"{text.times(size.to_annoy.ratio.median)} Annoy"
    if winner and winner.name.startswith("annoy"):
        return "Annoy itself"
    tried = any(row.name.startswith("annoy") for row in table.rows)
    return table.failed("annoy") or ("Annoy does not reach it" if tried else "Annoy was not run")


def _n(n: int, of: str) -> str:
    return f"{n} {of}{'s' * (n != 1)}"
