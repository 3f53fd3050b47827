"""The audit of a search: do the files that its trials read hold anything of the test period?

As in `benchmarks.audit.splits`, every row has an item of its own in a copy of the data, so that each is found wherever
it has come to.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks import protocols
from benchmarks.audit.report import CLEAN, LEAK, NOTHING, Finding, Report
from benchmarks.audit.splits import with_own_items
from benchmarks.protocols.base import Protocol, Split
from benchmarks.tuning.unseen import UNSEEN, untested
from datasets.interactions import Interactions


def of_search(data: Interactions, protocol: Protocol) -> Report:
    """Takes the test period from a split as a search does, and looks for its rows in all that is left.

    Raises:
        InputError: if the protocol cannot cut the data.
    """
    whole = protocol.split(with_own_items(data))
    read = untested(whole)
    hidden = _of_test(whole, new_users=protocol.new_users)
    found = np.intersect1d(hidden, held(read))
    sizes = {"rows of the test period": len(hidden), "validation queries": len(read.period("validation"))}
    settings = protocols.described(protocol)
    of = f"{data.name}, {protocols.in_words(settings)}, what a search reads"
    return Report(of, sizes, (_finding(len(found), len(hidden), sizes["validation queries"]),), settings)


def _finding(n_found: int, n_hidden: int, n_asked: int) -> Finding:
    if n_found:
        return Finding(LEAK, n_found, f"{n_found:,} of {n_hidden:,} rows of the test period are in what a search reads")
    if not n_asked:
        return Finding(NOTHING, 0, "there are no validation queries, so that a search has nothing to go by")
    return Finding(CLEAN, n_hidden, f"none of the {n_hidden:,} rows of the test period is in what a search reads")


def _of_test(split: Split, *, new_users: bool) -> npt.NDArray[np.int32]:
    """What is asked for in the test; of users of whom nothing else is known, what is told, too."""
    queries = split.period(UNSEEN)
    return np.unique(np.concatenate([queries.items, queries.history]) if new_users else queries.items)


def held(split: Split) -> npt.NDArray[np.int32]:
    """The items in any of a split's arrays: int32[n], ascending."""
    counted = np.flatnonzero(split.item_counts).astype(np.int32)
    arrays = [split.item, split.seen_items, split.sequence_items, counted]
    for queries in split.periods.values():
        arrays += [queries.items, queries.history, queries.best.ravel()]
    return np.unique(np.concatenate(arrays))
