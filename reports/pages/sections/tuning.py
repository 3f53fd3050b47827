"""Searches of settings: what each model was given to try, what was chosen, and which settings mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Cell, Columns, Table, figure, rows_of, without_empty_columns, word
from reports.pages.order import real_first
from reports.tables.leaderboard import Leaderboards
from reports.tables.tuning import JUDGED, Search, SearchTable, TrialRow, in_words

ANCHOR = "tuning"
TITLE = "Search for settings"
LEAD = (
    "Which settings of a model do best, by trying. Each model gets the same number of trials. A trial trains with "
    "settings drawn from what its suite allows, at first at random, later near those that did well; the first trial "
    "has the suite's own settings where they are allowed. Trials look at the validation period only: the test period "
    "is not among the files that they read. A trial is pruned, that is ended early, because its learning curve lay "
    "below the median of the others; it is capped if its time was up, and has the metric that it came to until then."
)
_MATTERED = (
    "What each setting mattered: fANOVA, a random forest that is fitted to the trials of one search, says how much of "
    "what the metric varies by is due to each setting alone; shares add up to 100 %."
)


def blocks(leaderboards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    commands = leaderboards.commands.of_cell
    return [_block(table, charts, commands) for table in real_first(leaderboards.searches)]


def _block(table: SearchTable, charts: Sequence[Chart], commands: Mapping[str, str]) -> Block:
    mattered = [search for search in table.searches if _is_told(search)]
    tables = [
        _chosen(table, commands),
        *([_importances(table, mattered)] if mattered else []),
        _trials(table, commands),
    ]
    notes = [_MATTERED] if mattered else []
    untold = [f"{search.name}, {search.backend}" for search in table.searches if not _is_told(search)]
    if untold:
        notes.append(
            f"Too few trials ran to their end to say which settings mattered, fewer than {JUDGED}, or all came to the "
            f"same: {'; '.join(untold)}."
        )
    own = tuple(chart for chart in charts if chart.table is table)
    return Block(f"{table.dataset} / {table.protocol}", tuple(tables), own, tuple(notes), table.dataset, shows=table)


def _is_told(search: Search) -> bool:
    return any(setting.importance is not None for setting in search.settings)


def _variant(search: Search) -> str:
    return search.variant + (f" ({search.told_apart})" if search.told_apart else "")


_NAMES: Columns[Search] = (
    word("model", lambda search: search.model),
    word("variant", _variant),
    word("backend", lambda search: search.backend),
)


def _chosen(table: SearchTable, commands: Mapping[str, str]) -> Table:
    metric = f"validation {table.metric or 'metric'}"
    columns: Columns[Search] = (
        *_NAMES,
        figure("trials", lambda search: len(search.trials)),
        figure("pruned", lambda search: search.n_pruned),
        figure("capped", lambda search: search.n_capped),
        figure("failed", lambda search: search.n_failed),
        figure(f"{metric}, first trial", lambda search: text.metric(search.first)),
        figure("best", lambda search: text.metric(search.best.metric) if search.best else _lost(search)),
        figure("trial", lambda search: search.best.number if search.best else None),
        word("settings", lambda search: in_words(search.best.drawn) if search.best else ""),
        figure("CPU hours", lambda search: _hours(search.cpu_s)),
    )
    rows = rows_of(
        columns,
        table.searches,
        lambda search: "" if search.best else "failed",
        lambda search: commands[search.trials[0].cell],
    )
    n = table.n_trials
    caption = f"What was chosen on {table.dataset}, {table.protocol}: {n:,} trial{'s' * (n != 1)}, "
    caption += f"{_hours(table.cpu_s)} CPU hours in all"
    about = (("dataset", table.dataset), ("metric", table.metric or ""))
    return Table(caption, columns, rows, (table.dataset, table.protocol, "chosen"), len(_NAMES), about)


def _lost(search: Search) -> Cell:
    """In place of the best, where no trial has a metric."""
    last = search.trials[-1]
    return Cell(last.ended, last.reason, "failed")


def _importances(table: SearchTable, searches: Sequence[Search]) -> Table:
    names = dict.fromkeys(setting.name for search in searches for setting in search.settings)
    columns: Columns[Search] = (*_NAMES, *(figure(name, partial(_share, name)) for name in names))
    caption = f"What each setting mattered on {table.dataset}, {table.protocol}"
    key, about = (table.dataset, table.protocol, "mattered"), (("dataset", table.dataset),)
    return Table(caption, columns, rows_of(columns, searches), key, len(_NAMES), about)


def _share(name: str, search: Search) -> str:
    """How much a setting mattered, "" where it was not searched."""
    share = next((setting.importance for setting in search.settings if setting.name == name), None)
    return "" if share is None else text.percent(share)


def _trials(table: SearchTable, commands: Mapping[str, str]) -> Table:
    of = [(search, trial) for search in table.searches for trial in search.trials]
    columns: Columns[tuple[Search, TrialRow]] = (
        word("model", lambda one: one[0].model),
        word("variant", lambda one: _variant(one[0])),
        word("backend", lambda one: one[0].backend),
        figure("trial", lambda one: one[1].number),
        word("settings", lambda one: in_words(one[1].drawn)),
        figure(f"validation {table.metric or 'metric'}", lambda one: text.metric(one[1].metric)),
        word("ended", lambda one: _ended(*one)),
        figure("epochs", lambda one: one[1].epochs),
        figure("CPU seconds", lambda one: text.significant(one[1].cpu_s)),
    )
    rows = rows_of(
        columns,
        of,
        lambda one: "failed" if one[1].metric is None else "",
        lambda one: commands[one[1].cell],
    )
    caption = f"Every trial on {table.dataset}, {table.protocol}"
    key, about = (table.dataset, table.protocol, "trials"), (("dataset", table.dataset),)
    shown = Table(caption, columns, rows, key, len(_NAMES) + 1, about, is_detail=True)
    return without_empty_columns(shown, kept=len(_NAMES) + 3)


def _ended(search: Search, trial: TrialRow) -> str | Cell:
    if trial.metric is None:
        return Cell(trial.ended, trial.reason, "failed")
    return f"{trial.ended}, chosen" if trial == search.best else trial.ended


def _hours(seconds: float) -> str:
    return text.significant(seconds / 3600)
