"""A warning where a protocol asks for little of what it could, with one that asks for more of the same data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from benchmarks import protocols
from benchmarks.protocols import counts
from benchmarks.protocols.base import Protocol, Split
from benchmarks.suites.asked import LEAVE_ONE_OUT, Asked
from benchmarks.suites.asked import protocol as read
from datasets.errors import InputError
from datasets.interactions import Interactions

FEWEST = 3
"""Rows of a user of which one can be learnt from, one validates and one tests."""
BY_USER = (LEAVE_ONE_OUT, f"{LEAVE_ONE_OUT}:min_items={FEWEST}")


def warning(data: Interactions, protocol: Protocol, split: Split) -> str:
    """A sentence where fewer than half of the reported period's rows are asked for, else "".

    Other protocols cut the data before one of them is named, so that the advice is one that helps.
    """
    if not counts.are_few(split.counts, protocol.period):
        return ""
    period: str = protocol.period
    rows, what = f"{period} rows", "asked for"
    used, total = (counts.n_rows(split.counts, period, *uses) for uses in (("asked", "history"), ()))
    if used >= counts.HALF * total:
        period, rows, what = "whole", "rows", "in any period"
        total = sum(one.rows for one in split.counts if one.use != "unreachable")
        used = total - counts.n_rows(split.counts, period)
    dropped = (one for one in split.counts if (one.period, one.use) == (period, "dropped"))
    most = max(dropped, key=lambda one: one.rows)
    said = f"only {used:,} of {total:,} {rows} are {what} ({used / total:.0%})"
    left_out = f"{most.rows:,}{_of_users(most)} are left out ({most.reason})"
    return f"{said}, {left_out}; {_advice(data, protocol)}"


def _of_users(counted: counts.Counted) -> str:
    return f" of {counts.of(counted.users, 'user')}" if counted.users else ""


def _advice(data: Interactions, protocol: Protocol) -> str:
    for option, other in _others(data, protocol):
        with contextlib.suppress(InputError):  # it cannot cut these data
            found = other.split(data).counts
            if not counts.are_few(found, other.period):
                asked = next(one for one in found if (one.period, one.use) == (other.period, "asked"))
                return f"{option} asks for {asked.rows:,} rows{_of_users(asked)}"
    return "no protocol asks for more; take data of users who come back"


def _others(data: Interactions, protocol: Protocol) -> Iterator[tuple[str, Protocol]]:
    """Protocols that may ask for more, the best first, each with its option."""
    described = protocols.described(protocol)
    judged = {name: described.pop(name) for name in ("ks", "primary_metric")}
    changes: list[dict[str, Any]] = [{name: change} for name, change in _MORE.items() if name in described]
    changes += [{"min_items": n} for n in range(FEWEST, described.get("min_items", 0))]
    if data.session is not None and described.get("per") == "user":
        changes.append({"per": "session"})
    own = [{**described, **change} for change in changes]
    by_user = [read(option) for option in BY_USER]
    # Newcomers are answered with what is popular, which tells no model from another: that comes last.
    first, last = ([], own) if protocol.name == "time-split" else (own, [read("time-split:unknown_users=popular")])
    for chosen in (*first, *by_user, *last):
        with contextlib.suppress(InputError):  # settings that do not fit each other
            made = protocols.make({**chosen, **judged})
            if made != protocol:
                option = next((f"--protocol {name}" for name in BY_USER if read(name) == chosen), "")
                yield option or Asked(protocol=chosen).words[0], made


_MORE = {"unknown_users": "popular", "ask_first": True}
