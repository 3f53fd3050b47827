"""MovieLens 100K, 1M, 20M and 32M: ratings of movies, of many years (Harper and Konstan 2015)."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from datasets import archives, cache, delimited, ids
from datasets.archives import Archive
from datasets.boundary import parsing
from datasets.delimited import Origin
from datasets.errors import InputError, NotHereError
from datasets.hashing import content_hash
from datasets.interactions import Interactions

VERSION = 3  # raised with every change in what is read or noted, so that no older cache is found
LICENCE = "research use, no redistribution"
CITATION = (
    "Harper and Konstan (2015), The MovieLens datasets: history and context, "
    "ACM Transactions on Interactive Intelligent Systems 5(4), doi 10.1145/2827872"
)

FIRST_S = 788_918_400  # 1995-01-01; the publisher's rows begin on 1995-01-09
UNREAD = {"title", "date", "video", "url"}  # these are in Latin-1 here and there, and not even decoded
UNIT_SEPARATOR = "\x1f"  # stands in for "::", because Arrow splits at single characters only


@dataclass(frozen=True)
class Member:
    """A table in an archive: what its fields are called here, and the header that it starts with, if it has one."""

    name: str
    separator: str
    columns: tuple[str, ...]
    header: str | None = None


@dataclass(frozen=True)
class Edition:
    """One of the data sets: its archive, the publisher's row count, the tables in it, and the year of its last rows."""

    archive: Archive
    rows: int
    ratings: Member
    movies: Member
    users: Member | None = None
    until: int = 2015


def _archive(name: str, member: str, *, md5: str | None = None, sha256: str | None = None) -> Archive:
    filename = f"{name}.zip"
    url = f"https://files.grouplens.org/datasets/movielens/{filename}"
    return Archive(filename, url, member, sha256, LICENCE, CITATION, md5)


