"""Playlists: what listeners added to theirs, a tab-separated log (made by examples/data-set/make_playlists.py).

A line is a time, a listener, a playlist and a track, in the publisher's words: `2026-03-01 08:15:00`, `listener-17`,
`road trip`, `trk:0042`. Lines that start with # are remarks.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from datasets import archives, cache, delimited, ids
from datasets.archives import Archive
from datasets.delimited import Origin
from datasets.errors import InputError
from datasets.hashing import content_hash
from datasets.interactions import Interactions

VERSION = 1  # raised with every change in what is read or noted, so that no older cache is found
ARCHIVE = Archive(
    filename="playlists.zip",
    url="https://example.org/playlists.zip",
    member="playlists/added.log",
    sha256="343e5cdc1bb9acdb0c1f14736e158e611215b6b4bb1a3e3eae456b5490faabb9",
    licence="CC0",
    citation="nobody: it is made up",
)
COLUMNS = ("time", "listener", "playlist", "track")
COUNTED = "as a text editor numbers them once remarks are gone"


def load(name: str, data_dir: Path | None, *, accept_download: bool, progress: bool) -> Interactions:
    """All rows in the publisher's order: users are listeners, items are tracks, a session is a listener's playlist.

    Args:
        name: becomes `Interactions.name`.
        data_dir: a folder with `playlists.zip`.
        accept_download: whether the archive may be downloaded where it is not found.
        progress: show a bar while downloading.

    Raises:
        InputError: if there is no archive and none may be downloaded, or it is not this data.
    """
    path = archives.find([ARCHIVE.filename], data_dir)
    if path is None and not accept_download:
        raise InputError(
            f"{name} is not on this machine: put {ARCHIVE.filename} into the folder that --data-dir names, "
            f"or allow the download of {ARCHIVE.url}"
        )
    path = path or archives.download(ARCHIVE, progress=progress)  # which compares its checksum
    return dataclasses.replace(cache.remember(path, f"playlists-{VERSION}", _build), name=name)


def _build(path: Path, sha256: str) -> Interactions:
    rows = _read(path)
    codes = {name: rows[name].dictionary_encode().combine_chunks() for name in COLUMNS[1:]}
    user, user_ids = ids.encode(codes["listener"])
    item, item_ids = ids.encode(codes["track"])
    # Two listeners may each have a playlist called "road trip".
    session = pc.binary_join_element_wise(rows["listener"], rows["playlist"], "\t").dictionary_encode()
    data = Interactions(
        name="playlists",
        user=user,
        item=item,
        timestamp=np.array(rows["time"].to_numpy()),
        session=ids.number(session.combine_chunks()),
        rating=None,
        user_ids=user_ids,
        item_ids=item_ids,
        content_hash="",
        notes=_notes(sha256),
    )
    return dataclasses.replace(data, content_hash=content_hash(data))


def _notes(sha256: str) -> tuple[str, ...]:
    """What travels with every result: an archive that was found, not downloaded, may be another edition."""
    if sha256 == ARCHIVE.sha256:
        return ()
    return (f"playlists: archive with SHA-256 {sha256}, not the publisher's {ARCHIVE.sha256}",)


def _read(path: Path) -> pa.Table:
    """The four columns: time as int64 microseconds since 1970, the others as the strings that the file holds."""
    content = re.sub(rb"(?m)^#.*\n", b"", archives.extract(path, ARCHIVE.member))
    origin = Origin(path / ARCHIVE.member, 1, COUNTED)
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(content),
            pa_csv.ReadOptions(use_threads=False, column_names=COLUMNS),  # one thread: errors then name the row
            pa_csv.ParseOptions(delimiter="\t", quote_char=False),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        raise InputError(f"{origin.path} is not a regular table ({error}): give the publisher's archive") from error
    for name in COLUMNS[1:]:
        delimited.refuse(pc.equal(table[name], ""), table[name], name, f"the name of a {name}", origin)
    expected = "a time such as 2026-03-01 08:15:00"
    time = delimited.convert(table["time"], pa.timestamp("s"), "time", expected, origin)
    return table.set_column(0, "time", time.cast(pa.timestamp("us")).cast(pa.int64()))
