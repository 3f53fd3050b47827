"""Counts in a word: tiles of the overview, and small SVG files for a README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from reports.leaderboard import Leaderboards

_COLOURS = {"agrees": "#1a6b34", "undecided": "#8a6d00", "differs": "#a11b23"}


@dataclass(frozen=True)
class Badge:
    """What is counted, the count, and how it is coloured; `name` is that of its file."""

    name: str
    label: str
    value: str
    mark: str

    @property
    def svg(self) -> str:
        """The badge as a picture; the widths are those of a common sans serif, to which the text is fitted."""
        left, right = (round(6.4 * len(part)) + 12 for part in (self.label, self.value))
        words = escape(f"{self.label}: {self.value}")
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
            f'aria-label="{escape(words, {chr(34): "&quot;"})}">\n<title>{words}</title>\n'
            f'<clipPath id="round"><rect width="{left + right}" height="20" rx="4"/></clipPath>\n'
            f'<g clip-path="url(#round)"><path fill="#444c56" d="M0 0h{left}v20H0z"/>'
            f'<path fill="{_COLOURS[self.mark]}" d="M{left} 0h{right}v20H{left}z"/></g>\n'
            f'<g fill="#ffffff" font-family="system-ui, Verdana, DejaVu Sans, sans-serif" font-size="11">\n'
            f'<text x="6" y="14" textLength="{left - 12}">{escape(self.label)}</text>\n'
            f'<text x="{left + 6}" y="14" textLength="{right - 12}">{escape(self.value)}</text>\n</g>\n</svg>\n'
        )


def badges(runs: Sequence[Leaderboards]) -> tuple[Badge, ...]:
    """The badges of all these runs together; what was never counted has none."""
    words = [verdict.verdict for of in runs for verdict in of.verdicts if verdict.verdict != "not compared"]
    rows = {(row.model, row.variant, row.backend, row.mode, row.device): row for of in runs for row in of.ladder}
    kills = {(row.model, row.backend): row for of in runs for row in of.kills}
    n_cells = sum(of.headline.n_cells for of in runs)
    counted = (
        ("agreement", "models that agree", words.count("agrees"), len(words), "differs" not in words),
        ("ladder", "adapters that hold", sum(not row.broken for row in rows.values()), len(rows), False),
        (
            "injected-bugs",
            "injected bugs caught",
            sum(row.n_caught for row in kills.values()),
            sum(row.n_injected for row in kills.values()),
            False,
        ),
        ("cells", "cells with figures", n_cells - sum(of.headline.n_failed for of in runs), n_cells, True),
    )
    return tuple(
        Badge(name, label, f"{n:,} of {of:,}", "agrees" if n == of else "undecided" if lenient else "differs")
        for name, label, n, of, lenient in counted
        if of
    )
