"""Files as the publishers in `datasets.publishers` write them, of four rows each."""

import datetime as dt
import io
import json
import zipfile
from collections.abc import Callable
from typing import NamedTuple

# User, item, time and rating; ids that sort by text. No two times are of the same second, day or millisecond.
ROWS = (
    ("Zoë", "B00B", dt.datetime(2014, 5, 7, 10, 51, 9, 277_000, dt.UTC), 5.0),
    ("Adam", "B00A", dt.datetime(2014, 5, 8, 0, 0, 0, 0, dt.UTC), 1.0),
    ("Zoë", "B00A", dt.datetime(2014, 6, 30, 23, 59, 59, 999_000, dt.UTC), 4.0),
    ("Bob", "B00C", dt.datetime(2014, 5, 7, 10, 51, 10, 1_000, dt.UTC), 3.0),
)
USERS, ITEMS = ["Adam", "Bob", "Zoë"], ["B00A", "B00B", "B00C"]


def _shifted(rows, year):
    return [(user, item, time.replace(year=year), rating) for user, item, time, rating in rows]


def _lines(rows, separator, header=""):
    return (header + "\n" if header else "") + "".join(separator.join(map(str, row)) + "\n" for row in rows)


def _seconds(time):
    return int(time.timestamp())


def _milliseconds(time):
    return round(time.timestamp() * 1_000)


def _literal(entry):
    """A dictionary as Python 2 writes it: every text is marked, and ASCII."""
    if isinstance(entry, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(value)}" for key, value in entry.items()) + "}"
    return f"u{entry!a}" if isinstance(entry, str) else repr(entry)


def amazon_2018_json(rows=ROWS):
    return "".join(
        json.dumps(
            {
                "overall": rating, "verified": True, "vote": "2", "reviewerID": user, "asin": item,
                "style": {"Format:": "DVD"}, "reviewText": 'It\'s "good"\nand ♫', "unixReviewTime": _seconds(time),
            }
        ) + "\n"
        for user, item, time, rating in rows
    )  # fmt: skip


def amazon_2018_csv(rows=ROWS):
    return _lines([(item, user, rating, _seconds(time)) for user, item, time, rating in rows], ",")


def amazon_2023_csv(rows=ROWS):
    head = "user_id,parent_asin,rating,timestamp"
    return _lines([(user, item, rating, _milliseconds(time)) for user, item, time, rating in rows], ",", head)


def amazon_2023_json(rows=ROWS):
    return "".join(
        json.dumps(
            {
                "rating": rating, "title": "♫", "text": "…", "images": [{"hi_res": None}], "asin": "X",
                "parent_asin": item, "user_id": user, "timestamp": _milliseconds(time), "helpful_vote": 0,
            },
            ensure_ascii=False,
        ) + "\n"
        for user, item, time, rating in rows
    )  # fmt: skip


def steam_reviews(rows=ROWS):
    return "".join(
        _literal(
            {
                "username": user, "hours": 0.5, "products": 41, "product_id": item, "date": f"{time:%Y-%m-%d}",
                "text": 'It\'s\n"good" \\ ♫ 😀 {u\'username\': None}', "early_access": False, "found_funny": None,
            }
        ) + "\n"
        for user, item, time, _ in rows
    )  # fmt: skip


def steam_libraries(rows=ROWS):
    """As Python 3 writes them; a player may own nothing."""
    owned = {"nobody": []}
    for user, item, *_ in rows:
        owned.setdefault(user, []).append({"item_id": item, "item_name": "Garry's Mod", "playtime_forever": 0})
    return "".join(
        f"{ {'user_id': user, 'items_count': len(items), 'items': items} }\n" for user, items in owned.items()
    )


def gowalla(rows=ROWS):
    rows = _shifted(rows, 2010)
    return _lines([(user, f"{time:%Y-%m-%dT%H:%M:%SZ}", 30.2, -97.7, item) for user, item, time, _ in rows], "\t")


def foursquare(rows=ROWS):
    rows = _shifted(rows, 2012)
    of_each = [
        (user, item, "4bf5", "Café", 40.7, -74.0, -240, f"{time:%a %b %d %H:%M:%S +0000 %Y}")
        for user, item, time, _ in rows
    ]
    return _lines(of_each, "\t").encode().replace("Café".encode(), "Café".encode("latin-1"))


def foursquare_zip(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"dataset_tsmc2014/{name}", foursquare())
    return buffer.getvalue()


def yoochoose(rows=ROWS):
    of_each = [
        (user, f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z", item, "S") for user, item, time, _ in rows
    ]
    return _lines(of_each, ",")


def diginetica(rows=ROWS):
    """The time of the day is what has passed since the session began."""
    rows = _shifted(rows, 2016)
    midnight = [time.replace(hour=0, minute=0, second=0, microsecond=0) for _, _, time, _ in rows]
    of_each = [
        (user, "NA", item, round((time - day).total_seconds() * 1_000), f"{day:%Y-%m-%d}")
        for (user, item, time, _), day in zip(rows, midnight, strict=True)
    ]
    return _lines(of_each, ";", "sessionId;userId;itemId;timeframe;eventdate")


class Written(NamedTuple):
    """A file as its publisher writes it.

    Attributes:
        name: of the data set.
        file: what it is called.
        made: rows -> what is in it, unpacked.
        year: of its rows.
        unit: what a time is cut to, "" where there is none.
    """

    name: str
    file: str
    made: Callable[..., str | bytes]
    year: int
    unit: str

    @property
    def key(self):
        return self.name.partition(":")[0]

    def content(self, rows=ROWS):
        made = self.made(rows)
        return made if isinstance(made, bytes) else made.encode()


FILES = {
    "amazon 2018, JSON": Written("amazon-2018:Video_Games", "Video_Games_5.json.gz", amazon_2018_json, 2014, "s"),
    "amazon 2018, CSV": Written("amazon-2018:Video_Games", "Video_Games.csv", amazon_2018_csv, 2014, "s"),
    "amazon 2023, CSV": Written("amazon-2023:Video_Games", "Video_Games.csv.gz", amazon_2023_csv, 2014, "ms"),
    "amazon 2023, JSON": Written("amazon-2023:Video_Games", "Video_Games.jsonl.gz", amazon_2023_json, 2014, "ms"),
    "steam reviews": Written("steam-reviews", "steam_reviews.json.gz", steam_reviews, 2014, "D"),
    "steam libraries": Written("steam-libraries", "australian_users_items.json.gz", steam_libraries, 2014, ""),
    "gowalla": Written("gowalla", "loc-gowalla_totalCheckins.txt.gz", gowalla, 2010, "s"),
    "foursquare, New York": Written("foursquare-nyc", "dataset_TSMC2014_NYC.txt", foursquare, 2012, "s"),
    "foursquare, Tokyo": Written("foursquare-tky", "dataset_TSMC2014_TKY.txt", foursquare, 2012, "s"),
    "yoochoose": Written("yoochoose", "yoochoose-clicks.dat", yoochoose, 2014, "ms"),
    "diginetica": Written("diginetica", "train-item-views.csv", diginetica, 2016, "ms"),
}
