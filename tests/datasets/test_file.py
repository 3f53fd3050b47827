import csv
import io
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets import InputError, file, ids, load
from datasets.hashing import content_hash


@pytest.fixture(autouse=True, scope="module")
def _fresh_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECALLBENCH_CACHE", str(tmp_path_factory.mktemp("file-cache")))
        yield


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes, filename: str = "events.csv"):
        path = tmp_path / filename
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file.load(path, "events")

    return read


@pytest.fixture
def read_parquet(tmp_path):
    def read(columns):
        path = tmp_path / "events.parquet"
        pq.write_table(pa.table(columns), path)
        return file.load(path, "events")

    return read


class TestForms:
    def test_csv_with_everything(self, read):
        data = read(
            "rating,item_id,extra,user_id,timestamp,session_id\n4.5,b,x,u2,20,s9\n3,a,y,u1,10,s1\n1,b,z,u2,5,s9\n"
        )
        assert data.name == "events"
        assert data.user_ids.tolist() == ["u1", "u2"]
        assert data.user.tolist() == [1, 0, 1]
        assert data.item_ids.tolist() == ["a", "b"]
        assert data.item.tolist() == [1, 0, 1]
        assert data.timestamp.tolist() == [20_000_000, 10_000_000, 5_000_000]
        assert data.session.tolist() == [1, 0, 1]
        assert data.rating.tolist() == [4.5, 3, 1]
        assert (data.n_users, data.n_items, len(data)) == (2, 2, 3)
        kinds = {name: getattr(data, name).dtype for name in ("user", "item", "timestamp", "session", "rating")}
        assert kinds == {"user": "i4", "item": "i4", "timestamp": "i8", "session": "i4", "rating": "f4"}
        assert data.content_hash == content_hash(data)

    def test_only_users_and_items(self, read):
        data = read("user_id,item_id\n1,2\n")
        assert data.timestamp is None
        assert data.session is None
        assert data.rating is None

    @pytest.mark.parametrize(
        ("filename", "text"),
        [
            ("a.csv", "user_id,item_id,timestamp\n7,x,100\n8,y,200\n"),
            ("a.tsv", "user_id\titem_id\ttimestamp\n7\tx\t100\n8\ty\t200\n"),
            ("a.txt", "user_id;item_id;timestamp\n7;x;100\n8;y;200"),
            ("a.txt", "timestamp|user_id|item_id\n100|7|x\n200|8|y\n"),
            ("a.inter", "user_id:token\titem_id:token\ttimestamp:float\n7\tx\t100\n8\ty\t200\n"),
            ("a.inter", "user_id:token\titem_id:token\ttimestamp:float\n7\tx\t100.0\n8\ty\t2.0e2\n"),
            ("a.csv", "\ufeffUserId,ItemId,Time\r\n7,x,100\r\n8,y,200\r\n"),
            ("a.csv", '"user_id", item_id ,timestamp\n"7", x ,100\n8,"y", 200\n\n'),
            ("a.csv", "user_id,item_id,timestamp\n7,x,1970-01-01T00:01:40\n8,y,1970-01-01 00:03:20\n"),
            ("a.csv", "user_id,item_id,timestamp\n7,x,1970-01-01T00:01:40Z\n8,y,1970-01-01T01:03:20.000+01:00\n"),
        ],
    )
    def test_every_way_to_write_the_same_rows(self, read, filename, text):
        reference = read("user_id,item_id,timestamp\n7,x,100\n8,y,200\n", "reference.csv")
        data = read(text, filename)
        assert data.timestamp.tolist() == [100_000_000, 200_000_000]
        assert data.content_hash == reference.content_hash

    @pytest.mark.parametrize("separator", ["\t", ","])
    def test_gru4rec_sessions_are_the_users_too(self, read, separator):
        rows = ["SessionId,ItemId,Time", "30,214,1396321080.277", "4,9,1396321081.9", "30,9,1396321079"]
        data = read("\n".join(rows).replace(",", separator), "train.txt")
        assert data.user_ids.tolist() == ["4", "30"]
        assert data.user.tolist() == [1, 0, 1]
        assert data.session.tolist() == [1, 0, 1]
        assert data.item_ids.tolist() == ["9", "214"]
        assert data.timestamp.tolist() == [1396321080_277000, 1396321081_900000, 1396321079_000000]

    def test_users_beside_sessions_stay_users(self, read):
        data = read("SessionId,ItemId,UserId\n1,5,a\n2,5,a\n")
        assert data.user_ids.tolist() == ["a"]
        assert data.session.tolist() == [0, 1]

    def test_load_by_name(self, tmp_path):
        path = tmp_path / "mine.inter"
        path.write_text("user_id:token\titem_id:token\n1\t2\n")
        assert load(str(path)).content_hash == load(f"file:{path}").content_hash

    def test_parquet_without_its_suffix_is_known_by_its_first_bytes(self, tmp_path):
        pq.write_table(pa.table({"user_id": [1], "item_id": [2]}), tmp_path / "events.bin")
        assert len(load(f"file:{tmp_path / 'events.bin'}")) == 1


