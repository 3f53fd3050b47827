"""How the outcome of a gate is told: lines for a terminal, JSON, Markdown for a pull request, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.gate import holding
from benchmarks.gate.figures import FIGURES, Measured
from benchmarks.gate.holding import CHANCE, Held
from benchmarks.gate.sequential import IMPROVED, NO_WORSE, REGRESSED, SAME, UNDECIDED, Judgement, share
from benchmarks.protocols import counts

WORST_FIRST = (holding.FAILED, REGRESSED, holding.MISSING, UNDECIDED, CHANCE, NO_WORSE, SAME, IMPROVED)


@dataclass(frozen=True)
class Row:
    """One figure of one cell, or a cell that cannot be compared.

    Attributes:
        cell: its line.
        figure: its name, "" of a cell that cannot be compared.
        verdict: one of WORST_FIRST.
        judged: None where it cannot be compared.
        note: what is to be said beside it, or why it cannot be compared.
        seen: its figures, one a pair.
        margin: the share by which it may be worse.
    """

    cell: str
    figure: str
    verdict: str
    judged: Judgement | None
    note: str
    seen: tuple[Measured, ...] = ()
    margin: float = 0.0

    @property
    def words(self) -> str:
        """The verdict, as a line begins with it."""
        if self.verdict == NO_WORSE:
            return f"no worse than by {self.margin:.0%}"
        if self.judged is not None and self.verdict == UNDECIDED:
            return f"undecided (needs {self.judged.n_more} more)"
        if self.verdict == CHANCE:
            return "by chance, so not held"
        return self.verdict

    @property
    def measured(self) -> str:
        """The figure with what it came to, or why there is none, as a line ends with it."""
        if not self.figure:
            return self.note
        beside = f" ({self.note})" if self.note else ""
        if self.judged is None or self.verdict in {SAME, CHANCE}:
            return f"{self.figure}{beside}"
        judged = self.judged
        interval = f" ({judged.low:.3f} – {judged.high:.3f})" if judged.n > 1 else ""
        return f"{self.figure} {judged.ratio:.3f} of base's{interval}{beside}"


def rows(held: Iterable[Held], margin: float) -> list[Row]:
    """The figures in the order in which they are told: the worst first."""
    found = []
    for one in held:
        if one.fault:
            found += [Row(line, "", one.fault, None, one.reason) for line in one.what]
            continue
        for (line, figure), judged in one.judgements.items():
            seen = tuple(m for pair in one.pairs for m in pair.measured if m.place == (line, figure))
            worse = share(margin, FIGURES[figure].margins)
            found.append(Row(line, figure, judged.verdict, judged, one.note((line, figure)), seen, worse))
    return sorted(found, key=lambda row: (WORST_FIRST.index(row.verdict), row.judged.ratio if row.judged else 0.0))


def lines(told: Sequence[Row]) -> list[str]:
    """A line a cell and verdict, with all figures of which it holds."""
    of_cell: dict[tuple[int, str, str], list[Row]] = {}
    for row in told:
        of_cell.setdefault((WORST_FIRST.index(row.verdict), row.words, row.cell), []).append(row)
    said = []
    for (_, words, cell), same in of_cell.items():
        first = same[0].judged
        if first is None:
            said.append(f"{words}: {cell}: {same[0].measured}")
            continue
        n = max(row.judged.n for row in same if row.judged is not None)
        said.append(f"{words}: {cell} · {', '.join(row.measured for row in same)}; {counts.of(n, 'pair')}")
    return said


def as_json(told: Iterable[Row], described: Mapping[str, str]) -> str:
    """A line for each figure of each cell."""
    made = []
    for row in told:
        found: dict[str, object] = {"cell": row.cell, "figure": row.figure or None, "verdict": row.verdict}
        if row.judged is not None:
            judged = row.judged
            found |= {"ratio": judged.ratio, "low": judged.low, "high": judged.high, "pairs": judged.n,
                      "pairs_more": judged.n_more}  # fmt: skip
        made.append(json.dumps({**described, **found, **({"reason": row.note} if row.note else {})}))
    return "".join(f"{line}\n" for line in made)


def as_markdown(told: Iterable[Row], title: str) -> str:
    """A table for a pull request; what is as it was is folded away."""
    by_concern = groupby(told, key=lambda row: row.verdict in {NO_WORSE, SAME, IMPROVED})
    text = [f"### {title}", ""]
    for is_fine, of_both in by_concern:
        table = ["| verdict | cell | figure | of base's | interval | pairs |", "|---|---|---|---:|---|---:|"]
        table += [_markdown_row(row) for row in of_both]
        n = counts.of(len(table) - 2, "figure")
        shown = ["<details><summary>", f"{n} as good as before", "</summary>", "", *table, "",
                 "</details>"] if is_fine else table  # fmt: skip
        text += [*shown, ""]
    return "\n".join(text) + "\n"


def _markdown_row(row: Row) -> str:
    cells = [row.words, row.cell, row.figure]
    if row.judged is None:
        cells += [row.note, "", ""]
    else:
        judged = row.judged
        cells += [f"{judged.ratio:.3f}", f"{judged.low:.3f} – {judged.high:.3f}", str(judged.n)]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def code_of(held: Sequence[Held]) -> int:
    """A regression or a failure of head fails; a base that is missing never passes."""
    verdicts = {judged.verdict for one in held for judged in one.judgements.values()}
    if REGRESSED in verdicts or any(one.fault == holding.FAILED for one in held):
        return FAILED
    return NOTHING_MEASURED if not held or any(one.fault for one in held) else FINE
