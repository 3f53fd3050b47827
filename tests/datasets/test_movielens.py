import io
import zipfile

import numpy as np
import pytest

from datasets import InputError, archives, cache, load, movielens
from datasets.hashing import arrays_of, content_hash

pytestmark = pytest.mark.usefixtures("fresh_cache")

EARLY, LATE = 881_250_949, 891_717_742
# Ids that sort by number and not by text; user 3 and movie 4 have no rating.
RATINGS = [(10, 30, 5, LATE), (2, 200, 1, EARLY), (10, 5, 3, EARLY), (2, 30, 4, LATE)]
USERS = [(2, 7, "M", "writer", "02460"), (3, 1, "F", "none", "T8H1N"), (10, 56, "F", "other", "98107-2117")]
MOVIES = {4: ["War"], 5: ["Comedy", "Crime"], 30: ["Drama"], 200: ["Comedy"]}
TITLE = 'Misérables, Les; a "film" | no: one\'s (1995)'
GENRE_COLUMN = {"unknown": 0, "Comedy": 5, "Crime": 6, "Drama": 8, "War": 17}


def lines(rows, separator):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def flagged(movie, genres):
    flags = np.zeros(19, int)
    flags[[GENRE_COLUMN[genre] for genre in genres]] = 1
    return (movie, TITLE.replace("|", ""), "01-Jan-1995", "", "http://example.org", *flags)


def generated(name):
    """The members of an archive of the publisher's layout."""
    by_gender = [(user, gender, age, job, code) for user, age, gender, job, code in USERS]
    piped = [(movie, TITLE, "|".join(genres)) for movie, genres in MOVIES.items()]
    quoted = [(movie, '"' + TITLE.replace('"', '""') + '"', genres) for movie, _, genres in piped]
    flags = [flagged(*movie) for movie in MOVIES.items()]
    match name:
        case "ml-100k":
            return {
                "ml-100k/u.data": lines(RATINGS, "\t").encode(),
                "ml-100k/u.user": lines(USERS, "|").encode(),
                "ml-100k/u.item": lines(flags, "|").encode("latin-1"),
            }
        case "ml-1m":
            return {
                "ml-1m/ratings.dat": lines(RATINGS, "::").encode(),
                "ml-1m/users.dat": lines(by_gender, "::").encode(),
                "ml-1m/movies.dat": lines(piped, "::").encode("latin-1"),
            }
    return {
        f"{name}/ratings.csv": lines([("userId", "movieId", "rating", "timestamp"), *RATINGS], ",").encode(),
        f"{name}/movies.csv": lines([("movieId", "title", "genres"), *quoted], ",").encode(),
    }


def archive(members) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def read(data_dir):
    def read(name, members=None):
        (data_dir / f"{name}.zip").write_bytes(archive(members or generated(name)))
        return load(name, data_dir, accept_download=False)

    return read