class TestIds:
    @pytest.mark.parametrize("ids", [["12.0", "12", "7"], ["12", "12.00", "7.0"]])
    def test_a_whole_number_is_one_id_in_every_format(self, read, read_parquet, ids):
        text = read("user_id,item_id\n" + "".join(f"1,{i}\n" for i in ids))
        assert text.item_ids.tolist() == ["7", "12"]
        for items in (ids, [float(i) for i in ids]):
            assert read_parquet({"user_id": [1, 1, 1], "item_id": items}).content_hash == text.content_hash

    @pytest.mark.parametrize("bad", ["1e19", "inf", "12.5", "a\x1fb", "9007199254740993.0"])
    def test_what_lost_its_value_is_refused_in_every_format(self, read, read_parquet, bad):
        with pytest.raises(InputError, match=r"column item_id, row 3 .* is not a valid item_id"):
            read(f"user_id,item_id\n1,2.0\n1,{bad.replace('e19', 'e+19')}\n")
        with pytest.raises(InputError, match=r"column item_id, row 2 .* is not a valid item_id"):
            read_parquet({"user_id": [1, 1], "item_id": ["2", bad] if "x" in repr(bad) else [2.0, float(bad)]})

    def test_integers_sort_by_number(self, read):
        data = read("user_id,item_id\n10,-3\n9,0\n100,20\n")
        assert data.user_ids.tolist() == ["9", "10", "100"]
        assert data.user.tolist() == [1, 0, 2]
        assert data.item_ids.tolist() == ["-3", "0", "20"]

    @pytest.mark.parametrize("odd", ["007", "+7", "-0", "x", "1" * 30])
    def test_one_id_that_is_no_plain_integer_makes_all_of_them_text(self, read, odd):
        data = read(f"user_id,item_id\n1,10\n2,9\n3,7\n4,{odd}\n")
        assert data.item_ids.tolist() == sorted(["10", "9", "7", odd])
        assert data.n_items == 4

    def test_big_integers_keep_every_digit(self, read, read_parquet):
        # As a float the two would be one.
        text = read("user_id,item_id\n1,900719925474099201\n1,900719925474099200\n")
        assert text.item_ids.tolist() == ["900719925474099200", "900719925474099201"]
        table = read_parquet({"user_id": [1, 1], "item_id": [900719925474099201, 900719925474099200]})
        assert table.content_hash == text.content_hash

    names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8).filter(
        lambda text: (
            text == text.strip() and text not in ids.MISSING and not re.match(f"{ids.INEXACT}|{ids.WHOLE_FLOAT}", text)
        )
    )

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=st.lists(st.tuples(names, names, st.integers(-(2**37), 2**37)), min_size=1, max_size=12))
    def test_any_ids_come_back_and_csv_and_parquet_agree(self, read, read_parquet, rows):
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows([("user_id", "item_id", "timestamp"), *rows])
        data = read(buffer.getvalue())
        assert data.user_ids[data.user].tolist() == [row[0] for row in rows]
        assert data.item_ids[data.item].tolist() == [row[1] for row in rows]
        assert data.timestamp.tolist() == [row[2] * 1_000_000 for row in rows]
        users, items, times = (list(column) for column in zip(*rows, strict=True))
        assert read_parquet({"user_id": users, "item_id": items, "timestamp": times}).content_hash == data.content_hash

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(ids=st.lists(st.integers(-(10**17), 10**17), min_size=1, max_size=12))
    def test_integer_ids_are_sorted_and_dense(self, read, ids):
        data = read("user_id,item_id\n" + "".join(f"1,{i}\n" for i in ids))
        assert [int(i) for i in data.item_ids] == sorted(set(ids))
        assert [int(i) for i in data.item_ids[data.item]] == ids


