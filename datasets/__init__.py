"""Bytes to `Interactions`: the only code that reads or downloads data.

`load` gives a data set by its name, `DATASETS` says which names there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasets.errors import InputError, MachineError
from datasets.interactions import UNKNOWN_USER, Interactions, Truth
from datasets.names import meant

__all__ = [
    "DATASETS",
    "UNKNOWN_USER",
    "Dataset",
    "InputError",
    "Interactions",
    "MachineError",
    "Truth",
    "known",
    "load",
]

FILE_PREFIX = "file:"
COMPRESSED = ("", ".gz", ".bz2", ".xz", ".zst")  # `packed` reads these, whatever a file is called
FILE_SUFFIXES = tuple(kind + how for kind in (".csv", ".tsv", ".txt", ".inter", ".parquet") for how in COMPRESSED)


@dataclass(frozen=True)
class Request:
    """What `load` was asked for."""

    name: str
    data_dir: Path | None
    accept_download: bool
    progress: bool


@dataclass(frozen=True)
class Dataset:
    """One row of the table of data sets.

    Attributes:
        description: one line.
        origin: "embedded" (generated here), "local" (the user's own file), "download", or "by hand" (what only a person
            can fetch).
        terms: licence and what to cite, in one line.
        read: gives the interactions.
        columns: of user_id, session_id, item_id and timestamp those that it has, as a file of one's own would.
    """

    description: str
    origin: Literal["embedded", "local", "download", "by hand"]
    terms: str
    read: Callable[[Request], Interactions]
    columns: frozenset[str] = frozenset({"user_id", "item_id", "timestamp"})


def _read_online_retail(request: Request) -> Interactions:
    from datasets import online_retail

    return online_retail.load(
        request.name, request.data_dir, accept_download=request.accept_download, progress=request.progress
    )


def _read_movielens(request: Request) -> Interactions:
    from datasets import movielens

    return movielens.load(
        request.name, request.data_dir, accept_download=request.accept_download, progress=request.progress
    )


def _read_publishers(request: Request) -> Interactions:
    from datasets import publishers

    return publishers.load(
        request.name, request.data_dir, accept_download=request.accept_download, progress=request.progress
    )


def _read_synthetic(request: Request) -> Interactions:
    from datasets import synthetic

    return synthetic.load(request.name.removeprefix("synthetic-"))


def _read_file(request: Request) -> Interactions:
    from datasets import file
    from datasets.boundary import expanded

    return file.load(expanded(Path(request.name.removeprefix(FILE_PREFIX))), request.name)


GENERATED = "generated on this machine; no licence, nothing to cite"
SESSIONS = frozenset({"session_id", "item_id", "timestamp"})
UNSTATED = "no licence stated, research use"
MOVIELENS = "research use, no redistribution (GroupLens); cite Harper and Konstan 2015"

DATASETS: dict[str, Dataset] = {
    "ml-100k": Dataset(
        "100,000 ratings of 1,682 movies by 943 users, 1997 to 1998, with users' and movies' features",
        "download",
        MOVIELENS,
        _read_movielens,
    ),
    "ml-1m": Dataset(
        "1,000,209 ratings of 3,706 movies by 6,040 users, 2000 to 2003, with users' and movies' features",
        "download",
        MOVIELENS,
        _read_movielens,
    ),
    "ml-20m": Dataset(
        "20,000,263 ratings of 26,744 movies by 138,493 users, 1995 to 2015, with movies' genres",
        "download",
        MOVIELENS,
        _read_movielens,
    ),
    "ml-32m": Dataset(
        "32,000,204 ratings of movies by 200,948 users, 1995 to 2023, with movies' genres",
        "download",
        MOVIELENS,
        _read_movielens,
    ),
    "online-retail": Dataset(
        "541,909 invoice rows of a British gift wholesaler, 2010-12 to 2011-12, with customers, invoices and times",
        "download",
        "CC BY 4.0 (UCI); cite Chen, Sain and Guo 2012",
        _read_online_retail,
    ),
    "amazon-2018:CATEGORY": Dataset(
        "reviews of Amazon's products of one category, 1996 to 2018, those of its 5-core where its file is found",
        "download",
        f"{UNSTATED}; cite Ni, Li and McAuley 2019",
        _read_publishers,
    ),
    "amazon-2023:CATEGORY": Dataset(
        "reviews of Amazon's products of one category, 1996 to 2023, those of its 5-core where its file is found",
        "download",
        f"{UNSTATED}; cite Hou, Li, He, Yan, Chen and McAuley 2024",
        _read_publishers,
    ),
    "steam-reviews": Dataset(
        "reviews of games by players on Steam, 2010 to 2018, to the day",
        "by hand",
        f"{UNSTATED}; cite Kang and McAuley 2018",
        _read_publishers,
    ),
    "steam-libraries": Dataset(
        "the games that Australian players on Steam own, without times",
        "download",
        f"{UNSTATED}; cite Pathak, Gupta and McAuley 2017",
        _read_publishers,
        frozenset({"user_id", "item_id"}),
    ),
    "gowalla": Dataset(
        "6.4 million check-ins of Gowalla's users at places all over the world, 2009 to 2010",
        "download",
        f"{UNSTATED}; cite Cho, Myers and Leskovec 2011",
        _read_publishers,
    ),
    "foursquare-nyc": Dataset(
        "227,428 check-ins at places in New York, 2012 to 2013",
        "by hand",
        f"{UNSTATED}; cite Yang, Zhang, Zheng and Yu 2015",
        _read_publishers,
    ),
    "foursquare-tky": Dataset(
        "573,703 check-ins at places in Tokyo, 2012 to 2013",
        "by hand",
        f"{UNSTATED}; cite Yang, Zhang, Zheng and Yu 2015",
        _read_publishers,
    ),
    "yoochoose": Dataset(
        "33,003,944 clicks in 9,249,729 sessions of a European retailer, half of 2014",
        "by hand",
        "CC BY-NC-ND 4.0; cite Ben-Shimon et al. 2015",
        _read_publishers,
        SESSIONS,
    ),
    "diginetica": Dataset(
        "1,235,380 views of items in the sessions of a shop, half of 2016",
        "by hand",
        "research use, by the competition's terms; cite CIKM Cup 2016",
        _read_publishers,
        SESSIONS,
    ),
    "synthetic-tiny": Dataset(
        "drawn from known probabilities, for tests: seconds to train", "embedded", GENERATED, _read_synthetic
    ),
    "synthetic-small": Dataset(
        "drawn from known probabilities, for the quick suite", "embedded", GENERATED, _read_synthetic
    ),
    "synthetic-medium": Dataset(
        "drawn from known probabilities, for throughput with 15,000 items", "embedded", GENERATED, _read_synthetic
    ),
    "synthetic-large": Dataset(
        "drawn from known probabilities, 20 million rows, for what comes in size",
        "embedded",
        GENERATED,
        _read_synthetic,
    ),
    "file:PATH": Dataset(
        "your own rows of user_id, item_id[, timestamp][, session_id][, rating]: CSV, TSV, .inter, GRU4Rec or Parquet",
        "local",
        "yours",
        _read_file,
    ),
}


ALIASES = {
    "movielens": ("ml-1m", "ml-100k", "ml-20m"),
    "ml": ("ml-1m", "ml-100k", "ml-20m"),
    "amazon": ("amazon-2023:CATEGORY", "amazon-2018:CATEGORY"),
    "amazonreviews": ("amazon-2023:CATEGORY", "amazon-2018:CATEGORY"),
    "steam": ("steam-reviews", "steam-libraries"),
    "foursquare": ("foursquare-nyc", "foursquare-tky"),
    "checkins": ("gowalla", "foursquare-nyc", "foursquare-tky"),
    "recsys15": ("yoochoose",),
    "cikm16": ("diginetica",),
    "retail": ("online-retail",),
    "uci": ("online-retail",),
    "csv": ("file:PATH",),
    "file": ("file:PATH",),
    "own": ("file:PATH",),
    "synthetic": ("synthetic-small", "synthetic-tiny", "synthetic-medium"),
}
"""What else they are called, where the spelling alone does not say what is meant."""


def described(name: str) -> Dataset | None:
    """The row of a data set by its name, a file's and a category's too; None where there is none."""
    if name.startswith(FILE_PREFIX) or name.lower().endswith(FILE_SUFFIXES):
        return DATASETS["file:PATH"]
    kind, colon, _ = name.partition(":")
    return DATASETS.get(f"{kind}:CATEGORY" if colon else name)


def load(
    name: str, data_dir: Path | None = None, *, accept_download: bool = True, progress: bool = True
) -> Interactions:
    """The data set of that name.

    Args:
        name: a name in `DATASETS`, with a path or a category in the place of that word; a bare path will do where it
            ends in .csv, .tsv, .txt, .inter or .parquet, or in one of these and .gz, .bz2, .xz or .zst.
        data_dir: folder with the publishers' archives; None means `RECALLBENCH_DATA`, if that is
            set. What is not there is looked for among earlier downloads.
        accept_download: whether what is on this machine nowhere may be downloaded.
        progress: show a bar while downloading, where stderr is a terminal.

    Raises:
        InputError: if there is no such data set, or its file is missing or not what it should be.
        MachineError: if the disk, the memory or a permission fails.
    """
    row = described(name)
    if row is None:
        raise InputError(
            f"unknown data set {name!r}{meant(name, DATASETS, ALIASES)}, expected one of {', '.join(DATASETS)}; "
            "`python -m benchmarks list datasets` describes them."
        )
    return row.read(Request(name, data_dir, accept_download, progress))