@pytest.mark.parametrize("name", movielens.EDITIONS)
class TestEveryEdition:
    def test_rows_and_codes(self, read, name):
        data = read(name)
        assert data.name == name
        assert data.user_ids.tolist() == ["2", "10"]
        assert data.item_ids.tolist() == ["5", "30", "200"]
        assert data.user.tolist() == [1, 0, 1, 0]
        assert data.item.tolist() == [1, 2, 0, 1]
        assert data.rating.tolist() == [5, 1, 3, 4]
        assert (data.timestamp / 1_000_000).tolist() == [LATE, EARLY, EARLY, LATE]
        assert data.session is None
        assert data.content_hash == content_hash(data)

    def test_features(self, read, name):
        data = read(name)
        features = {kind: array.tolist() for kind, array in data.user_features.items()}
        # User 2 is a man of 7, user 10 a woman of 56: ages sort by number, all else as text.
        expected = {"age": [0, 1], "gender": [1, 0], "occupation": [1, 0], "zip": [0, 1]}
        assert features == (expected if movielens.EDITIONS[name].users else {})
        assert {kind: array.tolist() for kind, array in data.item_features.items()} == {"genre": [0, 1, 0]}
        assert data.item_feature_names == {"genre": ("Comedy", "Drama")}

    def test_kinds(self, read, name):
        kinds = {key: array.dtype.str for key, array in arrays_of(read(name)).items() if not key.endswith("_ids")}
        assert kinds.pop("timestamp") == "<i8"
        assert kinds.pop("rating") == "<f4"
        assert set(kinds.values()) == {"<i4"}

    def test_another_archive_is_noted_not_refused(self, read, data_dir, name):
        checksum, rows = read(name).notes
        assert f"SHA-256 {cache.sha256_of(data_dir / f'{name}.zip')}" in checksum
        known = movielens.EDITIONS[name].archive.md5
        assert checksum.endswith(
            f"not the publisher's MD5 {known}" if known else "the publisher's checksum is not known"
        )
        assert rows == f"{name}: 4 rows, not the publisher's {movielens.EDITIONS[name].rows:,}"

    def test_the_second_load_parses_nothing(self, read, data_dir, monkeypatch, name):
        first = read(name)
        monkeypatch.setattr(archives, "extract", None)
        second = load(name, data_dir)
        assert (second.name, second.content_hash, second.notes) == (name, first.content_hash, first.notes)
        assert second.item_feature_names == first.item_feature_names

    def test_what_is_missing_is_downloaded(self, data_dir, monkeypatch, name):
        def download(wanted, *, progress):
            assert wanted.url == f"https://files.grouplens.org/datasets/movielens/{name}.zip"
            assert wanted.member in generated(name)
            assert progress is False
            (data_dir / wanted.filename).write_bytes(archive(generated(name)))
            return data_dir / wanted.filename

        monkeypatch.setattr(archives, "download", download)
        assert len(load(name, data_dir, progress=False)) == 4

    def test_nothing_is_downloaded_without_leave(self, data_dir, name):
        with pytest.raises(InputError, match=rf"{name} is not on this machine: put {name}.zip into"):
            load(name, data_dir, accept_download=False)

    def test_a_missing_member_is_named(self, read, name):
        for member in generated(name):
            members = generated(name)
            del members[member]
            with pytest.raises(InputError, match=f"but '{member}' was expected: give the publisher's archive"):
                read(name, members)

    @pytest.mark.parametrize(
        ("column", "value", "message"),
        [
            ("user", "77", "'77' is not (the number of a user|a user that the archive's table of users lists)"),
            ("user", "Anna", "'Anna' is not the number of a user"),
            ("user", "", "'' is not the number of a user"),
            ("movie", "6", "'6' is not a movie that the archive's table of movies lists"),
            ("rating", "0", "'0' is not a rating from 0.5 to 5"),
            ("rating", "5.5", "'5.5' is not a rating from 0.5 to 5"),
            ("rating", "nan", "'nan' is not a rating"),
            ("rating", "good", "'good' is not a rating"),
            ("timestamp", "today", "'today' is not a time in whole seconds since 1970"),
            ("timestamp", "881250949.5", "'881250949.5' is not a time in whole seconds"),
            ("timestamp", "881250949000", "'881250949000' is not a time .* from 1995 to 20[12]"),
        ],
    )
    def test_a_bad_cell_is_named_with_its_row(self, read, name, column, value, message):
        if value == "77" and movielens.EDITIONS[name].users is None:
            pytest.skip("this edition has no table of users")
        edition = movielens.EDITIONS[name].ratings
        members = generated(name)
        rows = members[edition.name].decode().splitlines()
        number = 4 if edition.header else 3
        cells = rows[number - 1].split(edition.separator)
        cells[edition.columns.index(column)] = value
        rows[number - 1] = edition.separator.join(cells)
        members[edition.name] = "\n".join(rows).encode()
        with pytest.raises(
            InputError, match=rf"{edition.name}, column {column}, row {number} \(.*\): {message}"
        ) as error:
            read(name, members)
        assert "\n" not in str(error.value)
        assert not list(cache.folder().rglob("*.parquet"))

    @pytest.mark.parametrize("table", ["ratings", "movies", "users"])
    @pytest.mark.parametrize("change", ["too few", "too many", "no rows"])
    def test_an_irregular_table_is_refused(self, read, name, table, change):
        member = getattr(movielens.EDITIONS[name], table)
        if member is None:
            pytest.skip("this edition has no table of users")
        members = generated(name)
        rows = members[member.name].splitlines()
        separator, n_columns = member.separator.encode(), len(member.columns)
        if change == "no rows":
            members[member.name] = rows[0] + b"\n" if member.header else b""
            message = f"{member.name} (has no rows|is not a regular table)"
        else:
            rows[2] = rows[2].rpartition(separator)[0] if change == "too few" else rows[2] + separator + b"1"
            members[member.name] = b"\n".join(rows)
            n_found = n_columns + (1 if change == "too many" else -1)
            message = rf"{member.name} is not .* Row #3: Expected {n_columns} columns, got {n_found}: "
        with pytest.raises(InputError, match=message) as error:
            read(name, members)
        assert "\n" not in str(error.value)