class TestParquet:
    def test_other_columns_may_hold_anything(self, read_parquet):
        assert len(read_parquet({"user_id": [1], "item_id": [2], "x": [[{"a": [1]}]], "Ü": pa.array([None])})) == 1

    def test_two_columns_of_one_name(self, tmp_path):
        columns = [pa.array([1]), pa.array([2]), pa.array([3])]
        pq.write_table(pa.table(columns, names=["user_id", "item_id", "item_id"]), tmp_path / "a.parquet")
        with pytest.raises(
            InputError, match=r"more than one column for item_id among \['user_id', 'item_id', 'item_id'\]"
        ):
            file.load(tmp_path / "a.parquet", "a")

    def test_text_that_is_no_utf8(self, tmp_path):
        broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe"))
        pq.write_table(pa.table({"user_id": [1], "item_id": broken}), tmp_path / "a.parquet")
        with pytest.raises(InputError, match=r"a\.parquet is not a readable Parquet file \(.*UTF8"):
            file.load(tmp_path / "a.parquet", "a")

    def test_every_arrow_type_gives_the_same_rows(self, read, read_parquet):
        reference = read("user_id,item_id,timestamp\n7,x,100\n8,y,200\n")
        seconds = pa.array([100, 200])
        users = [
            pa.array([7, 8], pa.uint8()),
            pa.array([7.0, 8.0]),
            pa.array(["7", "8"], pa.large_string()),
            pa.array(["7", "8"]).dictionary_encode(),
            pa.array([7, 8]).dictionary_encode(),
        ]
        times = [
            seconds,
            pa.array([100.0, 200.0]),
            pa.array([100.0, 200.0], pa.float32()),
            seconds.cast(pa.timestamp("s")),
            seconds.cast(pa.timestamp("s")).cast(pa.timestamp("ns", "America/New_York")),
            pa.array(["100", " 200 "], pa.large_string()),
            pa.array(["1970-01-01 00:01:40", "1970-01-01 00:03:20"]),
        ]
        for user in users:
            data = read_parquet({"user_id": user, "item_id": ["x", "y"], "timestamp": times[0]})
            assert data.content_hash == reference.content_hash, user.type
        for time in times:
            data = read_parquet({"user_id": users[0], "item_id": ["x", "y"], "timestamp": time})
            assert data.content_hash == reference.content_hash, time.type

    def test_days_and_times_before_1970(self, read_parquet):
        day = pa.array([-1], pa.int32()).cast(pa.date32())
        assert read_parquet({"user_id": [1], "item_id": [1], "timestamp": day}).timestamp.tolist() == [-86_400_000_000]
        assert read_parquet({"user_id": [1], "item_id": [1], "timestamp": [-0.5]}).timestamp.tolist() == [-500_000]
        half = pa.array([-500], pa.timestamp("ms"))
        assert read_parquet({"user_id": [1], "item_id": [1], "timestamp": half}).timestamp.tolist() == [-500_000]

    def test_many_row_groups_stay_in_order(self, tmp_path):
        n = 1000
        items = np.random.default_rng(0).integers(0, 50, n)
        pq.write_table(pa.table({"user_id": np.arange(n), "item_id": items}), tmp_path / "a.parquet", row_group_size=64)
        data = file.load(tmp_path / "a.parquet", "a")
        assert data.user.tolist() == list(range(n))
        assert data.item_ids[data.item].astype(int).tolist() == items.tolist()


