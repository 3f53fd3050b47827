"""`recommend` on the command line: whom it is asked for, and what is refused before anything is read."""

import pandas as pd
import pytest

from benchmarks import cli, recommend
from benchmarks.recommend import Recommended, Wish

WRONG_INPUT = 2


@pytest.fixture
def asked(monkeypatch):
    """What reaches the library: users, wish, data set and folder; it answers with a list for the first user."""
    given = []
    monkeypatch.delenv("RECALLBENCH_DATA", raising=False)  # which is the folder of data where none is named

    def answer(_, users, wish, dataset, data_dir):
        given[:] = [list(users), wish, dataset, data_dir]
        lists = pd.DataFrame({"user_id": users[:1], "rank": [1], "item_id": ["i7"], "score": [0.123456789]})
        return Recommended(lists, ("1 of 2 users is not in shop (nobody).",))

    monkeypatch.setattr(recommend, "trained", lambda path: path)
    monkeypatch.setattr(recommend, "recommend", answer)
    return given


@pytest.fixture
def say(capsys):
    def say(*arguments):
        code = cli.main(["recommend", "--checkpoint", "c.npz", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return say


def test_lists_are_csv_and_notes_stand_apart(say, asked):
    assert say("--users", "u1", "nobody") == (
        0,
        "user_id,rank,item_id,score\nu1,1,i7,0.123457\n",
        "note: 1 of 2 users is not in shop (nobody).\n",
    )
    assert asked == [["u1", "nobody"], Wish(), None, None]
    assert say("--users", "u1", "--quiet")[2] == ""


def test_options_reach_the_library(say, asked, tmp_path):
    given = ["--n", 3, "--keep-seen", "--backend", "jax", "--timeout", 5]
    say("--users", "u1", *given, "--dataset", "file:a.csv", "--data-dir", tmp_path)
    assert asked[1:] == [Wish(3, True, "jax", 5.0), "file:a.csv", tmp_path]


@pytest.mark.parametrize(
    ("content", "users"),
    [
        (b"u1\n\n u2 \n", ["u1", "u2"]),
        (b"\xef\xbb\xbfuser_id\r\nu1\r\n", ["u1"]),
        (b"u1\nuser_id\n", ["u1", "user_id"]),
    ],
)
def test_users_of_a_file(say, asked, tmp_path, content, users):
    (tmp_path / "users.txt").write_bytes(content)
    assert say("--users-file", tmp_path / "users.txt")[0] == 0
    assert asked[0] == users


def test_a_dash_is_the_terminal(say, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert say("--users", "u1", "--out", "-")[1].startswith("user_id,rank,item_id,score\nu1,")
    assert asked
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("out", "message"), [("", "is a folder, expected a file"), ("no/a.csv", "there is no folder")])
def test_an_output_that_cannot_be_is_refused_before_any_work(say, asked, tmp_path, out, message):
    code, printed, err = say("--users", "u1", "--out", tmp_path / out)
    assert (code, printed, asked) == (WRONG_INPUT, "", [])
    assert message in err


@pytest.mark.parametrize(
    ("content", "message"), [(b"user_id\n\n", "names no user, expected one user id a line"), (b"\xff", "is not UTF-8")]
)
def test_a_file_without_users_is_refused(say, tmp_path, content, message):
    (tmp_path / "users.txt").write_bytes(content)
    code, out, err = say("--users-file", tmp_path / "users.txt")
    assert (code, out) == (WRONG_INPUT, "")
    assert message in err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--users-file", "nowhere.txt"], "nowhere.txt cannot be used"),
        ([], "one of the arguments --users --users-file is required"),
        (["--users", "u1", "--users-file", "f"], "not allowed with argument --users"),
        (["--users", "u1", "--n", "0"], "'0' is not a whole number from 1"),
        (["--users", "u1", "--backend", "pytorch"], "did you mean 'torch'?"),
    ],
)
def test_what_cannot_be_asked_is_refused(say, given, message):
    code, out, err = say(*given)
    assert (code, out) == (WRONG_INPUT, "")
    assert message in err
