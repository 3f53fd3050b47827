"""Publishers' archives: found on this machine, or downloaded; opened without trusting what they say."""

from __future__ import annotations

import http.client
import io
import os
import stat
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from datasets import cache
from datasets.errors import InputError

LIMIT_BYTES = 2**30  # of a download, and of what an archive may unpack to; the largest known is 212 MB
CHUNK_BYTES = 2**20
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Archive:
    """A publisher's archive.

    Attributes:
        filename: its name on this machine.
        url: where the publisher offers it; HTTPS.
        member: the file in it that is read.
        sha256: the publisher's checksum (hex), or None where the publisher states none.
        licence, citation: the terms, shown once before the first download.
    """

    filename: str
    url: str
    member: str
    sha256: str | None
    licence: str
    citation: str


def find(filenames: Iterable[str], data_dir: Path | None) -> Path | None:
    """The first of the files in the data folder, else among the downloads; None where there is none.

    Args:
        filenames: names in order of preference.
        data_dir: the user's data folder; None means `RECALLBENCH_DATA`, if that is set.

    Raises:
        InputError: if the data folder is not a folder.
    """
    chosen = data_dir or os.environ.get("RECALLBENCH_DATA")
    folders = [downloads()]
    if chosen:
        if not Path(chosen).is_dir():
            raise InputError(
                f"data folder {str(chosen)!r} does not exist: give an existing folder, or none to download"
            )
        folders.insert(0, Path(chosen))
    candidates = (folder / name for folder in folders for name in filenames)
    return next((path for path in candidates if path.is_file()), None)


def downloads() -> Path:
    """The folder that archives are downloaded to."""
    return cache.folder() / "downloads"


def download(archive: Archive, *, progress: bool = True, opener: urllib.request.OpenerDirector | None = None) -> Path:
    """Downloads an archive, checks it, and puts it among the downloads in one step.

    Args:
        archive: what to download.
        progress: show a bar where stderr is a terminal, and one line elsewhere.
        opener: how URLs are opened; by default HTTPS and nothing else.

    Returns:
        The archive's path; it is there whole, or not at all.

    Raises:
        InputError: if the URL or a redirection is not HTTPS, the transfer fails or is cut short,
            or the file is not the publisher's archive.
    """
    target = downloads() / archive.filename
    try:
        _show_terms(archive)
        if progress:
            sys.stderr.write(f"downloading {archive.url}\n")
        target.parent.mkdir(parents=True, exist_ok=True)
        # Downloads land in a folder of their own beside the target, which goes whatever happens.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as unfinished:
            temporary = Path(unfinished) / archive.filename
            with temporary.open("wb") as file:
                _transfer(archive.url, file, progress, opener or https_opener())
            _verify(archive, temporary)
            temporary.replace(target)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"{archive.url} could not be downloaded ({error}): {_by_hand(archive)}") from error
    return target


def extract(path: Path, member: str) -> bytes:
    """One file of a zip archive, in memory.

    Nothing is written, so no name inside an archive can lead out of a folder, and the member is
    asked for by its exact name, so no other member is even opened.

    Raises:
        InputError: if the file is no zip archive, is damaged or cut short, lacks the member, or
            if the member is a link or unpacks to more than `LIMIT_BYTES`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if member not in archive.namelist():
                found = ", ".join(map(repr, archive.namelist()[:5])) or "nothing"
                raise InputError(f"{path} holds {found}, but {member!r} was expected: give the publisher's archive")
            info = archive.getinfo(member)
            if stat.S_ISLNK(info.external_attr >> 16):
                raise InputError(
                    f"{member!r} in {path} is a link, but a file was expected: give the publisher's archive"
                )
            _check_size([info], path)
            return archive.read(member)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give a readable zip archive") from error
    except DAMAGE as error:
        raise InputError(f"{path} is not a whole zip archive ({error}): download it again") from error


# What `zipfile` raises on a file that is not a zip, is cut short, flipped, encrypted or compressed in an odd way.
DAMAGE = (zipfile.BadZipFile, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error)


def check_workbook(content: bytes, path: Path) -> None:
    """Sees that a workbook, itself a zip archive, is whole and unpacks to `LIMIT_BYTES` at most.

    `zipfile` reads no further than the size that a member declares and then compares checksums, so
    a member that is larger than it says is found out here, before a parser unpacks it.

    Args:
        content: the workbook's bytes.
        path: where it came from, for the message.

    Raises:
        InputError: if it is not whole, or too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as workbook:
            _check_size(workbook.infolist(), path)
            damaged = workbook.testzip()
    except DAMAGE as error:
        raise InputError(f"the workbook in {path} is not a whole .xlsx file ({error}): download it again") from error
    if damaged is not None:
        raise InputError(f"the workbook in {path} is damaged at {damaged!r}: download it again")


