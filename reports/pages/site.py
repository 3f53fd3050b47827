"""The site: a page a section, over one results folder or several; each page is one file that asks for nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages import front
from reports.pages.badges import Badge, badges
from reports.pages.blocks import Block, Cell, Column, Row, Table
from reports.pages.sections import ANCHORS, overview, sections
from reports.tables.leaderboard import Leaderboards

_HERE = Path(__file__).parent
_FACETS = {"model": "model", "backend": "framework", "index": "index"}  # the head of a column -> what can be selected
_FRONT = "Leaderboards of candidate-retrieval recommenders"


@dataclass(frozen=True)
class Run:
    """One results folder; `name` is "" where it stands alone, `home` is the way to it from the site's folder."""

    name: str
    home: str
    leaderboards: Leaderboards
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class _ShownRow:
    id: str
    role: str
    cells: tuple[Cell, ...]
    command: str | None
    facets: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _ShownTable:
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[_ShownRow, ...]

    @property
    def has_commands(self) -> bool:
        return any(row.command is not None for row in self.rows)


@dataclass(frozen=True)
class _ShownBlock:
    anchor: str
    title: str
    tables: tuple[_ShownTable, ...]
    charts: tuple[Chart, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """What one run has to say on a page."""

    anchor: str
    name: str
    title: str
    home: str
    facts: tuple[tuple[str, str], ...]
    blocks: tuple[_ShownBlock, ...]


@dataclass
class _Page:
    file: str
    title: str
    lead: str
    badges: tuple[Badge, ...] = ()
    parts: list[_Part] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)

    @property
    def short(self) -> str:
        """What leads to the page."""
        return "Overview" if self.file == "index.html" else self.file.removesuffix(".html").capitalize()

    @property
    def contents(self) -> list[tuple[str, str]]:
        """Where the page leads to, if it leads to several places."""
        found = []
        for part in self.parts:
            found += [(part.anchor, part.name)] if part.name else []
            found += [(block.anchor, block.title) for block in part.blocks if block.title]
        return found if len(found) > 1 else []

    @property
    def facets(self) -> list[tuple[str, list[str]]]:
        """What rows can be selected by, with its values."""
        values: dict[str, set[str]] = {name: set() for name in _FACETS.values()}
        for row in (
            row for part in self.parts for block in part.blocks for table in block.tables for row in table.rows
        ):
            for name, value in row.facets:
                values[name].add(value)
        values["model"] |= {chart.model for part in self.parts for block in part.blocks for chart in block.charts}
        values["model"] -= {""}
        return [(name, sorted(seen)) for name, seen in values.items() if len(seen) > 1]


def files(runs: Sequence[Run]) -> dict[str, str]:
    """The files of the site, by their paths inside of its folder."""
    home = _Page("index.html", _FRONT, "")
    pages = {overview.ANCHOR: home}
    for run in runs:
        made = {section.anchor: section for section in sections(run.leaderboards, run.charts)}
        made.pop(overview.ANCHOR, None)  # it is for a page of one run; the front page tells it of all of them
        for anchor, section in made.items():
            page = pages.setdefault(anchor, _Page(f"{anchor}.html", section.title, section.lead))
            page.parts.append(_part(page, run, section.title, section.blocks))
    ordered = [pages[anchor] for anchor in ANCHORS if anchor in pages]
    shown = {page.file: _render(page, ordered) for page in ordered if page is not home}
    pictures = badges([run.leaderboards for run in runs])
    return front.files(runs, ordered) | shown | {f"badges/{badge.name}.svg": badge.svg for badge in pictures}


def _part(page: _Page, run: Run, title: str, blocks: Sequence[Block], facts: tuple[tuple[str, str], ...] = ()) -> _Part:
    shown = tuple(_block(page, run, block) for block in blocks)
    return _Part(text.slug("run", run.name or "all"), run.name, run.name or title, run.home, facts, shown)


def _block(page: _Page, run: Run, block: Block) -> _ShownBlock:
    tables = tuple(_ShownTable(table.caption, table.columns, tuple(_rows(page, run, table))) for table in block.tables)
    anchor = _unique(page, text.slug(*filter(None, ("part", run.name, block.title))))
    return _ShownBlock(anchor, block.title, tables, block.charts, block.notes)


def _rows(page: _Page, run: Run, table: Table) -> Iterator[_ShownRow]:
    """Rows with ids that are made of what they are: a link to one leads there however often it is measured anew."""
    for row in table.rows:
        # A mark behind a name is a judgement, and may go.
        names = (cell.text.removesuffix(" ●") for cell in row.cells[: table.n_names])
        row_id = _unique(page, text.slug(*filter(None, (run.name, *table.key, *names))))
        yield _ShownRow(row_id, row.role, row.cells, row.command, tuple(_facets(table, row).items()))


def _unique(page: _Page, slug: str) -> str:
    """The same id whenever it is made anew; what is called the same is told apart by a number."""
    page.taken[slug] += 1
    return slug if page.taken[slug] == 1 else f"{slug}-{page.taken[slug]}"


def _facets(table: Table, row: Row) -> dict[str, str]:
    """What the row can be selected by: the first word of a name, since what follows it in a cell explains it."""
    named = {
        _FACETS[column.name]: cell.text.split(" ")[0]
        for column, cell in zip(table.columns, row.cells, strict=True)
        if column.name in _FACETS and cell.text != text.MISSING
    }
    return {**dict(table.about), **named}


def _render(page: _Page, pages: Sequence[_Page]) -> str:
    style, script = ((_HERE / "assets" / name).read_text(encoding="utf-8") for name in ("site.css", "site.js"))
    return _template().render(
        page=page,
        pages=pages,
        # What follows is our own, or was escaped when it was made.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        style_hash=_hash(style),
        script_hash=_hash(script),
        svg=lambda chart, run: Markup(chart.inside(run)),  # noqa: S704
        points=_points,
        lines=lambda command: Markup("\n").join(escape(text.plain(line)) for line in command.split("\n")),
    )


@functools.cache
def _template() -> jinja2.Template:
    """Compiled once for all pages."""
    environment = jinja2.Environment(
        autoescape=True,
        finalize=_harmless,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _harmless(value: object) -> object:
    return value if isinstance(value, Markup) else text.plain(value)


def _hash(content: str) -> str:
    """What the page's policy knows its own style and script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _points(chart: Chart) -> Markup:
    """JSON for an attribute in single quotes, whole numbers without their point."""
    at = [[label, [int(value) if value == int(value) else value for value in place]] for label, place in chart.points]
    shown = json.dumps(at, ensure_ascii=False, separators=(",", ":"))
    return Markup(shown.replace("&", "&amp;").replace("'", "&#39;").replace("<", "&lt;"))  # noqa: S704