class TestOddities:
    def test_half_stars(self, read):
        members = generated("ml-20m")
        members["ml-20m/ratings.csv"] = members["ml-20m/ratings.csv"].replace(b",1,", b",0.5,")
        assert read("ml-20m", members).rating.tolist() == [5, 0.5, 3, 4]

    @pytest.mark.parametrize(("name", "last"), [("ml-1m", 2015), ("ml-20m", 2015), ("ml-32m", 2023)])
    def test_the_last_year_of_an_edition(self, read, name, last):
        for year in (last, last + 1):
            newest = int(np.datetime64(f"{year}-12-31T23:59:59", "s").astype(int))
            member = movielens.EDITIONS[name].ratings.name
            members = generated(name)
            members[member] = members[member].replace(str(EARLY).encode(), str(newest).encode())
            if year == last:
                assert read(name, members).timestamp.max() == newest * 1_000_000
            else:
                with pytest.raises(InputError, match=f"'{newest}' is not a time .* from 1995 to {last}: "):
                    read(name, members)

    def test_another_header(self, read):
        members = generated("ml-20m")
        members["ml-20m/ratings.csv"] = members["ml-20m/ratings.csv"].replace(b"userId", b"user")
        with pytest.raises(InputError, match=r"starts with 'user,movieId,.*', but the header 'userId,movieId"):
            read("ml-20m", members)

    def test_a_movie_without_genres(self, read):
        members = generated("ml-1m")
        members["ml-1m/movies.dat"] = members["ml-1m/movies.dat"].replace(b"::Drama", b"::")
        with pytest.raises(InputError, match=r"column genres, row 3 .*: '' is not genres such as"):
            read("ml-1m", members)

    def test_a_flag_that_is_none(self, read):
        members = generated("ml-100k")
        members["ml-100k/u.item"] = members["ml-100k/u.item"].replace(b"|1|1|", b"|x|1|")
        with pytest.raises(InputError, match=r"column genre 5, row 2 .*: 'x' is not a flag, 0 or 1"):
            read("ml-100k", members)

    def test_a_movie_without_flags_is_of_the_unknown_genre(self, read):
        members = generated("ml-100k")
        rows = [flagged(movie, genres if movie != 30 else []) for movie, genres in MOVIES.items()]
        members["ml-100k/u.item"] = lines(rows, "|").encode("latin-1")
        data = read("ml-100k", members)
        assert data.item_features["genre"].tolist() == [1, 0, 1]
        assert data.item_feature_names["genre"] == ("unknown", "Comedy")

    def test_an_irregular_row_is_shown_as_it_stands(self, read):
        members = generated("ml-1m")
        members["ml-1m/ratings.dat"] = members["ml-1m/ratings.dat"].replace(b"2::200::1", b"2::200")
        with pytest.raises(InputError, match=rf"Row #2: .*, got 3: 2::200::{EARLY}\)"):
            read("ml-1m", members)

    def test_bytes_that_are_no_text(self, read):
        members = generated("ml-1m")
        members["ml-1m/ratings.dat"] = members["ml-1m/ratings.dat"].replace(b"2::200", b"\xff::200")
        with pytest.raises(
            InputError, match=r"ratings.dat is not a regular table \(.*UTF8.*\): give the publisher's archive"
        ):
            read("ml-1m", members)

    def test_what_is_no_archive(self, data_dir):
        (data_dir / "ml-1m.zip").write_bytes(b"<html>sign in</html>")
        with pytest.raises(InputError, match="is not a whole zip archive"):
            load("ml-1m", data_dir)

    def test_which_checksums_are_known(self):
        known = {name for name, edition in movielens.EDITIONS.items() if edition.archive.sha256}
        assert known == {"ml-1m"}
        assert {name: edition.archive.md5 for name, edition in movielens.EDITIONS.items()} == {
            "ml-100k": "0e33842e24a9c977be4e0107933c0723",
            "ml-1m": "c4d9eecfca2ab87c1945afe126590906",
            "ml-20m": "cd245b17a1ae2cc31bb14903e1204af3",
            "ml-32m": None,
        }
        assert "no redistribution" in movielens.LICENCE
        assert "Harper and Konstan (2015)" in movielens.CITATION