def _check_size(members: Iterable[zipfile.ZipInfo], path: Path) -> None:
    """Raises InputError if the members unpack to more than `LIMIT_BYTES` together."""
    size = sum(member.file_size for member in members)
    if size > LIMIT_BYTES:
        raise InputError(
            f"{path} unpacks to {size:,} bytes, more than the limit of {LIMIT_BYTES:,}: give the publisher's file"
        )


class _HttpsOnly(urllib.request.BaseHandler):
    """Answers for every scheme that has no handler of its own, at first and after a redirection."""

    def unknown_open(self, request: urllib.request.Request) -> NoReturn:
        raise InputError(f"{request.full_url} is not an HTTPS address: nothing is downloaded over an open connection")


def https_opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Opens HTTPS, through the environment's proxy if there is one, and no other scheme; more handlers may be added."""
    opener = urllib.request.OpenerDirector()
    proxies = {scheme: proxy for scheme, proxy in urllib.request.getproxies().items() if scheme == "https"}
    for handler in (
        urllib.request.ProxyHandler(proxies),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        _HttpsOnly(),
        *handlers,
    ):
        opener.add_handler(handler)
    return opener


def _transfer(url: str, file: IO[bytes], progress: bool, opener: urllib.request.OpenerDirector) -> None:
    """Copies the body to the file; raises OSError if it is cut short or larger than `LIMIT_BYTES`."""
    from tqdm import tqdm

    with opener.open(url, timeout=TIMEOUT_S) as response:
        declared = response.headers.get("Content-Length")
        expected = int(declared) if declared and declared.isdigit() else None
        received = 0
        # disable=None: a bar on a terminal, nothing elsewhere.
        with tqdm(total=expected, unit="B", unit_scale=True, disable=None if progress else True) as bar:
            while chunk := response.read(CHUNK_BYTES):
                received += file.write(chunk)
                bar.update(len(chunk))
                if received > LIMIT_BYTES:
                    raise OSError(f"it is larger than the limit of {LIMIT_BYTES:,} bytes")
    # http.client lets a connection that closes early pass for the end of the body.
    if expected is not None and received != expected:
        raise OSError(f"{received:,} of {expected:,} bytes arrived")


def _verify(archive: Archive, path: Path) -> None:
    """Sees that the bytes are the publisher's, or, where no checksum is known, at least the right kind of archive."""
    if archive.sha256 is None:
        extract(path, archive.member)
    elif (found := cache.sha256_of(path)) != archive.sha256:
        raise InputError(f"{archive.url} has SHA-256 {found}, but {archive.sha256} was expected: {_by_hand(archive)}")


def _by_hand(archive: Archive) -> str:
    return f"try again, or put {archive.filename} into the folder that --data-dir names"


def _show_terms(archive: Archive) -> None:
    """Writes the terms to stderr, the first time only."""
    marker = cache.folder() / "terms" / archive.filename
    if not marker.exists():
        sys.stderr.write(f"{archive.filename}\n  licence: {archive.licence}\n  cite: {archive.citation}\n")
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
