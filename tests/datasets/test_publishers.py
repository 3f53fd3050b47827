import gzip

import numpy as np
import pytest
from publisher_files import FILES, ITEMS, ROWS, USERS, foursquare_zip

from datasets import DATASETS, InputError, archives, cache, described, load, publishers
from datasets.errors import NotHereError
from datasets.hashing import content_hash

pytestmark = pytest.mark.usefixtures("fresh_cache")

SESSIONS = ("yoochoose", "diginetica")


@pytest.fixture
def read(data_dir):
    def read(written, content=None):
        (data_dir / written.file).write_bytes(written.content() if content is None else content)
        return load(written.name, data_dir, accept_download=False)

    return read


def with_third(written, **values):
    """The file with other values in its third row."""
    rows = [list(row) for row in ROWS]
    for column, value in values.items():
        rows[2][("user", "item").index(column)] = value
    return written.content([tuple(row) for row in rows])


@pytest.fixture(params=FILES)
def written(request):
    return FILES[request.param]


class TestEveryFile:
    def test_rows(self, read, written):
        data = read(written)
        # A player's library stands together.
        rows = sorted(ROWS, key=lambda row: ["Zoë", "Adam", "Bob"].index(row[0])) if not written.unit else list(ROWS)
        assert data.name == written.name
        assert (data.user_ids.tolist(), data.item_ids.tolist()) == (USERS, ITEMS)
        assert (data.user.tolist(), data.item.tolist()) == (
            [USERS.index(user) for user, *_ in rows],
            [ITEMS.index(item) for _, item, *_ in rows],
        )
        if written.unit:
            times = [np.datetime64(row[2].replace(year=written.year, tzinfo=None), written.unit) for row in rows]
            assert data.timestamp.tolist() == [int(time.astype("M8[us]").astype(int)) for time in times]
        else:
            assert data.timestamp is None
        if written.key.startswith("amazon"):
            assert (data.rating.dtype, data.rating.tolist()) == (np.float32, [row[3] for row in rows])
        else:
            assert data.rating is None
        assert data.content_hash == content_hash(data)

    def test_sessions_are_users_too(self, read, written):
        data = read(written)
        assert (data.session is not None) == (written.key in SESSIONS)
        assert data.session is None or np.array_equal(data.session, data.user)

    def test_the_table_of_data_sets_knows_its_columns(self, read, written):
        data = read(written)
        found = {"session_id" if data.session is not None else "user_id", "item_id"}
        assert described(written.name).columns == found | ({"timestamp"} if data.timestamp is not None else set())

    def test_packed_or_not(self, read, written):
        assert read(written, gzip.compress(written.content())).content_hash == read(written).content_hash

    def test_notes(self, read, data_dir, written):
        checksum, *rows = read(written).notes
        sha256, known = cache.sha256_of(data_dir / written.file), publishers.SOURCES[written.key].rows
        assert checksum == (
            f"{written.key}: file with SHA-256 {sha256}, checked by content: the publisher's checksum is not known"
        )
        assert rows == ([f"{written.key}: 4 rows, not the publisher's {known:,}"] if known else [])

    def test_small_blocks_change_nothing(self, read, monkeypatch, written):
        whole = read(written)
        monkeypatch.setattr("datasets.lines.BLOCK_BYTES", 1)
        monkeypatch.setattr("datasets.packed.CHUNK_BYTES", 7)
        monkeypatch.setattr("datasets.publishers.VERSION", 0)  # past the cache
        assert read(written).content_hash == whole.content_hash

    def test_an_item_that_is_missing(self, read, written):
        with pytest.raises(InputError, match=r"column item_id, row \d \(.*\): '' is not a valid item_id: mend or drop"):
            read(written, with_third(written, item=""))

    def test_a_user_that_is_missing(self, read, written):
        content = with_third(written, user="")
        if written.key in SESSIONS:
            with pytest.raises(InputError, match=r"column session_id, row \d .*: '' is not a valid session_id"):
                read(written, content)
        else:
            data = read(written, content)
            assert sorted(data.user.tolist()) == [-1, 0, 1, 2]
            assert data.notes[-1].endswith(": 1 of 4 rows name no user and are nobody's")

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"hello\n", b"\x00\xff\xfe", b"[1, 2]\n", b"1\t2,3;4\n"])
    def test_what_is_no_such_file(self, read, written, content):
        with pytest.raises(InputError) as error:
            read(written, content)
        assert "\n" not in str(error.value)
        assert written.file in str(error.value)

    def test_cut_short(self, read, written):
        content = written.content()
        with pytest.raises(InputError, match=r"is not a whole gzip file"):
            read(written, gzip.compress(content)[:-9])
        with pytest.raises(InputError) as error:
            read(written, content[: -len(content.splitlines()[-1]) // 2])
        assert "\n" not in str(error.value)

    def test_where_it_is_not(self, data_dir, written):
        with pytest.raises(
            NotHereError, match=rf"^{written.name} is not on this machine: put .* that --data-dir names, "
        ):
            load(written.name, data_dir, accept_download=False)


class TestNames:
    def test_every_source_is_a_data_set_with_its_terms(self):
        table = {name.partition(":")[0]: row for name, row in DATASETS.items()}
        for key, source in publishers.SOURCES.items():
            assert source.citation.split()[0].strip(",") in table[key].terms
            assert table[key].origin == ("download" if source.url else "by hand")
            assert ("{}" in source.layouts[0].file) == (f"{key}:CATEGORY" in DATASETS)
            assert source.where.startswith("https://")

    @pytest.mark.parametrize("category", ["", "../secret", "a/b", "a b", "x" * 61, "Video_Games\n"])
    def test_a_category_is_no_path(self, data_dir, category):
        with pytest.raises(InputError, match="names no category: one such as Video_Games was expected"):
            load(f"amazon-2023:{category}", data_dir, accept_download=False)

    @pytest.mark.parametrize("name", ["amazon-2023", "amazon", "amazon_2018:"])
    def test_without_a_category(self, data_dir, name):
        with pytest.raises(InputError, match=r"did you mean 'amazon-20.*:CATEGORY'"):
            load(name, data_dir, accept_download=False)

    def test_the_other_edition_under_the_same_name_is_refused(self, read):
        old, new = FILES["amazon 2018, CSV"], FILES["amazon 2023, CSV"]
        new = new._replace(file=old.file)
        with pytest.raises(InputError, match=r"starts with 'B00B,Zo.*', but the header 'user_id,parent_asin,rating"):
            read(new, old.content())
        with pytest.raises(InputError, match=r"row 1 .*'timestamp' is not a number of seconds"):
            read(old, new.content())

    def test_the_5_core_comes_first(self, read, data_dir):
        everything = FILES["amazon 2018, CSV"]
        (data_dir / everything.file).write_bytes(everything.content(ROWS[:1]))
        assert len(read(FILES["amazon 2018, JSON"])) == 4


class TestDownloads:
    def test_what_is_asked_for(self, data_dir, monkeypatch):
        def download(wanted, *, progress):
            asked.append((wanted.url, wanted.filename, wanted.member, wanted.sha256, wanted.md5))
            assert progress is False
            (data_dir / wanted.filename).write_bytes(gzip.compress(FILES["amazon 2018, JSON"].content()))
            return data_dir / wanted.filename

        asked = []
        monkeypatch.setattr(archives, "download", download)
        assert len(load("amazon-2018:Video_Games", data_dir, progress=False)) == 4
        url = "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/categoryFilesSmall/Video_Games_5.json.gz"
        assert asked == [(url, "Video_Games_5.json.gz", "", None, None)]

    def test_what_only_a_person_can_fetch_says_where(self, data_dir, monkeypatch):
        monkeypatch.setattr(archives, "download", None)
        with pytest.raises(
            NotHereError, match=r"put dataset_tsmc2014.zip .*, which https://sites.google.com/.* says how"
        ):
            load("foursquare-nyc", data_dir)

    @pytest.mark.parametrize(
        ("content", "is_right"),
        [(gzip.compress(b"x\n", mtime=0), True), (b"<html>sign in</html>", False)],
        ids=["a file", "a page"],
    )
    def test_a_page_in_place_of_a_file_is_not_kept(self, tmp_path, content, is_right):
        (tmp_path / "file").write_bytes(content)
        archive = archives.Archive("a.gz", "https://example.org/a.gz", "", None, "", "")
        if is_right:
            archives._verify(archive, tmp_path / "file")
        else:
            with pytest.raises(
                InputError, match=r"a.gz is not the compressed file that was expected: try again, or put"
            ):
                archives._verify(archive, tmp_path / "file")


class TestOddities:
    def test_both_cities_are_in_one_archive(self, read):
        new_york, tokyo = (FILES[f"foursquare, {city}"] for city in ("New York", "Tokyo"))
        content = foursquare_zip(tokyo.file)
        assert read(tokyo._replace(file="dataset_tsmc2014.zip"), content).user_ids.tolist() == USERS
        with pytest.raises(InputError, match=r"but 'dataset_tsmc2014/dataset_TSMC2014_NYC.txt' was expected"):
            read(new_york._replace(file="dataset_tsmc2014.zip"), content)

    @pytest.mark.parametrize(
        ("file", "old", "new", "message"),
        [
            ("amazon 2018, CSV", "5.0", "five", r"row 1: 'five' is not a number"),
            ("amazon 2018, CSV", "5.0", "5.5", r"row 1: '5.5' is not a rating from 0 to 5"),
            ("amazon 2018, JSON", '"overall": 5.0', '"overall": 7', r"row 1: 7.0 is not a rating from 0 to 5"),
            ("amazon 2018, JSON", '"overall": 1.0', '"overall": "1"', r"\(.*/overall\) changed .* in row 2\)"),
            ("amazon 2018, JSON", '"overall": 1.0', '"x": 1.0', r"row 2: None is not a number"),
            ("amazon 2018, JSON", '"asin": "B00C"', '"x": 1', r"row 4: None is not a valid item_id"),
            ("amazon 2018, JSON", "1399459869", "1399459869000", r"a number of seconds since 1970 up to the year 9999"),
            ("amazon 2018, JSON", "1399459869", "999459869000", r"a number of seconds since 1970 up to the year 9999"),
            ("amazon 2018, JSON", "1399459869", "1", r"row 1: 1 is not a time from 1996 to 2018"),
            ("amazon 2023, CSV", "1399459869277", "1399459869", r"row 2: '1399459869' is not a time from"),
            ("amazon 2023, CSV", "1399459869277", "soon", r"row 2: 'soon' is not a whole number of milliseconds"),
            ("steam reviews", "2014-05-08", "yesterday", r"row 2: 'yesterday' is not an ISO 8601 time"),
            ("steam reviews", "u'Adam'", "u'Adam", r"steam_reviews.json.gz, line 2: .* is no part of a Python literal"),
            ("steam reviews", "u'Adam'", "Adam", r", line 2: \"Adam, u'hours': 0.5…\" is no part of a Python"),
            ("steam reviews", "u'Adam'", "u'A' u'dam'", r"JSON parse error.* in row 2\)"),
            ("gowalla", "2010-05-08T", "08.05.2010 ", r"row 2: '08.05.2010 .*' is not an ISO 8601 time"),
            ("gowalla", "\t-97.7\tB00C", "\tB00C", r"Row #4: Expected 5 columns, got 4"),
            ("foursquare, New York", "Tue May 08", "8 May", r"row 2: .* is not a time such as Tue Apr"),
            ("yoochoose", "2014-05-08", "2015-05-08", r"row 2: .* is not a time from 2014 to 2014"),
            ("diginetica", ";NA;B00A;0;", ";NA;B00A;x;", r"row 3: 'x' is not a whole number of m"),
            ("diginetica", "itemId", "item", r"starts with 'sessionId;userId;item;.*', but the header 'sessionId"),
        ],
    )  # fmt: skip
    def test_a_bad_value_is_named_with_its_row(self, read, file, old, new, message):
        content = FILES[file].content()
        assert old.encode() in content
        counted = message.replace(": ", r" \(.*\): ", 1) if message.startswith("row") else message
        with pytest.raises(InputError, match=counted) as error:
            read(FILES[file], content.replace(old.encode(), new.encode()))
        assert "\n" not in str(error.value)
        assert not list(cache.folder().rglob("*.parquet"))

    def test_names_of_players_are_kept_to_the_letter(self, read):
        users = ["null", "NaN", " 7", "007", "a\tb", "\u200b", "x" * 2_000]
        written = FILES["steam reviews"]
        data = read(written, written.content([(user, "10", ROWS[0][2], 1.0) for user in users]))
        assert data.user_ids[data.user].tolist() == users
