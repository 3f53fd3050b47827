"""What an audit says, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from datasets.interactions import UNKNOWN_USER, Interactions

LEAK, KNOWN_LEAK, CLEAN, NOTHING = "leak", "known leak", "clean", "nothing to judge"


@dataclass(frozen=True)
class Finding:
    """One sentence of a report.

    Attributes:
        verdict: LEAK fails the audit, NOTHING leaves it without a result, all others do neither.
        n: how many rows, sequences, queries, users or items it is about.
    """

    verdict: str
    n: int
    sentence: str


@dataclass(frozen=True)
class Report:
    """What one audit found.

    Attributes:
        audited: the data set and the protocol, or the files.
        sizes: what was looked at -> how many there are.
        protocol: its settings as a suite has them; empty for files.
        notes: what reading the data had to say, such as rows without a user, or times that may be no seconds.
    """

    audited: str
    sizes: Mapping[str, int]
    findings: tuple[Finding, ...]
    protocol: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def is_leaking(self) -> bool:
        return any(finding.verdict == LEAK for finding in self.findings)

    @property
    def is_clean(self) -> bool:
        """Whether something was judged, and no leak found."""
        return not self.is_leaking and all(finding.verdict != NOTHING for finding in self.findings)


def named(data: Interactions, row: int) -> str:
    """A row in the words of whoever published it."""
    of = "nobody" if data.user[row] == UNKNOWN_USER else f"user {data.user_ids[data.user[row]]}"
    at = f"in row {row + 1}" if data.timestamp is None else f"of {moment(data.timestamp[row])}"
    return f"{of}'s item {data.item_ids[data.item[row]]} {at}"


def moment(microseconds: Any) -> str:
    """A time since 1970 UTC as text, with as much of the second as it has."""
    return f"{np.datetime64(int(microseconds), 'us')}".rstrip("0").rstrip(".") + "Z"
