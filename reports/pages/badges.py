"""Counts in a word: tiles of the overview, and small SVG files for a README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks.agreement.verdict import EXCUSED, INCOMPLETE
from reports.charts import text
from reports.tables import agreement
from reports.tables.leaderboard import Leaderboards
from reports.tables.mutants import TESTS, BackendRow, backend_rows, total

if TYPE_CHECKING:
    from benchmarks.agreement.verdict import Verdict

_COLOURS = {"agrees": "#1a6b34", "agrees-incomplete": "#8a3d00", "undecided": "#8a6d00", "differs": "#a11b23"}
_ENOUGH = {"ladder": 0.98, "tests": 0.95}
"""Of the mutants that could be caught, the share that the ladder, and that tests, are to catch."""


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
    # What several runs have tried is as good as in the worst of them: none of them is the latest.
    rows = sorted((row for of in runs for row in of.ladder), key=lambda row: not row.holds)
    files = [row for of in runs if of.mutants for row in of.mutants.files]
    files = sorted(files, key=lambda row: (row.failed not in {"", *EXCUSED}, row.n_survived, row.n_tried))
    mutated = backend_rows({(row.backend, row.path): row for row in files}.values())
    climbed = {(row.model, row.variant, row.backend, row.mode, row.device): row for row in rows}
    n_held, n_climbing, fell = agreement.count(list(climbed.values()))
    n_cells = sum(of.headline.n_cells for of in runs)
    n_finished = n_cells - sum(of.headline.n_failed for of in runs)
    made = (
        _agreement([verdict for of in runs for verdict in of.verdicts]),
        _badge("ladder", "adapters that match the reference", n_held, n_climbing, missing=fell, otherwise="differs"),
        _mutants("ladder", [row for row in mutated if row.backend != TESTS]),
        _mutants("tests", [row for row in mutated if row.backend == TESTS]),
        _badge("runs", "runs completed", n_finished, n_cells, otherwise="undecided"),
    )
    return tuple(badge for badge in made if badge)


def _badge(name: str, label: str, n: int, of: int, *, missing: str = "", otherwise: str) -> Badge | None:
    """A count with what is missing from it; `otherwise` is the colour where not all are counted, or some could not."""
    told = f" ({missing})" if missing else ""
    mark = "agrees" if n == of and not missing else otherwise
    return Badge(name, label, f"{n:,} of {of:,}{told}", mark) if of or missing else None


def _agreement(verdicts: Sequence[Verdict]) -> Badge | None:
    """Of the models that were compared, or were to be, those that agree in every framework; who is missing is named."""
    compared = [v for v in verdicts if v.verdict != "not compared" or (v.n_expected > 1 and not v.seeds)]
    words = [verdict.counted_as for verdict in compared]
    partial = [verdict for verdict in compared if verdict.counted_as in {INCOMPLETE, "not compared"}]
    absent = ", ".join(dict.fromkeys(words for verdict in partial for words in verdict.missing))
    missing = f"{len(partial)} incomplete: {absent}" if partial else ""
    otherwise = "differs" if "differs" in words else "undecided" if "undecided" in words else "agrees-incomplete"
    return _badge(
        "agreement", "models that agree", words.count("agrees"), len(words), missing=missing, otherwise=otherwise
    )


def _mutants(judge: str, of: Sequence[BackendRow]) -> Badge | None:
    """Of the mutants that the ladder, or tests, could have caught, those that it has; the others are said."""
    counts, n_failed = total(of), sum(len(row.failed) for row in of)
    if not of or not (counts.n_judged or n_failed):
        return None
    rate = [text.percent(counts.kill_rate)] if counts.n_judged else []
    equivalent = [f"{counts.n_equivalent:,} equivalent left out"] if counts.n_equivalent else []
    failed = [f"{n_failed} file{'s' * (n_failed > 1)} failed"] if n_failed else []
    told = "; ".join(rate + equivalent + failed)
    is_enough = not n_failed and (counts.kill_rate or 0.0) >= _ENOUGH[judge]
    value = f"{counts.n_caught:,} of {counts.n_judged:,} ({told})"
    return Badge(f"mutants-{judge}", f"mutants caught by the {judge}", value, "agrees" if is_enough else "differs")