BAD_TEXT = {
    "empty file": ("", r"events.csv is empty: a line of column names and at least one row were expected$"),
    "header only": ("user_id,item_id\n", r"events.csv has no rows below its header"),
    "no item": (
        "user_id,movie\n1,2\n",
        r"has no column item_id among \['user_id', 'movie'\]: name the columns user_id, ",
    ),
    "no user": ("item_id,x\n1,2\n", r"has no column user_id among \['item_id', 'x'\]"),
    "neither": ("a,b\n1,2\n", r"has no column user_id and no item_id among \['a', 'b'\]"),
    "session without item": ("SessionId,b\n1,2\n", r"has no column item_id among \['SessionId', 'b'\]"),
    "no header": ("1,2,3\n4,5,6\n", r"has no column user_id and no item_id among \['1', '2', '3'\]"),
    "twice": (
        "user_id,UserId,item_id\n1,2,3\n",
        r"more than one column for user_id among \['user_id', 'UserId', 'item_id'\]",
    ),
    "same name": ("user_id,user_id,item_id\n1,2,3\n", r"more than one column for user_id"),
    "sequence": ("user_id:token\titem_id:token_seq\n1\t2 3\n", r"has a sequence in column 'item_id:token_seq'"),
    "time is a word": (
        "user_id,item_id,timestamp\n1,2,3\n1,2,soon\n",
        r"column timestamp, row 3 \(the header is row 1, empty lines do not count\): 'soon' is not a number of seconds",
    ),
    "time is empty": ("user_id,item_id,timestamp\n1,2,3\n1,2,3\n1,2,\n", r"timestamp, row 4 .*: '' is not a number"),
    "time is nan": ("user_id,item_id,timestamp\n1,2,nan\n1,2,3\n", r"timestamp, row 2 .*: 'nan' is not a number"),
    "time is inf": ("user_id,item_id,timestamp\n1,2,1\n1,2,inf\n", r"timestamp, row 3 .*: 'inf' is not a number"),
    "first time is a word": (
        "user_id,item_id,timestamp\n1,2,now\n1,2,3\n",
        r"row 2 .*: 'now' is not .* nor an ISO 8601",
    ),
    "mixed times": ("user_id,item_id,timestamp\n1,2,2024-01-01\n1,2,77\n", r"row 3 .*: '77' is not an ISO 8601 time"),
    "mixed offsets": (
        "user_id,item_id,timestamp\n1,2,2024-01-01T00:00Z\n1,2,2024-01-01\n",
        r"row 3 .*: '2024-01-01' is not an ISO 8601 time with its offset",
    ),
    "milliseconds": (
        "user_id,item_id,timestamp\n1,2,5\n1,2,1396321080277\n",
        r"row 3 .*: '1396321080277' is not .* up to the year 9999 \(milliseconds are to be divided by 1000\)",
    ),
    "rating": ("user_id,item_id,rating\n1,2,3\n1,2,good\n", r"column rating, row 3 .*: 'good' is not a number"),
    "rating inf": ("user_id,item_id,rating\n1,2,3\n1,2,inf\n", r"column rating, row 3 .*: 'inf' is not a number"),
    "user is empty": (
        "user_id,item_id\n1,2\n,3\n",
        r"column user_id, row 3 .*: '' is not a valid user_id: mend or drop that row",
    ),
    "user is blank": ('user_id,item_id\n1,2\n"  ",3\n', r"column user_id, row 3 .*: '  ' is not a valid user_id"),
    "item is NaN": (
        "user_id,item_id\n1,2\n1,3\n2,NaN\n2,\n",
        r"column item_id, row 4 .*: 'NaN' is not a valid item_id",
    ),
    "session is empty": ("session_id,item_id\n1,2\n,3\n", r"column session_id, row 3 .*: '' is not a valid session_id"),
    "NUL": ("user_id,item_id\n1,2\n1,2\0\n", r"column item_id, row 3 .*: '2\\x00' is not a valid item_id"),
    "short row": ("user_id,item_id\n1,2\n3\n", r"is not a regular table .*Row #3: Expected 2 columns, got 1"),
    "long row": ("user_id,item_id\n1,2\n3,4,5\n", r"is not a regular table .*Row #3: Expected 2 columns, got 3"),
    "latin-1 header": ("user_id,item_id,pr\xe9nom\n1,2,3\n".encode("latin-1"), r"is not UTF-8 text: save it in UTF-8"),
    "latin-1 id": ("user_id,item_id\n1,caf\xe9\n".encode("latin-1"), r"is not UTF-8 text: save it in UTF-8"),
    "UTF-16": ("user_id,item_id\n1,2\n".encode("utf-16"), r"is not UTF-8 text"),
    "binary": (bytes(range(128, 256)) * 9, r"is not UTF-8 text"),
}


