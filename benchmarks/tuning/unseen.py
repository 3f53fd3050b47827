"""What trials read: a split from which the test period has been taken."""

from __future__ import annotations

import dataclasses

from backends import stretches
from benchmarks.harness import files
from benchmarks.harness.plan import Prepared
from benchmarks.protocols.base import Queries, Split
from benchmarks.specs.base import digest
from datasets.errors import InputError

UNSEEN = "test"


def without_test(prepared: Prepared) -> Prepared:
    """The training rows and the validation period of a prepared split, judged by the validation period.

    What tunes itself by these files cannot have seen a row of the test period: they hold none.

    Raises:
        InputError: the protocol reports the validation period, or nobody is asked about in it.
    """
    if prepared.protocol["period"] != UNSEEN:
        raise InputError(
            f"{prepared.place}: the {prepared.protocol['period']} period is reported, so that a search would look at "
            f'what it is judged by; set period = "{UNSEEN}" in the protocol.'
        )
    split = untested(Split.load(prepared.folder))
    if not len(split.period("validation")):
        raise InputError(
            f"{prepared.place}: there are no validation queries, by which settings could be chosen; take a protocol, "
            "or cuts, that leave some."
        )
    folder = prepared.folder.parent / digest(["without test", prepared.folder.name])
    if files.fault(folder) is not None:
        files.fill(folder, split.save)
    return dataclasses.replace(
        prepared,
        protocol={**prepared.protocol, "period": "validation"},
        folder=folder,
        hashes={**prepared.hashes, "split": split.content_hash()},
        counts=split.counts,
        warning="",
    )


def untested(whole: Split) -> Split:
    """A split without its test period; histories of the others hold what their queries tell, and nothing beside it."""
    return dataclasses.replace(
        whole,
        periods={name: _own(queries, is_asked=name != UNSEEN) for name, queries in whole.periods.items()},
        n_rows=(*whole.n_rows[:2], 0),
        counts=tuple(counted for counted in whole.counts if counted.period != UNSEEN),
    )


def _own(queries: Queries, *, is_asked: bool) -> Queries:
    """Queries with a history that holds what they tell and nothing beside it; none where nobody is asked about."""
    asked = slice(None) if is_asked else slice(0)
    indptr, history = stretches.joined(queries.history, queries.start[asked], queries.stop[asked])
    n = len(indptr)
    return Queries(
        user=queries.user[asked],
        indptr=queries.indptr[:n],
        items=queries.items[: queries.indptr[n - 1]],
        history=history,
        start=indptr[:-1],
        stop=indptr[1:],
        best=queries.best[asked],
    )
