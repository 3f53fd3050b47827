"""The search of a suite: its rows' studies, run side by side with one budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from backends.registry import FAMILIES, FRAMEWORKS
from benchmarks import specs
from benchmarks.harness.groups import Group
from benchmarks.harness.plan import Cell, Options, Prepared, given, model_cell
from benchmarks.harness.prepare import prepare_all
from benchmarks.harness.run import Run, Wanted
from benchmarks.records import Record, Trial
from benchmarks.suites import Block, ModelRow, spaces
from benchmarks.tuning.studies import Study
from benchmarks.tuning.unseen import without_test
from datasets.errors import InputError


@dataclasses.dataclass(frozen=True)
class Budget:
    """What every row gets.

    Attributes:
        trials: different settings that are tried at most.
        cap_s: seconds after which a trial begins no further epoch.
        backend: the framework that searches, for all models that one trains.
        seed: what settings are drawn by, and what each trial is keyed by.
        options: which models, in which mode and with how many threads.
    """

    trials: int
    cap_s: float
    backend: str
    seed: int
    options: Options


@dataclasses.dataclass(frozen=True)
class Searched:
    """A row of a block, with its study and what its trials read."""

    block: Block
    row: ModelRow
    study: Study
    prepared: Prepared


def planned(blocks: Sequence[Block], budget: Budget, session: Run, data_dir: Path | None) -> list[Searched]:
    """The studies of all rows that have a search, those of models that are not to be searched now too.

    Rows that have the same searched, in two blocks, share a study.

    Raises:
        InputError: no row has one, or the data or the protocol leave nothing to choose settings by.
    """
    wanted = [dataclasses.replace(block, models=rows) for block in blocks if (rows := _rows(block))]
    names = budget.options.models
    if not any(not names or row.model in names for block in wanted for row in block.models):
        of = f" of {', '.join(names)}" if names else ""
        raise InputError(
            f"no row{of} says what to search, expected search = {{ learning_rate = {{ low = 0.0001, high = 0.01, "
            "log = true }, … } in a row of models; add it to the suite."
        )
    studies: dict[str, Study] = {}
    made = []
    for block, prepared in prepare_all(wanted, session.results, data_dir, keep_paths=budget.options.keep_paths):
        unseen = without_test(prepared)
        for row in block.models:
            study = _study(block, row, unseen, budget, session)
            made.append(Searched(block, row, studies.setdefault(study.search, study), unseen))
    return made


def _rows(block: Block) -> tuple[ModelRow, ...]:
    return tuple(row for row in block.models if row.search)


def _study(block: Block, row: ModelRow, prepared: Prepared, budget: Budget, session: Run) -> Study:
    own = given(block, row, prepared)
    adapters = FAMILIES[row.model].adapters
    backend = budget.backend if budget.backend in adapters else next(iter(adapters))
    modes = budget.options.modes or row.modes or block.modes
    mode = "compiled" if "compiled" in modes and backend in FRAMEWORKS else "eager"
    cell = model_cell(
        "trial", specs.make(row.model, own), prepared, budget.options, backend=backend, mode=mode, seed=budget.seed
    )
    origin = dataclasses.replace(cell, inputs={**cell.inputs, "search": {"cap_s": budget.cap_s}})
    return Study(origin, spaces.axes(row.model, own, row.search), budget.trials, session.records.values())


def run(searches: Sequence[Searched], session: Run, said: Callable[[Searched, Trial], None]) -> None:
    """Runs what is left of each budget: every row's first trial, then every second, and so on.

    Args:
        searches: of rows that have a study each.
        session: records the trials, as many side by side as its executor runs; its `report` is taken.
        said: is told each trial that has ended.
    """
    of: dict[str, Searched] = {}

    def report(cell: Cell, record: Record) -> None:
        assert isinstance(record, Trial)  # noqa: S101 - nothing else is run here
        of[cell.key].study.tell(record)
        said(of[cell.key], record)

    def drawn() -> Iterator[Wanted]:
        left = list({one.study.search: one for one in reversed(searches)}.values())[::-1]
        while left:
            # Whose turn it is follows from what was drawn, so that a search that was killed goes on in the same order.
            searched = max(left, key=lambda one: one.study.n_left)
            cell = searched.study.draw()
            if cell is None:
                left.remove(searched)
                continue
            of[cell.key] = searched
            yield Wanted(Group(((cell,),), turns=0), searched.prepared, partial(searched.study.hear, cell))

    session.report = report
    session.follow(drawn())