@pytest.mark.parametrize(("text", "message"), BAD_TEXT.values(), ids=BAD_TEXT)
def test_bad_text_is_one_sentence_with_the_place(read, text, message):
    with pytest.raises(InputError, match=message) as error:
        read(text)
    assert "\n" not in str(error.value)


BAD_TABLES = {
    "null user": (
        {"user_id": [1, None], "item_id": [1, 2]},
        r"column user_id, row 2 \(the first row is 1\): None is not",
    ),
    "nan item": (
        {"user_id": [1, 2], "item_id": [1.0, float("nan")]},
        r"column item_id, row 2 .*: nan is not a valid item_id",
    ),
    "half item": (
        {"user_id": [1, 2], "item_id": [1.5, 2.0]},
        r"item_id, row 1 .*: 1.5 is not a valid item_id, which is a whole number",
    ),
    "null time": (
        {"user_id": [1], "item_id": [1], "timestamp": pa.array([None], pa.int64())},
        r"timestamp, row 1 .*None",
    ),
    "null date": (
        {"user_id": [1, 1], "item_id": [1, 1], "timestamp": pa.array([0, None], pa.timestamp("us"))},
        r"timestamp, row 2 .*: None is not a time",
    ),
    "list of ratings": (
        {"user_id": [1], "item_id": [1], "rating": [[4.0]]},
        r"rating, row 1 .*\[4.0\] is not a number",
    ),
    "list": ({"user_id": [1], "item_id": [[1, 2]]}, r"item_id, row 1 .*: \[1, 2\] is not a valid item_id"),
    "no rows": ({"user_id": pa.array([], pa.int64()), "item_id": pa.array([], pa.int64())}, r"has no rows"),
    "no item": ({"user_id": [1], "movie": [2]}, r"has no column item_id among \['user_id', 'movie'\]"),
}


@pytest.mark.parametrize(("columns", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_bad_tables_are_one_sentence_with_the_place(read_parquet, columns, message):
    with pytest.raises(InputError, match=message) as error:
        read_parquet(columns)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [lambda c: c[: len(c) // 2], lambda c: c[:-9] + c[-8:], lambda c: c[:4]])
def test_an_unreadable_parquet_file(tmp_path, damage):
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table({"user_id": [1], "item_id": [2]}), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        InputError, match=r"events.parquet is not a readable Parquet file \(.*\): write it again"
    ) as error:
        file.load(path, "events")
    assert "\n" not in str(error.value)


def test_the_kind_of_file_is_told_by_its_content(tmp_path):
    for name in ("text.csv", "text.parquet"):
        (tmp_path / name).write_text("user_id,item_id\n1,2\n")
        assert len(file.load(tmp_path / name, name)) == 1
    (tmp_path / "junk.parquet").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match=r"junk.parquet is not UTF-8 text"):
        file.load(tmp_path / "junk.parquet", "junk")


def test_the_first_of_many_bad_values_is_named(tmp_path):
    path = tmp_path / "long.csv"
    times = [str(i) for i in range(5000)]
    times[4321] = times[4999] = "bad"
    path.write_text("user_id,item_id,timestamp\n" + "".join(f"1,2,{t}\n" for t in times))
    with pytest.raises(InputError, match="row 4323 "):
        file.load(path, "long")


def test_files_that_were_joined_with_their_headers(tmp_path):
    path = tmp_path / "joined.csv"
    path.write_text("user_id,item_id\n1,2\nuser_id,item_id\n3,4\n")
    with pytest.raises(InputError, match=r"row 3 .*: 'item_id' is not an id, but the header once more: drop such rows"):
        file.load(path, "joined")
    path.write_text("user_id,item_id\nuser_id,2\n3,item_id\n")
    assert len(file.load(path, "joined")) == 2


def test_a_zone_that_nobody_knows_is_for_show(tmp_path):
    def read(milliseconds):
        path = tmp_path / "zoned.parquet"
        time = pa.array([milliseconds], pa.timestamp("ms", "Mars/Phobos"))
        pq.write_table(pa.table({"user_id": [1], "item_id": [2], "timestamp": time}), path)
        return file.load(path, "zoned").timestamp.tolist()

    assert read(1) == [1_000]
    with pytest.raises(InputError, match=r"row 1 .* is not a time up to the year 9999"):
        read(10**15)
