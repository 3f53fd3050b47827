import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import InputError, delimited, quotes

PATH = Path("a.csv")
NAMES = ("user_id", "item_id", "title")


def rows(content: str | bytes) -> list[tuple[str, ...]]:
    text = delimited.opened(PATH, content.encode() if isinstance(content, str) else content)
    columns = delimited.read(text, range(len(text.names))).to_pydict().values()
    return list(zip(*columns, strict=True))


def table(*lines: str, delimiter: str = "\t") -> str:
    return "".join(f"{line}\n" for line in [delimiter.join(NAMES), *lines])


class TestQuotes:
    def test_a_lone_quote_swallows_no_rows(self):
        content = table('1\ta\t"Hello', "2\tb\tx", '3\tc\t"', '4\td\tsay "no"', '5\te\tBye"')
        assert [row[2] for row in rows(content)] == ['"Hello', "x", '"', 'say "no"', 'Bye"']

    def test_quotes_that_would_close_in_another_row_are_text(self):
        assert rows(table('1\ta\t"x', '2\tb\ty"')) == [("1", "a", '"x'), ("2", "b", 'y"')]

    @pytest.mark.parametrize("delimiter", [";", "|", ","])
    def test_lone_quotes_with_other_separators(self, delimiter):
        content = table(*(line.replace("\t", delimiter) for line in ('1\ta\t"x', "2\tb\ty")), delimiter=delimiter)
        assert rows(content) == [("1", "a", '"x'), ("2", "b", "y")]

    @pytest.mark.parametrize("delimiter", [";", "|", ","])
    def test_where_both_readings_are_a_table_neither_is_taken(self, delimiter):
        content = table(*(line.replace("\t", delimiter) for line in ('1\ta\t"x', '2\tb\ty"')), delimiter=delimiter)
        with pytest.raises(InputError, match=r"a\.csv has a quoted cell with line breaks, and each of its lines would"):
            rows(content)

    @pytest.mark.parametrize("delimiter", ["\t", ",", ";", "|"])
    @pytest.mark.parametrize(
        "title", ["plain", "", 'a "b" c', '"', '"whole"', "tab\there", "a, b; c | d", "two\nlines", 'all\n"of" it,\t;|']
    )
    @pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    def test_what_a_writer_writes_is_read(self, delimiter, title, quoting):
        written = [("1", "a", title), ("2", "b", "x"), ("3", "c", title)]
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows([NAMES, *written])
        assert rows(buffer.getvalue()) == written

    cells = st.text(st.sampled_from('ab"\t,;|\n '), max_size=6)

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from("\t,;|"), st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=6))
    def test_a_writers_table_is_read_or_refused_never_changed(self, delimiter, written):
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=delimiter, lineterminator="\n").writerows([NAMES, *written])
        try:
            found = rows(buffer.getvalue())
        except InputError:
            return
        ambiguous = delimiter == "\t" and len(found) > len(written)  # its lines are whole rows: quotes are text
        assert found == [tuple(row) for row in written] or ambiguous

    @settings(max_examples=300, deadline=None)
    @given(
        st.sampled_from("\t,;|"),
        st.lists(st.text(st.sampled_from('ab" '), min_size=1, max_size=5), min_size=1, max_size=6),
    )
    def test_lines_without_any_quoting_are_rows(self, delimiter, titles):
        lines = [f"{row}{delimiter}i{delimiter}{title}" for row, title in enumerate(titles)]
        try:
            found = rows(table(*lines, delimiter=delimiter))
        except InputError:
            assert delimiter != "\t"
            return
        assert len(found) == len(lines)

    def test_a_quote_that_is_neither_names_its_line(self):
        content = table('1\ta\t"two', 'lines"', '2\tb\t"x', "3\tc\ty")
        with pytest.raises(InputError, match=r"a\.csv, line 4: a quote opens a cell there and does not close it"):
            rows(content)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (b"a,b\n", (-1, False)),
            (b'"a",b\n', (-1, False)),
            (b'a"b,c""\n', (-1, False)),
            (b'"a""b","",c\r\n', (-1, False)),
            (b'"a\nb",c', (-1, True)),
            (b'x,"ab', (2, False)),
            (b'x,"a"b,c', (2, False)),
            (b'x,"a" ,c', (2, False)),
        ],
    )
    def test_the_rule(self, text, expected):
        assert quotes.scan(text, 0, ",") == expected
        found = quotes.scan(b'""' + text, 2, ",")
        assert found == (expected[0] + 2 if expected[0] >= 0 else -1, expected[1])


class TestLines:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("last", [True, False])
    def test_every_kind_of_line_end(self, end, last):
        content = end.join(["user_id,item_id,title", "1,a,x", '2,b,"y, z"']) + end * last
        assert rows(content) == [("1", "a", "x"), ("2", "b", "y, z")]

    def test_a_row_that_is_too_long(self, monkeypatch):
        monkeypatch.setattr(delimited, "BLOCK_BYTES", 1_000)
        with pytest.raises(InputError, match=r"a row is longer than 1,000 bytes"):
            rows(table("1\ta\t" + "x" * 5_000))

    def test_long_cells_and_headers_are_read(self):
        assert rows("user_id,item_id," + "x" * 200_000 + "\n1,a," + "y" * 200_000 + "\n")[0][2] == "y" * 200_000

    def test_separators_in_the_quotes_of_a_header_do_not_count(self):
        assert rows('a,b,"c; d; e; f"\n1,2,3\n') == [("1", "2", "3")]

    def test_messages_stay_short(self):
        content = ",".join(f"column {n}" for n in range(5_000)) + "\n" + "x" * 100_000 + "\n"
        with pytest.raises(InputError) as error:
            rows(content)
        assert len(str(error.value)) < 500

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"\nuser_id,item_id\n1,2\n", "a.csv begins with an empty line: a line of column names"),
            (b" \n\n", "a.csv is empty: a line of column names"),
            (b"a,b", "a.csv has no rows below its header: at least one was expected"),
            (b"a,b\r\n\n", "a.csv has no rows below its header: at least one was expected"),
            (b"a,b\n1,\xff\n", "a.csv is not UTF-8 text: save it in UTF-8"),
            (b'a,b\n1,"\xff"\n', "a.csv is not UTF-8 text: save it in UTF-8"),
        ],
    )
    def test_what_is_no_table(self, content, message):
        with pytest.raises(InputError, match=f"^{message}"):
            rows(content)