@pytest.fixture(scope="module")
def real(real_data_dir):
    def real(name):
        if archives.find([f"{name}.zip"], real_data_dir) is None:
            pytest.skip(f"no real data: {real_data_dir} has no {name}.zip")
        return load(name, real_data_dir, accept_download=False)

    return real


class TestTheRealData:
    """Facts that hold of the publisher's files, whoever zipped them."""

    def test_ml_1m(self, real):
        data = real("ml-1m")
        assert (len(data), data.n_users, data.n_items) == (1_000_209, 6_040, 3_706)
        stars, counts = np.unique(data.rating, return_counts=True)
        assert stars.tolist() == [1, 2, 3, 4, 5]
        assert counts.tolist() == [56_174, 107_557, 261_197, 348_971, 226_310]
        assert data.user_ids.tolist() == [str(user) for user in range(1, 6_041)]
        assert data.item_ids[data.item[:3]].tolist() == ["1193", "661", "914"]
        assert data.timestamp[0] == 978_300_760_000_000
        # As the publisher's README lists them: 2 genders, 7 age groups, 21 occupations, 18 genres.
        n_codes = {kind: len(np.unique(codes)) for kind, codes in data.user_features.items()}
        assert n_codes == {"gender": 2, "age": 7, "occupation": 21, "zip": 3_439}
        assert len(np.unique(data.item_features["genre"])) == len(data.item_feature_names["genre"]) == 18
        assert data.item_feature_names["genre"][:2] == ("Action", "Adventure")

    def test_the_table_of_movies(self, real, real_data_dir):
        real("ml-1m")
        path = archives.find(["ml-1m.zip"], real_data_dir)
        assert movielens._read_movies(path, movielens.EDITIONS["ml-1m"].movies).num_rows == 3_883

    def test_ml_100k(self, real):
        data = real("ml-100k")
        assert (len(data), data.n_users, data.n_items) == (100_000, 943, 1_682)
        assert (data.user_ids[data.user[0]], data.item_ids[data.item[0]], data.rating[0]) == ("196", "242", 3)
        assert data.timestamp[0] == EARLY * 1_000_000
        assert len(np.unique(data.user_features["occupation"])) == 21
        # Toy Story is an animation first, GoldenEye an action film.
        toy_story, goldeneye = data.item_features["genre"][:2]
        assert goldeneye < toy_story
        genres = data.item_feature_names["genre"]
        assert (genres[toy_story], genres[goldeneye]) == ("Animation", "Action")

    def test_the_genres_of_ml_100k_are_the_publishers(self, real, real_data_dir):
        real("ml-100k")
        path = archives.find(["ml-100k.zip"], real_data_dir)
        rows = bytes(archives.extract(path, "ml-100k/u.genre")).decode().split()
        assert rows == [f"{genre}|{number}" for number, genre in enumerate(movielens.GENRES)]
