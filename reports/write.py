"""Results folders to their pages: leaderboard.md, .csv, .parquet and charts/*.svg in each, and one site of them all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reports import cells, site
from reports.charts import SECTIONS, draw
from reports.leaderboard import Leaderboards, build
from reports.records import prepare
from reports.render import markdown


def load(results: Path) -> Leaderboards:
    """The leaderboards of a results folder.

    Raises:
        InputError: a record is invalid, or the records cannot stand in one leaderboard.
    """
    # Judging loads the metrics and their compiler, which who only renders does not need.
    from benchmarks.agreement import verdict
    from benchmarks.harness import store

    # Prepared first, so that verdicts and tables call everything by the same names.
    records = prepare(store.read(results))
    return build(records, verdict.verdicts(records))


def write(folders: Sequence[Path]) -> list[Path]:
    """Read the records of these folders and write their pages and their site; returns the paths, the front page first.

    A folder without records stands for the results folders in it. The site of one folder is its `site/`; that of
    several is the `site/` of the deepest folder that holds them all.

    Raises:
        InputError: a folder has no records, or invalid ones.
    """
    from benchmarks.harness import store

    results = [Path(os.path.normpath(result)) for folder in folders for result in store.folders(folder)]
    if any(result.is_absolute() for result in results):
        results = [result.absolute() for result in results]
    return publish({result: load(result) for result in results})


def publish(loaded: Mapping[Path, Leaderboards]) -> list[Path]:
    """Write the pages of these leaderboards, results folder -> leaderboards; each file appears whole or not at all."""
    top = Path(os.path.commonpath(loaded))
    runs = {folder: _run(folder, top, boards) for folder, boards in loaded.items()}
    pages = {top / "site" / name: content.encode() for name, content in site.files(list(runs.values())).items()}
    for folder, run in runs.items():
        pages |= {folder / name: content for name, content in _files(run).items()}
    for path, content in pages.items():
        _replace(path, content)
    _remove_stale(loaded, top / "site", keep=set(pages))
    return list(pages)


def _run(folder: Path, top: Path, boards: Leaderboards) -> site.Run:
    name = "" if folder == top else folder.relative_to(top).as_posix()
    home = Path(os.path.relpath(folder, top / "site")).as_posix()
    return site.Run(name, home, boards, draw(boards))


def _files(run: site.Run) -> dict[str, bytes]:
    """The files of one results folder, beside the site."""
    return {
        "leaderboard.md": markdown(run.leaderboards, run.charts).encode(),
        "leaderboard.csv": cells.to_csv(run.leaderboards.cells),
        "leaderboard.parquet": cells.to_parquet(run.leaderboards.cells),
    } | {f"charts/{chart.name}.svg": chart.file_text.encode() for chart in run.charts}


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, since only a rename inside one file system is atomic.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_stale(folders: Iterable[Path], site_folder: Path, keep: set[Path]) -> None:
    """Pictures of cells that are gone, and pages without anything to show, would still look like results."""
    found = [path for folder in folders for section in SECTIONS for path in folder.glob(f"charts/{section}-*.svg")]
    found += [*site_folder.glob("*.html"), *site_folder.glob("badges/*.svg")]
    for path in set(found) - keep:
        path.unlink()