RATING = ("user", "movie", "rating", "timestamp")
MOVIE = ("movie", "title", "genres")
GENRES = (  # of ml-100k, as its u.genre numbers them
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
FLAGS = tuple(f"genre {number}" for number in range(len(GENRES)))  # of u.item

EDITIONS = {
    "ml-100k": Edition(
        _archive("ml-100k", "ml-100k/u.data", md5="0e33842e24a9c977be4e0107933c0723"),
        100_000,
        Member("ml-100k/u.data", "\t", RATING),
        Member("ml-100k/u.item", "|", ("movie", "title", "date", "video", "url", *FLAGS)),
        Member("ml-100k/u.user", "|", ("user", "age", "gender", "occupation", "zip")),
    ),
    "ml-1m": Edition(
        _archive(
            "ml-1m",
            "ml-1m/ratings.dat",
            md5="c4d9eecfca2ab87c1945afe126590906",
            sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        ),
        1_000_209,
        Member("ml-1m/ratings.dat", "::", RATING),
        Member("ml-1m/movies.dat", "::", MOVIE),
        Member("ml-1m/users.dat", "::", ("user", "gender", "age", "occupation", "zip")),
    ),
    "ml-20m": Edition(
        _archive("ml-20m", "ml-20m/ratings.csv", md5="cd245b17a1ae2cc31bb14903e1204af3"),
        20_000_263,
        Member("ml-20m/ratings.csv", ",", RATING, "userId,movieId,rating,timestamp"),
        Member("ml-20m/movies.csv", ",", MOVIE, "movieId,title,genres"),
    ),
    "ml-32m": Edition(
        _archive("ml-32m", "ml-32m/ratings.csv"),
        32_000_204,
        Member("ml-32m/ratings.csv", ",", RATING, "userId,movieId,rating,timestamp"),
        Member("ml-32m/movies.csv", ",", MOVIE, "movieId,title,genres"),
        until=2023,
    ),
}


def load(name: str, data_dir: Path | None, *, accept_download: bool, progress: bool) -> Interactions:
    """All ratings, in the publisher's order.

    Users and items are those that occur in the ratings, sorted by number; there is no session.
    `rating` is float32[n] from 0.5 to 5, `timestamp` int64[n], whole seconds in microseconds. The user
    features, where the archive has users (ml-20m and ml-32m have none), are `gender`, `age`, `occupation` and
    `zip`, int32[n_users] each.
    The one item feature, int32[n_items], is `genre`: the first genre that the publisher names for
    the movie, and the publisher names them by alphabet. Codes number the distinct values in sorted
    order; the genres of ml-100k are in the order of its u.genre. The genres' codes have names.

    Args:
        name: a name in `EDITIONS`.
        data_dir: a folder with the archive, such as `ml-1m.zip`.
        accept_download: whether the archive may be downloaded where it is not found.
        progress: show a bar while downloading.

    Raises:
        NotHereError: if there is no archive and none may be downloaded.
        InputError: if it is not this data.
    """
    archive = EDITIONS[name].archive
    path = archives.find([archive.filename], data_dir)
    if path is None and not accept_download:
        raise NotHereError(
            f"{name} is not on this machine: put {archive.filename} into the folder that --data-dir names, "
            f"or allow the download of {archive.url}"
        )
    path = path or archives.download(archive, progress=progress)
    return cache.remember(path, f"{name}-{VERSION}", functools.partial(_build, name))


def _build(name: str, path: Path, sha256: str) -> Interactions:
    edition = EDITIONS[name]
    movies = _read_movies(path, edition.movies)
    users = None if edition.users is None else _read(path, edition.users)[0]
    ratings, origin = _read(path, edition.ratings)
    user, user_ids = _ids(ratings["user"], users, "user", origin)
    item, item_ids = _ids(ratings["movie"], movies, "movie", origin)
    place = {"name": "rating", "expected": "a rating from 0.5 to 5", "origin": origin}
    rating = _numbers(ratings["rating"], pa.float32(), low=0.5, high=5, **place)
    expected = f"a time in whole seconds since 1970, from 1995 to {edition.until}"
    place = {"name": "timestamp", "expected": expected, "origin": origin}
    end = datetime(edition.until + 1, 1, 1, tzinfo=UTC).timestamp()
    timestamp = _numbers(ratings["timestamp"], pa.int64(), low=FIRST_S, high=end - 1, **place)
    user_features = {} if users is None else _features(users, "user", user_ids)
    genre, genres = _features(movies, "movie", item_ids)["genre"]
    data = Interactions(
        name=name,
        user=user,
        item=item,
        timestamp=timestamp * 1_000_000,
        session=None,
        rating=rating,
        user_ids=user_ids,
        item_ids=item_ids,
        content_hash="",
        user_features={feature: codes for feature, (codes, _) in user_features.items()},
        item_features={"genre": genre},
        # ml-100k has numbers for names.
        item_feature_names={"genre": tuple(GENRES[int(g)] if g.isdigit() else g for g in genres.tolist())},
        notes=_notes(name, path, sha256, ratings.num_rows),
    )
    return dataclasses.replace(data, content_hash=content_hash(data))


def _notes(name: str, path: Path, sha256: str, n_rows: int) -> tuple[str, ...]:
    """How the archive at hand differs from the publisher's."""
    edition, notes = EDITIONS[name], []
    md5 = archives.md5_of(path)
    if edition.archive.md5 is None:
        notes.append(
            f"{name}: archive with SHA-256 {sha256}, checked by content: the publisher's checksum is not known"
        )
    elif md5 != edition.archive.md5:
        notes.append(
            f"{name}: archive with SHA-256 {sha256} and MD5 {md5}, not the publisher's MD5 {edition.archive.md5}"
        )
    if n_rows != edition.rows:
        notes.append(f"{name}: {n_rows:,} rows, not the publisher's {edition.rows:,}")
    return tuple(notes)


def _ids(
    column: pa.ChunkedArray, known: pa.Table | None, name: str, origin: Origin
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.str_]]:
    """The ids of rating rows, encoded; refused where they are no numbers, or not among the known."""
    codes = column.dictionary_encode().combine_chunks()
    # Few distinct ids stand in many rows: what holds of an id is found out once.
    good = pc.match_substring_regex(codes.dictionary, r"^[1-9][0-9]{0,17}$")
    _require(good.take(codes.indices), column, name, f"the number of a {name}", origin)
    if known is not None:
        good = pc.is_in(codes.dictionary, value_set=known[name].combine_chunks())
        _require(good.take(codes.indices), column, name, f"a {name} that the archive's table of {name}s lists", origin)
    return ids.encode(codes)


