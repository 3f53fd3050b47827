"""The site: a page a section, over one results folder or several; each page is one file that asks for nothing else."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages import front, glossary, links, shell
from reports.pages.badges import badges
from reports.pages.blocks import Block, Row, Section, Table, name_of
from reports.pages.order import is_aside, rank
from reports.pages.sections import ANCHORS, environment, overview, retrieval, sections
from reports.tables.leaderboard import Leaderboards

_FACETS = {"model": "model", "backend": "framework", "index": "index", "dataset": "dataset", "data set": "dataset"}
_FILES = ("leaderboard.md", "leaderboard.csv", "leaderboard.parquet")
_LONGEST_ID = 72


@dataclass(frozen=True)
class Run:
    """One results folder; `name` is "" where it stands alone, `home` is the way to it from the site's folder.

    `records` is the name of the file that its records lie in.
    """

    name: str
    home: str
    leaderboards: Leaderboards
    charts: tuple[Chart, ...]
    records: str = "records.jsonl"


@dataclass(frozen=True)
class _ShownRow:
    """A row with its id, the place of its command among those of its table, and what it stands for."""

    id: str
    row: Row
    how: int
    members: tuple[tuple[str, str, int], ...]  # id, name, command
    frameworks: str
    run: str


@dataclass(frozen=True)
class _ShownTable:
    of: Table
    id: str
    rows: tuple[_ShownRow, ...]
    commands: tuple[str, ...]

    @property
    def heads(self) -> tuple[tuple[str, bool, str], ...]:
        """Name, whether it is of figures, and what can be selected by it."""
        return tuple((column.name, column.numeric, _FACETS.get(column.name, "")) for column in self.of.columns)


@dataclass(frozen=True)
class _ShownBlock:
    of: Block
    anchor: str
    run: str
    tables: tuple[_ShownTable, ...]
    others: tuple[str, ...] = ()  # anchors of what became part of it


@dataclass(frozen=True)
class _Part:
    """What one run has to say on a page; `files` is empty where they are named elsewhere."""

    anchor: str
    name: str
    title: str
    blocks: tuple[_ShownBlock, ...]
    files: tuple[str, ...] = ()


@dataclass
class _Page:
    file: str
    title: str
    lead: str
    first: list[_ShownBlock] = field(default_factory=list)
    parts: list[_Part] = field(default_factory=list)
    details: list[_Part] = field(default_factory=list)
    quiet: dict[str, list[str]] = field(default_factory=dict)  # a sentence -> the runs that have no more to say
    terms: dict[str, tuple[glossary.Term, ...]] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)

    @property
    def short(self) -> str:
        """What leads to the page."""
        return "Overview" if self.file == "index.html" else self.file.removesuffix(".html").capitalize()

    @property
    def contents(self) -> list[tuple[str, str]]:
        """Where the page leads to, if it leads to several places."""
        found = [(block.anchor, block.of.title) for block in self.first]
        for part in self.parts:
            found += [(part.anchor, part.name)] if part.name else []
            found += [(block.anchor, block.of.title) for block in part.blocks if block.of.title and not block.of.group]
        return found if len(found) > 1 else []

    @property
    def blocks(self) -> Iterator[_ShownBlock]:
        """All of them, wherever they stand."""
        yield from self.first
        for part in (*self.parts, *self.details):
            yield from part.blocks

    @property
    def below(self) -> list[str]:
        """What stands under the details: runs that are beside the point, and parts of the others."""
        found = []
        for part in self.details:
            is_aside = part.anchor.startswith("run-")
            found += [part.title] if is_aside else [block.of.title.lower() for block in part.blocks]
        return list(dict.fromkeys(found))


def files(runs: Sequence[Run]) -> dict[str, str]:
    """The files of the site, by their paths inside of its folder."""
    runs = sorted(runs, key=lambda run: rank(run.leaderboards))
    pages = {overview.ANCHOR: _Page("index.html", "Overview", "")}
    for run in runs:
        made = {section.anchor: section for section in sections(run.leaderboards, run.charts)}
        made.pop(overview.ANCHOR, None)  # it is for a page of one run; the front page tells it of all of them
        for anchor, section in made.items():
            page = pages.setdefault(anchor, _Page(f"{anchor}.html", section.title, section.lead))
            if anchor != retrieval.ANCHOR:
                _add(page, run, section, aside=is_aside(run.leaderboards))
    if retrieval.ANCHOR in pages:
        _add_sets(pages[retrieval.ANCHOR], runs)
    for page in pages.values():
        if not page.parts and not page.first:  # what is beside the point is all that there is
            page.parts, page.details = page.details, []
    ordered = [pages[anchor] for anchor in ANCHORS if anchor in pages]
    ordered.append(_Page(glossary.FILE, "Glossary", glossary.LEAD, terms=glossary.terms()))
    shown = {page.file: _render(page, ordered) for page in ordered[1:]}
    pictures = badges([run.leaderboards for run in runs])
    at = {id(block.of.shows): f"{page.file}#{block.anchor}" for page in ordered for block in page.blocks}
    return (
        front.files(runs, ordered, lambda table: at[id(table)])
        | shown
        | {f"badges/{badge.name}.svg": badge.svg for badge in pictures}
    )


def _add(page: _Page, run: Run, section: Section, *, aside: bool) -> None:
    """A run's part of a page: what matters, what is of interest to few, and what is said in a sentence."""
    for block in section.blocks:
        if not block.tables and not block.charts:
            page.quiet.setdefault(" ".join(block.notes).removesuffix("."), []).append(run.name)
    shown = [_block(page, run, block) for block in section.blocks if block.tables or block.charts]
    first = [block for block in shown if block.of.is_first and not aside]
    main = [block for block in shown if not block.of.is_detail and not aside and block not in first]
    below = [block for block in shown if block not in main and block not in first]
    for opening in first:
        _open_with(page, opening)
    own = _files(run) if section.anchor == environment.ANCHOR else ()
    page.parts += [_part(run, section.title, main, files=own)] if main else []
    page.details += [_part(run, section.title, below, kind="more" if main else "run")] if below else []


