"""Sessions, guests and ratings in anyone's own file."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets import InputError, file


@pytest.fixture
def read(tmp_path):
    def read(text: str):
        (tmp_path / "events.csv").write_text(text)
        return file.load(tmp_path / "events.csv", "events")

    return read


@pytest.fixture
def read_parquet(tmp_path):
    def read(columns):
        pq.write_table(pa.table(columns), tmp_path / "events.parquet")
        return file.load(tmp_path / "events.parquet", "events")

    return read


class TestSessions:
    """A session is one user's, whoever else counts from 1."""

    def test_ids_that_start_anew_for_each_user(self, read):
        rows = [(user, session) for user in range(20) for session in range(20) for _ in range(2)]
        data = read("user_id,session_id,item_id\n" + "".join(f"{user},{session},5\n" for user, session in rows))
        assert len(np.unique(data.session)) == 400
        for session in range(400):
            assert len(np.unique(data.user[data.session == session])) == 1

    def test_the_order_of_rows_does_not_matter(self, read):
        rows = ["b,2,x", "a,2,y", "b,1,z", "a,10,x", ",2,y"]
        data, turned = (read("user_id,session_id,item_id\n" + "\n".join(r)) for r in (rows, rows[::-1]))
        assert data.session.tolist() == turned.session[::-1].tolist() == [4, 1, 3, 2, 0]

    def test_guests_are_nobody_in_sessions_of_their_own(self, read):
        data = read("user_id,session_id,item_id\na,1,x\n,1,y\nNaN,1,y\n,2,x\n")
        assert data.user.tolist() == [0, -1, -1, -1]
        assert data.user_ids.tolist() == ["a"]
        assert data.session.tolist() == [2, 0, 0, 1]
        assert data.notes == ("3 of 4 rows have no user_id: they are nobody's, each in its session",)

    def test_guests_only(self, read):
        data = read("user_id,session_id,item_id\n,1,x\n,2,y\n")
        assert data.n_users == 0
        assert data.session.tolist() == [0, 1]

    def test_a_user_without_a_session_is_refused(self, read):
        with pytest.raises(InputError, match=r"column session_id, row 3 .*: '' is not a valid session_id"):
            read("user_id,session_id,item_id\na,1,x\na,,y\n")


class TestRatings:
    def test_a_blank_one_is_not_a_number(self, read, read_parquet):
        data = read("user_id,item_id,rating\n1,2,4.5\n1,3,\n1,4, NaN\n")
        np.testing.assert_array_equal(data.rating, np.array([4.5, np.nan, np.nan], np.float32))
        assert data.notes == ("2 of 3 rows have no rating",)
        texts = pa.array(["4.5", None, "nan"])
        for ratings in (
            pa.array([4.5, None, None]), pa.array([4.5, np.nan, None], pa.float32()), texts, texts.dictionary_encode(),
        ):  # fmt: skip
            table = read_parquet({"user_id": [1, 1, 1], "item_id": [2, 3, 4], "rating": ratings})
            assert table.content_hash == data.content_hash

    def test_none_at_all(self, read):
        data = read("user_id,item_id,rating\n1,2,\n1,3,\n")
        assert data.rating is None
        assert data.notes == ("no row has a rating",)

    def test_they_come_back_from_the_cache(self, read):
        first, second = (read("user_id,item_id,rating\n1,2,\n1,3,9\n") for _ in range(2))
        np.testing.assert_array_equal(first.rating, second.rating)
        assert second.notes == first.notes
