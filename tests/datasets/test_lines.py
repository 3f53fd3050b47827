import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import lines
from datasets.errors import InputError

checked = settings(derandomize=True, deadline=None, max_examples=200)
PATH = Path("file.txt")
TABS = lines.Delimited("\t", ("user_id", "", "item_id"))
OBJECTS = lines.Json({"user_id": ("u", pa.string()), "item_id": ("i", pa.int64())})
LISTS = lines.Json({"user_id": ("u", pa.string())}, True, "games", {"item_id": ("id", pa.string())})


def pieces(content, size):
    return (content[at : at + size] for at in range(0, len(content), size))


@checked
@given(st.lists(st.binary(max_size=6)).map(b"\n".join), st.integers(1, 9), st.integers(1, 30))
def test_blocks_are_the_file_cut_between_lines(content, size, block):
    found = list(lines.blocks(PATH, pieces(content, size), block))
    assert b"".join(found) == content or not content[len(b"".join(found)) :].strip()
    assert all(one.endswith(b"\n") for one in found[:-1])


def test_a_line_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_BYTES", 100)
    assert list(lines.blocks(PATH, pieces(b"x" * 100, 10), 20)) == [b"x" * 100]
    with pytest.raises(InputError, match=r"file.txt has a line of more than 100 bytes: give the publisher's file"):
        list(lines.blocks(PATH, pieces(b"x" * 101, 1), 20))


rows = st.lists(st.tuples(st.text("ab é", max_size=3), st.text("xy", max_size=3)), min_size=1, max_size=12)


@checked
@given(rows, st.integers(1, 40), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_delimited_text_reads_back_whatever_the_blocks(monkeypatch_size, rows, size, header, end):
    table = lines.Delimited(",", ("user_id", "", "item_id"), "a,b,c" if header else "")
    text = "".join(f"{user},-,{item}{end}" for user, item in rows)
    with monkeypatch_size(size):
        found, origin = table.table(PATH, pieces((("a,b,c" + end if header else "") + text).encode(), 5))
    assert found.to_pylist() == [{"user_id": user, "item_id": item} for user, item in rows]
    assert origin.first_row == 1 + header


@pytest.fixture(scope="module")
def monkeypatch_size():
    def of_blocks(size):
        context = pytest.MonkeyPatch.context()

        class Sized:
            def __enter__(self):
                context.__enter__().setattr(lines, "BLOCK_BYTES", size)

            def __exit__(self, *raised):
                context.__exit__(*raised)

        return Sized()

    return of_blocks


class TestRowNumbers:
    """A row is named by its place in the file, in whichever block it stands."""

    @pytest.mark.parametrize("size", [1, 20, 10_000])
    @pytest.mark.parametrize("bad", [1, 2, 7, 30])
    @pytest.mark.parametrize("header", ["", "u\tx\ti"])
    def test_of_delimited_text(self, monkeypatch, size, bad, header):
        monkeypatch.setattr(lines, "BLOCK_BYTES", size)
        table = lines.Delimited("\t", ("user_id", "", "item_id"), header)
        text = [*([header] if header else []), *(["1\t2\t3"] * 30)]
        text[bad - 1 + bool(header)] = "1\t2"
        place = bad + bool(header)
        with pytest.raises(InputError, match=rf"Row #{place}: Expected 3 columns, got 2"):
            table.table(PATH, pieces("\n".join(text).encode(), 9))

    @pytest.mark.parametrize("size", [1, 20, 10_000])
    @pytest.mark.parametrize("bad", [1, 2, 7, 30])
    def test_of_objects(self, monkeypatch, size, bad):
        monkeypatch.setattr(lines, "BLOCK_BYTES", size)
        text = [b'{"u": "a", "i": 1}\n'] * 30
        text[bad - 1] = b'{"u": "a", "i": "1"}\n'
        with pytest.raises(InputError, match=rf"from number to string in row {bad}\)"):
            OBJECTS.table(PATH, pieces(b"".join(text), 9))

    @pytest.mark.parametrize("size", [1, 20, 10_000])
    @pytest.mark.parametrize("bad", [1, 2, 7, 30])
    def test_of_literals(self, monkeypatch, size, bad):
        monkeypatch.setattr(lines, "BLOCK_BYTES", size)
        text = [b"{'u': u'a', 'games': []}\n"] * 30
        text[bad - 1] = b"{'u': u'a', 'games': [}}\n"
        with pytest.raises(InputError, match=rf"JSON parse error: .* in row {bad}\)"):
            LISTS.table(PATH, pieces(b"".join(text), 9))
        text[bad - 1] = b"{'u': u'a', 'games': <}\n"
        with pytest.raises(InputError, match=rf"file.txt, line {bad}: '<}}' is no part of a Python literal"):
            LISTS.table(PATH, pieces(b"".join(text), 9))


class TestObjects:
    def test_what_is_lacking_is_null_and_what_is_more_is_passed_over(self):
        found, _ = OBJECTS.table(PATH, [b'{"u": "a", "x": [{"y": 1}]}\n\n{"i": 2, "u": null}\n'])
        assert found.to_pylist() == [{"user_id": "a", "item_id": None}, {"user_id": None, "item_id": 2}]

    def test_a_row_for_each_of_a_list(self):
        text = (
            b"{'u': 'a', 'games': [{'id': '1', 'n': 2}, {'id': '2'}]}\n{'u': 'b'}\n{'u': 'c', 'games': [{'id': '3'}]}\n"
        )
        found, _ = LISTS.table(PATH, [text])
        assert [tuple(row.values()) for row in found.to_pylist()] == [("a", "1"), ("a", "2"), ("c", "3")]

    def test_nobody_has_anything(self):
        with pytest.raises(InputError, match=r"file.txt has no rows: at least one was expected"):
            LISTS.table(PATH, [b"{'u': 'a', 'games': []}\n"])

    @pytest.mark.parametrize(
        "text", [b'{"u": "\xff"}\n', b'{"u": 1}\n', b"[]\n", b"1\n", b'{"u": "a"', b'{"i": 1.5}\n']
    )
    def test_what_cannot_be_read_is_one_sentence(self, text):
        with pytest.raises(
            InputError, match=r"^file.txt is not a regular table \(.*\): give the publisher's file$"
        ) as error:
            OBJECTS.table(PATH, [text])
        assert not re.search(r"\n", str(error.value))
