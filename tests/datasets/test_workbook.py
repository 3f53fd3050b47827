import io
import zipfile

import openpyxl
import pytest

from datasets import InputError, archives, workbook


def book(*cells: tuple[int, int]) -> bytes:
    made = openpyxl.Workbook()
    for row, column in cells or [(1, 1), (2, 2)]:
        made.active.cell(row, column, row * column)
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def rewritten(content: bytes, old: bytes, new: bytes) -> bytes:
    """The workbook with something else in its sheet."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            text = source.read(name)
            if "sheet1" in name:
                assert old in text
                text = text.replace(old, new)
            target.writestr(name, text)
    return buffer.getvalue()


def read(content, tmp_path):
    return workbook.first_sheet(content, tmp_path / "w.xlsx")


def test_the_cells(tmp_path):
    assert read(book((2, 1), (3, 2)), tmp_path) == [("", 2.0, ""), ("", "", 6.0)]


@pytest.mark.parametrize(
    "cells", [[(1, 1), (1_048_576, 16_384)], [(1, 27)], [(1_000_000, 1)]], ids=["corner", "AA", "row 1,000,000"]
)
def test_an_outlying_cell_is_refused_before_room_is_made_for_it(cells, tmp_path):
    content = book(*cells)
    assert len(content) < 10_000
    with pytest.raises(
        InputError, match=r"w\.xlsx has a cell outside of columns A to Z and rows 1 to 999,999"
    ) as error:
        read(content, tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "cell",
    [
        b'<c r="xfd1048576"',
        b"<c r='XFD1048576'",
        b'<c\n r = "XFD1048576"',
        b'<x:c r="XFD1048576"',
        b'<c x=\' r="A1"\' r="XFD1048576"',
        b'<c x=">" r="XFD1048576"',
        b'<c r="A4294967295"',
        b'<c r="B2" r="XFD1048576"',
        b'<c r="B2" s="<" r="XFD1048576"',
        b'<c r="B2" s=\'>"\' r="XFD1048576"',
        "<é:c r='XFD1048576'".encode(),
        b'<a+b:c r="XFD1048576"',
        b"<c",
    ],
)
def test_no_way_to_write_one_passes(cell, tmp_path):
    with pytest.raises(InputError, match=r"has a cell outside of columns A to Z and rows 1 to 999,999, or one without"):
        read(rewritten(book(), b'<c r="B2"', cell), tmp_path)


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_cell_that_is_cut_by_a_chunk_is_seen(cut, tmp_path, monkeypatch):
    content = book((1, 1), (1, 16_384))
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        at = made.read("xl/worksheets/sheet1.xml").index(b'<c r="XFD1"')
    monkeypatch.setattr(workbook, "CHUNK_BYTES", at + cut)
    with pytest.raises(InputError, match="has a cell outside of columns A to Z"):
        read(content, tmp_path)


def test_declared_dimensions_cost_nothing(tmp_path):
    content = rewritten(book(), b'ref="A1:B2"', b'ref="A1:XFD1048576"')
    assert read(content, tmp_path) == [(1.0, ""), ("", 4.0)]


@pytest.mark.parametrize("damage", [lambda c: c[:-30], lambda c: c[:40], lambda _: b"", lambda _: b"plain text"])
def test_a_truncated_or_foreign_file(damage, tmp_path):
    with pytest.raises(
        InputError, match=r"the workbook in .*w\.xlsx is not a whole \.xlsx file \(.*\): download it again"
    ):
        workbook.check(damage(book()), tmp_path / "w.xlsx")


def test_a_member_that_lies_about_its_size(tmp_path):
    content = rewritten(book(), b"<sheetData>", b"<sheetData>" + b" " * 200_000)
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        size = made.getinfo("xl/worksheets/sheet1.xml").file_size
    content = content.replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little"))
    with pytest.raises(InputError, match=r"the workbook in .*w\.xlsx is damaged at 'xl/worksheets/sheet1\.xml'"):
        workbook.check(content, tmp_path / "w.xlsx")


def test_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LIMIT_BYTES", 100)
    with pytest.raises(InputError, match=r"unpacks to [0-9,]+ bytes, more than the limit of 100"):
        workbook.check(book(), tmp_path / "w.xlsx")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_in_one_go(method, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        made.writestr("xl/worksheets/sheet1.xml", b"<c/>" * 1_000)
    with pytest.raises(InputError, match=rf"is compressed by method {method}, but deflate \(8\) was expected"):
        workbook.check(buffer.getvalue(), tmp_path / "w.xlsx")


@pytest.mark.parametrize("names", [["content.xml"], ["xl/workbook.bin"], ["xl/workbook.xml", "xl/workbook.bin"]])
def test_workbooks_of_other_kinds(names, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "<a/>")
    with pytest.raises(InputError, match=r"w\.xlsx cannot be read, it is no \.xlsx: save it as one"):
        read(buffer.getvalue(), tmp_path)
