"""Results folders to their pages: leaderboard.md, .csv, .parquet and charts/*.svg in each, and one site of them all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import collecting
from reports import written
from reports.charts.draw import draw
from reports.pages import site
from reports.pages.markdown import markdown
from reports.tables import frame
from reports.tables.leaderboard import Leaderboards, build
from reports.tables.records import newest


@collecting.paused()
def load(results: Path) -> Leaderboards:
    """The leaderboards of a results folder: those of its newest machine, and of the newest version of its data.

    Raises:
        InputError: a record is invalid, or the records cannot stand in one leaderboard.
    """
    # Judging loads the metrics and their compiler, which who only renders does not need.
    from benchmarks.agreement import verdict
    from benchmarks.harness import store

    # Prepared first, so that verdicts and tables call everything by the same names.
    records, left_out = newest(store.read(results))
    return build(records, verdict.verdicts(records), left_out)


def load_all(folders: Sequence[Path]) -> dict[Path, Leaderboards]:
    """The leaderboards of these folders; a folder without records stands for the results folders in it.

    Raises:
        InputError: a folder has no records, or invalid ones.
    """
    from benchmarks.harness import store

    results = [Path(os.path.normpath(result)) for folder in folders for result in store.folders(folder)]
    if any(result.is_absolute() for result in results):
        results = [result.absolute() for result in results]
    return {result: load(result) for result in results}


def write(folders: Sequence[Path]) -> list[Path]:
    """Read the records of these folders and write their pages and their site; returns the paths, the front page first.

    Raises:
        InputError: a folder has no records, or invalid ones, or a file there would be written over that is not ours.
        MachineError: a file cannot be written.
    """
    return publish(load_all(folders), folders)


@collecting.aside()
def publish(loaded: Mapping[Path, Leaderboards], named: Sequence[Path] = ()) -> list[Path]:
    """Write the pages of these leaderboards, results folder -> leaderboards; each file appears whole or not at all.

    The site of one folder is its `site/`. That of several is the `site/` of the folder that holds them all, if it is
    among those that were `named` or if they lie directly in it; else that of the first of them. It is never at the
    root of a disk, or in a folder that nobody named.

    Raises:
        InputError: a file there would be written over that is not ours; nothing is written then.
        MachineError: a file cannot be written.
    """
    given = [_absolute(folder) for folder in named]
    top = _top(list(loaded), given)
    names = _names(list(loaded), top)
    runs = {folder: _run(folder, names[folder], top, boards) for folder, boards in loaded.items()}
    pages = {name: content.encode() for name, content in site.files(list(runs.values())).items()}
    folders = [written.Folder(top / "site", top, pages)]
    folders += [written.Folder(folder, _named(folder, given), _files(run)) for folder, run in runs.items()]
    return written.write(folders)


def _top(folders: Sequence[Path], named: Sequence[Path]) -> Path:
    """The folder that the site of these results folders lies in."""
    if len(folders) == 1:
        return folders[0]
    shared = Path(os.path.commonpath(folders))
    siblings = all(folder.parent == shared for folder in folders) and not os.path.ismount(shared)
    if siblings or shared in folders or _absolute(shared) in named:
        return shared
    return folders[0]


def _names(folders: Sequence[Path], top: Path) -> dict[Path, str]:
    """What runs are called on the site that they share: their way from its folder, else the end of their path."""
    if len(folders) == 1:
        return {folders[0]: ""}
    if all(folder.is_relative_to(top) for folder in folders):
        return {folder: "" if folder == top else folder.relative_to(top).as_posix() for folder in folders}
    whole = {folder: _absolute(folder).parts[1:] for folder in folders}
    longest = max(map(len, whole.values()))
    tails = ({folder: "/".join(parts[-n:]) for folder, parts in whole.items()} for n in range(1, longest + 1))
    return next(named for named in tails if len(set(named.values())) == len(folders))


def _named(folder: Path, named: Sequence[Path]) -> Path:
    """The folder that was named and holds this one, if it is not named itself."""
    own = _absolute(folder)
    holding = [n for n in named if own.is_relative_to(n)]
    if not holding or own in holding:
        return folder
    return Path(os.path.normpath(folder / os.path.relpath(max(holding, key=lambda n: len(n.parts)), own)))


def _absolute(path: Path) -> Path:
    """Without following links: a folder is where it was named."""
    return Path(os.path.normpath(path.absolute()))


def _run(folder: Path, name: str, top: Path, boards: Leaderboards) -> site.Run:
    home = Path(os.path.relpath(folder, top / "site")).as_posix()
    # Here, because importing the pages is not to load what runs cells.
    from benchmarks.harness import store

    records = store.file_of(folder) or folder / store.FILE_NAME
    return site.Run(name, home, boards, draw(boards), records.name)


def _files(run: site.Run) -> dict[str, bytes]:
    """The files of one results folder, beside the site."""
    return {
        "leaderboard.md": markdown(run.leaderboards, run.charts).encode(),
        "leaderboard.csv": frame.to_csv(run.leaderboards.cells),
        "leaderboard.parquet": frame.to_parquet(run.leaderboards.cells),
    } | {f"charts/{chart.name}.svg": chart.file_text.encode() for chart in run.charts if not chart.is_heavy}
