"""Makes an archive as its publisher would offer it, the same bytes every time: python make_playlists.py FOLDER."""

import random
import sys
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

N_ROWS, N_LISTENERS, N_TRACKS, N_GENRES = 6_000, 150, 120, 6
NAMES = ("road trip", "dinner", "Sunday, late", "loud")
BEGIN = datetime(2026, 3, 1)


def rows() -> list[str]:
    """Listeners who mostly add tracks of their own genre, and more often the first ones of it."""
    draw = random.Random(1)  # noqa: S311 - of which Python promises the same numbers in every version
    made = ["# time, listener, playlist, track"]
    for n in range(N_ROWS):
        listener = int(N_LISTENERS * draw.random())
        genre = listener % N_GENRES if draw.random() < 0.8 else int(N_GENRES * draw.random())
        track = genre + N_GENRES * int(N_TRACKS / N_GENRES * draw.random() ** 2)
        time = BEGIN + timedelta(minutes=7 * n)
        made.append(f"{time}\tlistener-{listener}\t{NAMES[int(4 * draw.random())]}\ttrk:{track:04}")
    return made


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "playlists.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("playlists/added.log"), "\n".join(rows()) + "\n")
