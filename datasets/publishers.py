"""Data sets that their publishers give away as one large table each: reviews, check-ins, libraries and sessions.

One row of `SOURCES` a data set: how its file is called and written, from where it can be had, and on which terms. None
of the publishers states a checksum, so files are checked by their content.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datasets import archives, cache, delimited, ids, packed, times
from datasets.archives import Archive
from datasets.boundary import shown
from datasets.delimited import Origin
from datasets.errors import InputError, NotHereError
from datasets.hashing import content_hash
from datasets.interactions import UNKNOWN_USER, Interactions
from datasets.lines import Delimited, Json
from datasets.times import Times

VERSION = 1  # raised with every change in what is read or noted, so that no older cache is found
CATEGORY = re.compile(r"[A-Za-z0-9_]{1,60}")
HIGHEST_RATING = 5

Clock: TypeAlias = Callable[[pa.Table, Origin], Times]


def _as_written(table: pa.Table, origin: Origin) -> Times:
    """Seconds since 1970, or ISO 8601."""
    return times.microseconds(table["timestamp"], origin)


def _milliseconds(table: pa.Table, origin: Origin) -> Times:
    expected = "a whole number of milliseconds since 1970"
    whole = delimited.convert(table["timestamp"], pa.int64(), "timestamp", expected, origin)
    return times.microseconds(whole.cast(pa.timestamp("ms")), origin)


def _as_foursquare_writes(table: pa.Table, origin: Origin) -> Times:
    read = pc.strptime(table["timestamp"], format="%a %b %d %H:%M:%S +0000 %Y", unit="s", error_is_null=True)
    expected = "a time such as Tue Apr 03 18:00:09 +0000 2012"
    delimited.refuse(read.is_null(), table["timestamp"], "timestamp", expected, origin)
    return times.microseconds(read, origin)


def _day_and_milliseconds(table: pa.Table, origin: Origin) -> Times:
    """A day, and the milliseconds since a session began, as if all of a day began at its midnight."""
    day = _as_written(table, origin)
    later = delimited.convert(table["later_ms"], pa.int64(), "timeframe", "a whole number of milliseconds", origin)
    return Times(day.values + 1_000 * later.to_numpy(), day.notes)


@dataclass(frozen=True)
class Layout:
    """How a file is called and written.

    Attributes:
        file: its name, {} standing for the category; a name in .gz is looked for without it, too.
        table: how its lines are read, by our names: user_id or session_id, item_id, and maybe timestamp and rating.
        clock: makes times of the table.
        member: the file in it, where it is a zip archive.
    """

    file: str
    table: Delimited | Json
    clock: Clock = _as_written
    member: str = ""


@dataclass(frozen=True)
class Source:
    """A publisher's data set.

    Attributes:
        layouts: how it comes, the best first.
        where: the page that says how to get it.
        licence, citation: the terms.
        years: the first and the last of its rows.
        rows: how many the publisher says that there are, 0 where that is not known.
        url: of the first layout's file, where it may be downloaded.
    """

    layouts: tuple[Layout, ...]
    where: str
    licence: str
    citation: str
    years: tuple[int, int] = (1970, 1970)
    rows: int = 0
    url: str = ""


TEXT, WHOLE, NUMBER = pa.string(), pa.int64(), pa.float64()
UNSTATED = "research use; the publisher states no licence"
UCSD = "https://mcauleylab.ucsd.edu/public_datasets/data"
STEAM = "https://cseweb.ucsd.edu/~jmcauley/datasets.html#steam_data"
MONOTONIC = "Wan and McAuley (2018), Item recommendation on monotonic behavior chains, RecSys"


def _check_ins(city: str, rows: int) -> Source:
    name = f"dataset_TSMC2014_{city}.txt"
    table = Delimited("\t", ("user_id", "item_id", "", "", "", "", "", "timestamp"))
    return Source(
        (
            Layout("dataset_tsmc2014.zip", table, _as_foursquare_writes, f"dataset_tsmc2014/{name}"),
            Layout(name, table, _as_foursquare_writes),
        ),
        "https://sites.google.com/site/yangdingqi/home/foursquare-dataset",
        UNSTATED,
        "Yang, Zhang, Zheng and Yu (2015), Modeling user activity preference by leveraging user spatial temporal "
        "characteristics in LBSNs, IEEE Transactions on Systems, Man, and Cybernetics: Systems 45(1)",
        (2012, 2013),
        rows,
    )


SOURCES: Mapping[str, Source] = {
    "amazon-2018": Source(
        (
            Layout(
                "{}_5.json.gz",
                Json(
                    {
                        "user_id": ("reviewerID", TEXT),
                        "item_id": ("asin", TEXT),
                        "timestamp": ("unixReviewTime", WHOLE),
                        "rating": ("overall", NUMBER),
                    }
                ),
            ),
            Layout("{}.csv.gz", Delimited(",", ("item_id", "user_id", "rating", "timestamp"))),
        ),
        "https://nijianmo.github.io/amazon/",
        UNSTATED,
        "Ni, Li and McAuley (2019), Justifying recommendations using distantly-labeled reviews and fine-grained "
        "aspects, EMNLP",
        (1996, 2018),
        url=f"{UCSD}/amazon_v2/categoryFilesSmall/{{}}_5.json.gz",
    ),
    "amazon-2023": Source(
        (
            Layout(
                "{}.csv.gz",
                Delimited(
                    ",", ("user_id", "item_id", "rating", "timestamp"), header="user_id,parent_asin,rating,timestamp"
                ),
                _milliseconds,
            ),
            Layout(
                "{}.jsonl.gz",
                Json(
                    {
                        "user_id": ("user_id", TEXT),
                        "item_id": ("parent_asin", TEXT),
                        "timestamp": ("timestamp", WHOLE),
                        "rating": ("rating", NUMBER),
                    }
                ),
                _milliseconds,
            ),
        ),
        "https://amazon-reviews-2023.github.io/",
        UNSTATED,
        "Hou, Li, He, Yan, Chen and McAuley (2024), Bridging language and items for retrieval and recommendation, "
        "arXiv 2403.03952",
        (1996, 2023),
        url=f"{UCSD}/amazon_2023/benchmark/5core/rating_only/{{}}.csv.gz",
    ),
    "steam-reviews": Source(
        (
            Layout(
                "steam_reviews.json.gz",
                Json(
                    {"user_id": ("username", TEXT), "item_id": ("product_id", TEXT), "timestamp": ("date", TEXT)},
                    literals=True,
                ),
            ),
        ),
        STEAM,
        UNSTATED,
        f"Kang and McAuley (2018), Self-attentive sequential recommendation, ICDM; {MONOTONIC}",
        (2010, 2018),
    ),
    "steam-libraries": Source(
        (
            Layout(
                "australian_users_items.json.gz",
                Json({"user_id": ("user_id", TEXT)}, True, "items", {"item_id": ("item_id", TEXT)}),
            ),
        ),
        STEAM,
        UNSTATED,
        f"Pathak, Gupta and McAuley (2017), Generating and personalizing bundle recommendations on Steam, SIGIR; "
        f"{MONOTONIC}",
        url=f"{UCSD}/steam/australian_users_items.json.gz",
    ),
    "gowalla": Source(
        (Layout("loc-gowalla_totalCheckins.txt.gz", Delimited("\t", ("user_id", "timestamp", "", "", "item_id"))),),
        "https://snap.stanford.edu/data/loc-gowalla.html",
        UNSTATED,
        "Cho, Myers and Leskovec (2011), Friendship and mobility: user movement in location-based social networks, KDD",
        (2009, 2010),
        url="https://snap.stanford.edu/data/loc-gowalla_totalCheckins.txt.gz",
    ),
    "foursquare-nyc": _check_ins("NYC", 227_428),
    "foursquare-tky": _check_ins("TKY", 573_703),
    "yoochoose": Source(
        (Layout("yoochoose-clicks.dat.gz", Delimited(",", ("session_id", "timestamp", "item_id", ""))),),
        "https://www.kaggle.com/datasets/chadgostopp/recsys-challenge-2015",
        "CC BY-NC-ND 4.0 (YOOCHOOSE)",
        "Ben-Shimon, Tsikinovsky, Friedmann, Shapira, Rokach and Hoerle (2015), RecSys Challenge 2015 and the "
        "YOOCHOOSE dataset, RecSys",
        (2014, 2014),
        33_003_944,
    ),
    "diginetica": Source(
        (
            Layout(
                "train-item-views.csv.gz",
                Delimited(
                    ";",
                    ("session_id", "", "item_id", "later_ms", "timestamp"),
                    header="sessionId;userId;itemId;timeframe;eventdate",
                ),
                _day_and_milliseconds,
            ),
        ),
        "https://competitions.codalab.org/competitions/11161",
        "research use, by the terms of the competition",
        "CIKM Cup 2016, track 2: personalized e-commerce search challenge (DIGINETICA)",
        (2016, 2016),
        1_235_380,
    ),
}


def load(name: str, data_dir: Path | None, *, accept_download: bool, progress: bool) -> Interactions:
    """All rows, in the publisher's order.

    Sessions are users, too, where the publisher names no others. `rating` is float32[n] where there are ratings,
    `timestamp` int64[n] in microseconds where there are times. A row whose user is the empty text is nobody's.

    Args:
        name: a name in `SOURCES`, with a colon and the category where the publisher has a file for each.
        data_dir: a folder with the publisher's file.
        accept_download: whether the file may be downloaded where it is not found, and has an address.
        progress: show a bar while downloading.

    Raises:
        NotHereError: if there is no file, and it may not or cannot be downloaded.
        InputError: if the category is no name, or the file is not this data.
    """
    key, colon, category = name.partition(":")
    if colon and not CATEGORY.fullmatch(category):
        raise InputError(
            f"{shown(name)} names no category: one such as Video_Games was expected, after which a file is called"
        )
    source = SOURCES[key]
    files = {filename: number for number, of in enumerate(source.layouts) for filename in _filenames(of, category)}
    path = archives.find(files, data_dir) or _downloaded(name, source, category, accept_download, progress)
    number = files[path.name]
    build = functools.partial(_build, key, source, source.layouts[number])
    return dataclasses.replace(cache.remember(path, f"{key}-{number}-{VERSION}", build), name=name)


def _filenames(layout: Layout, category: str) -> tuple[str, ...]:
    name = layout.file.format(category)
    return tuple(dict.fromkeys((name, name.removesuffix(".gz"))))


def _downloaded(name: str, source: Source, category: str, accept_download: bool, progress: bool) -> Path:
    first = source.layouts[0]
    filename, url = first.file.format(category), source.url.format(category)
    if url and accept_download:
        terms = (source.licence, source.citation)
        return archives.download(Archive(filename, url, first.member, None, *terms), progress=progress)
    how = f"or allow the download of {url}" if url else f"which {source.where} says how to get"
    raise NotHereError(f"{name} is not on this machine: put {filename} into the folder that --data-dir names, {how}")


def _build(key: str, source: Source, layout: Layout, path: Path, sha256: str) -> Interactions:
    pieces = [archives.extract(path, layout.member)] if layout.member else packed.pieces(path)
    table, origin = layout.table.table(path / layout.member if layout.member else path, pieces)
    has_sessions = "session_id" in table.column_names
    user, user_ids = _ids(table, "session_id" if has_sessions else "user_id", origin)
    item, item_ids = _ids(table, "item_id", origin)
    when = layout.clock(table, origin) if "timestamp" in table.column_names else None
    if when is not None:
        _require_years(when.values, table["timestamp"], source.years, origin)
    data = Interactions(
        name=key,
        user=user,
        item=item,
        timestamp=None if when is None else when.values,
        session=user if has_sessions else None,
        rating=_ratings(table["rating"], origin) if "rating" in table.column_names else None,
        user_ids=user_ids,
        item_ids=item_ids,
        content_hash="",
        notes=(*_notes(key, source, sha256, user), *(when.notes if when else ())),
    )
    return dataclasses.replace(data, content_hash=content_hash(data))


def _notes(key: str, source: Source, sha256: str, user: npt.NDArray[np.int32]) -> tuple[str, ...]:
    """What is to be said of the file at hand."""
    notes = [f"{key}: file with SHA-256 {sha256}, checked by content: the publisher's checksum is not known"]
    if source.rows and len(user) != source.rows:
        notes.append(f"{key}: {len(user):,} rows, not the publisher's {source.rows:,}")
    if n := int((user == UNKNOWN_USER).sum()):
        notes.append(f"{key}: {n:,} of {len(user):,} rows name no user and are nobody's")
    return tuple(notes)


def _ids(table: pa.Table, name: str, origin: Origin) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.str_]]:
    """Ids as the publisher writes them, to the letter, encoded; a user may be the empty text, and is unknown then."""
    column = table[name]
    missing = column.is_null()
    if name != "user_id":
        missing = pc.or_(missing, pc.equal(column, "").fill_null(True))
    delimited.refuse(missing, column, name, f"a valid {name}", origin)
    column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
    return ids.encode(column.dictionary_encode().combine_chunks())


def _require_years(
    values: npt.NDArray[np.int64], column: pa.ChunkedArray, years: tuple[int, int], origin: Origin
) -> None:
    first, end = (np.datetime64(str(year), "us").astype(np.int64) for year in (years[0], years[1] + 1))
    bad = pa.chunked_array([pa.array((values < first) | (values >= end))])
    delimited.refuse(bad, column, "timestamp", f"a time from {years[0]} to {years[1]}", origin)


def _ratings(column: pa.ChunkedArray, origin: Origin) -> npt.NDArray[np.float32]:
    rating = delimited.convert(column, pa.float32(), "rating", "a number", origin)
    bad = pc.or_(pc.less(rating, 0), pc.greater(rating, HIGHEST_RATING))
    delimited.refuse(bad, column, "rating", f"a rating from 0 to {HIGHEST_RATING}", origin)
    return np.array(rating.to_numpy(), np.float32)