def _numbers(texts: pa.ChunkedArray, to: pa.DataType, *, low: float, high: float, **place: Any) -> npt.NDArray[Any]:
    """Text as numbers from low to high; `place` is what `delimited` asks for to name a cell."""
    column = delimited.convert(texts, to, **place)
    _require(pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high)), texts, **place)
    return np.array(column.to_numpy())


def _features(
    table: pa.Table, key: str, wanted: npt.NDArray[np.str_]
) -> dict[str, tuple[npt.NDArray[np.int32], npt.NDArray[np.str_]]]:
    """Every column but the key as codes, int32[len(wanted)], and what they stand for: the wanted ids' rows in order."""
    rows = table.take(pc.index_in(pa.array(wanted.tolist()), value_set=table[key].combine_chunks()))
    columns = {name: rows[name].dictionary_encode().combine_chunks() for name in rows.column_names if name != key}
    return {name: ids.encode(column) for name, column in columns.items()}


def _read_movies(path: Path, member: Member) -> pa.Table:
    """Every movie's number and its first genre, as strings."""
    table, origin = _read(path, member)
    if "genres" in table.column_names:
        _require(pc.not_equal(table["genres"], ""), table["genres"], "genres", "genres such as Action|Drama", origin)
        return pa.table({"movie": table["movie"], "genre": pc.replace_substring_regex(table["genres"], r"\|.*$", "")})
    for flag in FLAGS:
        either = pc.is_in(table[flag], value_set=pa.array(["0", "1"]))
        _require(either, table[flag], flag, "a flag, 0 or 1", origin)
    # Where no flag is set it is number 0, which u.genre calls unknown.
    first = np.column_stack([pc.equal(table[flag], "1").to_numpy() for flag in FLAGS]).argmax(axis=1)
    return pa.table({"movie": table["movie"], "genre": pa.array(first).cast(pa.string())})


def _read(path: Path, member: Member) -> tuple[pa.Table, Origin]:
    """The kept columns of a table as strings, and where its rows stand."""
    content = archives.extract(path, member.name)
    origin = Origin(
        path / member.name, 2 if member.header else 1, "as a text editor numbers them, empty lines do not count"
    )
    first_line = content[:80].partition(b"\n")[0].strip()
    if member.header is not None and first_line != member.header.encode():
        raise InputError(
            f"{origin.path} starts with {first_line.decode('latin-1')!r}, but the header {member.header!r} "
            "was expected: give the publisher's archive"
        )
    if member.separator == "::":
        content = content.replace(b"::", UNIT_SEPARATOR.encode())
    return _parse(content, member, origin), origin


def _parse(content: bytes, member: Member, origin: Origin) -> pa.Table:
    # One thread: only then does Arrow number the row that has too few or too many fields.
    reading = pa_csv.ReadOptions(use_threads=False, column_names=member.columns, skip_rows=origin.first_row - 1)
    separator = UNIT_SEPARATOR if member.separator == "::" else member.separator
    quote_char = '"' if member.header else False
    splitting = pa_csv.ParseOptions(delimiter=separator, quote_char=quote_char)
    kept = dict.fromkeys((name for name in member.columns if name not in UNREAD), pa.string())
    converting = pa_csv.ConvertOptions(include_columns=list(kept), column_types=kept, strings_can_be_null=False)
    with parsing(f"{origin.path} is not a regular table", "give the publisher's archive"):
        try:
            table = pa_csv.read_csv(pa.BufferReader(content), reading, splitting, converting)
        except pa.ArrowInvalid as error:
            raise ValueError(str(error).replace(UNIT_SEPARATOR, "::")) from error
    if table.num_rows == 0:
        raise InputError(f"{origin.path} has no rows: at least one was expected, give the publisher's archive")
    return table


def _require(good: pa.ChunkedArray, column: pa.ChunkedArray, name: str, expected: str, origin: Origin) -> None:
    delimited.refuse(pc.invert(good), column, name, expected, origin)