def _open_with(page: _Page, block: _ShownBlock) -> None:
    """What several runs open a page with is one table of them all."""
    same = next((n for n, other in enumerate(page.first) if other.of.title == block.of.title), None)
    if same is None:
        page.first.append(block)
        return
    (table,), (more,) = page.first[same].tables, block.tables
    opening = page.first[same]
    whole = (replace(table, rows=table.rows + more.rows),)
    page.first[same] = replace(opening, run="", tables=whole, others=(*opening.others, block.anchor))


def _add_sets(page: _Page, runs: Sequence[Run]) -> None:
    """All sets of vectors as one view, whichever run they are of."""
    of_name = {run.name: run for run in runs}
    everything = Run("", "", runs[0].leaderboards, ())
    shown = []
    for name, block in retrieval.blocks_of([(run.name, run.leaderboards, run.charts) for run in runs]):
        shown.append(_block(page, of_name[name] if block.group else everything, block))
    page.first = [block for block in shown if block.of.is_first]
    sets = tuple(block for block in shown if block.of.group)
    page.parts = [_Part("sets", "", "One set of vectors" if len(sets) == 1 else "Each set of vectors", sets)]
    below = tuple(block for block in shown if block.of.is_detail)
    page.details = [_Part("more-sets", "", "Over all sets of vectors", below)] if below else []


def _part(
    run: Run,
    title: str,
    blocks: Iterable[_ShownBlock],
    *,
    files: tuple[str, ...] = (),
    kind: str = "run",
) -> _Part:
    return _Part(text.slug(kind, run.name or "all"), run.name, run.name or title, tuple(blocks), files)


def _files(run: Run) -> tuple[str, ...]:
    """The way to each file of a run."""
    return tuple(f"{run.home}/{name}" for name in (*_FILES, run.records))


def _block(page: _Page, run: Run, block: Block) -> _ShownBlock:
    anchor = block.anchor or _unique(page, links.anchor(run.name, block.title))
    return _ShownBlock(block, anchor, run.name, tuple(_table(page, run, table) for table in block.tables))


def _table(page: _Page, run: Run, table: Table) -> _ShownTable:
    """With each command once, whichever rows it measures."""
    every = [member for row in table.rows for member in row.members or (row,)]
    commands = tuple(dict.fromkeys(row.command for row in every if row.command is not None))
    table_id = _unique(page, "t" + _digest(run.name, *table.key, table.caption.partition(":")[0]))
    return _ShownTable(table, table_id, tuple(_rows(page, run, table, commands)), commands)


def _rows(page: _Page, run: Run, table: Table, commands: Sequence[str]) -> Iterator[_ShownRow]:
    """Rows with ids that are made of what they are: a link to one leads there however often it is measured again."""

    def how(row: Row) -> int:
        return 0 if row.command is None else commands.index(row.command) + 1

    for row in table.rows:
        of = row.members or (row,)
        ids = [_row_id(page, run, table, member) for member in of]
        members = tuple((i, name_of(m, table.columns), how(m)) for i, m in zip(ids, row.members, strict=False))
        heads = [column.name for column in table.columns]
        frameworks = dict.fromkeys(m.cells[heads.index("backend")].text for m in row.members)
        yield _ShownRow(ids[0], row, how(row), members, " ".join(frameworks), run.name)


def _row_id(page: _Page, run: Run, table: Table, row: Row) -> str:
    # A mark behind a name is a judgement, and may go.
    names = (cell.text.removesuffix(" ●") for cell in row.cells[: table.n_names])
    words = tuple(filter(None, (run.name, *table.key, *names)))
    slug = text.slug(*words)
    return _unique(page, slug if len(slug) <= _LONGEST_ID else "r" + _digest(*words))


def _digest(*words: str) -> str:
    return hashlib.sha256(repr(words).encode("utf-8", "replace")).hexdigest()[:10]


def _unique(page: _Page, slug: str) -> str:
    """The same id whenever it is made anew; what is called the same is told apart by a number."""
    page.taken[slug] += 1
    return slug if page.taken[slug] == 1 else f"{slug}-{page.taken[slug]}"


def _render(page: _Page, pages: Sequence[_Page]) -> str:
    values = {"page": page, "pages": pages, "linked": glossary.Linked(), "coded": glossary.coded, "lines": shell.lines}
    return shell.render("page.html.j2", ["site.css"], ["site.js"], **values)
