"""The first sheet of an .xlsx file, whoever wrote it.

The parser is fast, but it is not to be trusted with a stranger's file: it allocates the rectangle that encloses all
cells, so one cell in the last row and column ends the interpreter.
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from datasets import archives
from datasets.boundary import parsing, reason
from datasets.errors import InputError

CHUNK_BYTES = 2**20
LONGEST_TAG = 2**16
# A cell that does not begin with its place, names two, or stands to the right of column Z, or below row 999,999.
OUTLYING = re.compile(
    rb"""<(?:[^\s<>/:]*+:)*+c(?=[\s/>])(?!\s+r\s*=\s*["'][A-Za-z][0-9]{1,6}["']"""
    rb"""(?:\s+(?!r\s*=)[\w:-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'))*+\s*/?>)"""
)


def first_sheet(content: bytes, path: Path) -> list[tuple[object, ...]]:
    """Each column of a workbook's first sheet, from row 1 to the last that holds anything.

    Args:
        content: the workbook's bytes.
        path: where it came from, for the message.

    Raises:
        InputError: if it is not whole, too large, or holds cells far from the others.
        MachineError: if memory runs out.
    """
    import python_calamine

    check(content, path)
    with parsing(f"the workbook in {path} cannot be read", "download it again, or save it anew"):
        sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
        return list(zip(*sheet.iter_rows(), strict=True))


def check(content: bytes, path: Path) -> None:
    """Sees that a workbook, itself a zip archive, is whole, unpacks in bounds and holds no outlying cells.

    A member that is larger than it says is found out here, before a parser unpacks it.

    Raises:
        InputError: if one of these does not hold.
    """
    with (
        parsing(f"the workbook in {path} is not a whole .xlsx file", "download it again"),
        zipfile.ZipFile(io.BytesIO(content)) as workbook,
    ):
        archives.check_members(workbook.infolist(), path)
        names = workbook.namelist()
        if "xl/workbook.xml" not in names or "xl/workbook.bin" in names:  # else the parser takes other kinds, too
            raise InputError(f"the workbook in {path} cannot be read, it is no .xlsx: save it as one")
        for member in workbook.infolist():
            try:
                _check_cells(workbook, member, path)
            except zipfile.BadZipFile as error:
                raise InputError(
                    f"the workbook in {path} is damaged at {member.filename!r} ({reason(error)}): download it again"
                ) from error


def _check_cells(workbook: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """Reads a member to its end, where its checksum is compared, and looks for outlying cells on the way."""
    with workbook.open(member) as stream:
        tail = b""
        while chunk := stream.read(CHUNK_BYTES):
            text = tail + chunk
            found = OUTLYING.search(text)
            # The last tag may go on in the next chunk.
            begun = max(text.rfind(b"<"), len(text) - LONGEST_TAG)
            if found and found.start() < begun:
                cell = text[found.start() : found.start() + 40].decode("latin-1")
                raise InputError(
                    f"the workbook in {path} has a cell outside of columns A to Z and rows 1 to 999,999, or one "
                    f"without its place ({cell!r}): clear what lies there, or give the publisher's sheet"
                )
            tail = text[begun:]
        if OUTLYING.search(tail):
            raise InputError(f"the workbook in {path} breaks off in a cell: download it again")
