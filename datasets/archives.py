"""Publishers' archives: found on this machine, or downloaded; opened without trusting what they say."""

from __future__ import annotations

import errno
import functools
import hashlib
import http.client
import os
import stat
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from datasets import cache, durable, packed
from datasets.boundary import OF_THE_MACHINE, parsing, reason, unreadable
from datasets.errors import InputError, MachineError

LIMIT_BYTES = 2**30  # of a download, and of what an archive may unpack to; the largest known, of ml-32m, is 877 MB
CHUNK_BYTES = 2**20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
TIMEOUT_S = 30.0  # without a byte
LONGEST_S = 3600.0  # of a whole download; the largest known takes a minute at 30 Mbit/s


@dataclass(frozen=True)
class Archive:
    """A publisher's archive.

    Attributes:
        filename: its name on this machine.
        url: where the publisher offers it; HTTPS.
        member: the file in it that is read; "" where it is one file, compressed.
        sha256: the publisher's checksum (hex), or None where the publisher states none.
        licence, citation: the terms, shown once before the first download.
        md5: an older checksum of the publisher's (hex), or None.
    """

    filename: str
    url: str
    member: str
    sha256: str | None
    licence: str
    citation: str
    md5: str | None = None


def find(filenames: Iterable[str], data_dir: Path | None) -> Path | None:
    """The first of the files in the data folder, else among the downloads; None where there is none.

    Args:
        filenames: names in order of preference.
        data_dir: the user's data folder; None means `RECALLBENCH_DATA`, if that is set.

    Raises:
        InputError: if the data folder is not a folder.
        MachineError: if it may not be looked into.
    """
    chosen = data_dir or os.environ.get("RECALLBENCH_DATA")
    folders = [downloads()]
    if chosen:
        if not Path(chosen).is_dir():
            raise InputError(
                f"data folder {str(chosen)!r} does not exist: give an existing folder, or none to download"
            )
        folders.insert(0, Path(chosen))
    durable.sweep(downloads())
    candidates = (folder / name for folder in folders for name in filenames)
    return next((path for path in candidates if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise unreadable(path, error) from error


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
        InputError: if the URL or a redirection is not HTTPS, the transfer fails, is cut short or
            takes longer than `LONGEST_S`, or the file is not the publisher's archive.
        MachineError: if it cannot be written here.
    """
    target = downloads() / archive.filename
    try:
        _show_terms(archive)
        if progress:
            sys.stderr.write(f"downloading {archive.url}\n")
        with durable.replacing(target) as unfinished:
            with unfinished.open("wb") as file:
                _transfer(archive.url, file, progress, opener or https_opener())
            _verify(archive, unfinished)
    except (OSError, http.client.HTTPException) as error:
        if _is_local(error):
            raise MachineError(
                f"{archive.url} cannot be written to {target.parent} ({reason(error)}): make room or mend that, or set "
                "RECALLBENCH_CACHE to another folder"
            ) from error
        raise InputError(f"{archive.url} could not be downloaded ({reason(error)}): {_by_hand(archive)}") from error
    return target


def _is_local(error: Exception) -> bool:
    """Whether writing failed here, and not the transfer: it names a file, or the system is out of something."""
    if not isinstance(error, OSError) or isinstance(error, urllib.error.URLError):
        return False
    return error.filename is not None or (error.errno in OF_THE_MACHINE and error.errno != errno.ETIMEDOUT)


def extract(path: Path, member: str) -> bytes:
    """One file of a zip archive, in memory.

    Nothing is written, so no name inside an archive can lead out of a folder, and the member is
    asked for by its exact name, so no other member is even opened.

    Raises:
        InputError: if the file is no zip archive, is damaged or cut short, lacks the member, or
            if the member is a link or unpacks to more than `LIMIT_BYTES`.
        MachineError: if the file may not be read.
    """
    subject, advice = f"{path} is not a whole zip archive", "download it again, or give the publisher's"
    with parsing(subject, advice), zipfile.ZipFile(path) as archive:
        if member not in archive.namelist():
            found = ", ".join(map(repr, archive.namelist()[:5])) or "nothing"
            raise InputError(f"{path} holds {found}, but {member!r} was expected: give the publisher's archive")
        info = archive.getinfo(member)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputError(f"{member!r} in {path} is a link, but a file was expected: give the publisher's archive")
        check_members([info], path)
        return archive.read(member)


def check_members(members: Iterable[zipfile.ZipInfo], path: Path) -> None:
    """Sees that members of a zip archive can be unpacked in bounds.

    `zipfile` reads no further than the size that a member declares and then compares checksums, but only if it was
    deflated: other methods are unpacked in one go.

    Raises:
        InputError: if they unpack to more than `LIMIT_BYTES` together, or are compressed in another way.
    """
    members = list(members)
    size = sum(member.file_size for member in members)
    if size > LIMIT_BYTES:
        raise InputError(
            f"{path} unpacks to {size:,} bytes, more than the limit of {LIMIT_BYTES:,}: give the publisher's file"
        )
    for member in members:
        if member.compress_type not in METHODS:
            raise InputError(
                f"{member.filename!r} in {path} is compressed by method {member.compress_type}, but deflate (8) was "
                "expected: give the publisher's archive, or pack it anew"
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
    """Copies the body to the file; raises OSError if it is cut short, too large or too slow."""
    from tqdm import tqdm

    end = time.monotonic() + LONGEST_S
    with opener.open(url, timeout=TIMEOUT_S) as response:
        declared = response.headers.get("Content-Length")
        expected = int(declared) if declared and declared.isdigit() else None
        received = 0
        # disable=None: a bar on a terminal, nothing elsewhere.
        with tqdm(total=expected, unit="B", unit_scale=True, disable=None if progress else True) as bar:
            while chunk := response.read1(CHUNK_BYTES):  # what is there: `read` would wait for a whole chunk
                received += file.write(chunk)
                bar.update(len(chunk))
                if time.monotonic() > end:
                    raise OSError(f"it takes longer than {LONGEST_S:,.0f} s")
                if received > LIMIT_BYTES:
                    raise OSError(f"it is larger than the limit of {LIMIT_BYTES:,} bytes")
    # http.client lets a connection that closes early pass for the end of the body.
    if expected is not None and received != expected:
        raise OSError(f"{received:,} of {expected:,} bytes arrived")


def md5_of(path: Path) -> str:
    """MD5 (hex) of a file's bytes: no proof against an attacker, but all that some publishers state."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, functools.partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def _verify(archive: Archive, path: Path) -> None:
    """Sees that the bytes are the publisher's, or, where no checksum is known, at least the right kind of archive."""
    if archive.sha256 is not None:
        kind, found, stated = "SHA-256", cache.sha256_of(path), archive.sha256
    elif archive.md5 is not None:
        kind, found, stated = "MD5", md5_of(path), archive.md5
    elif archive.member:
        extract(path, archive.member)
        return
    else:
        with path.open("rb") as file:
            if packed.packing(file.read(16)) is None:
                raise InputError(f"{archive.url} is not the compressed file that was expected: {_by_hand(archive)}")
        return
    if found != stated:
        raise InputError(f"{archive.url} has {kind} {found}, but {stated} was expected: {_by_hand(archive)}")


def _by_hand(archive: Archive) -> str:
    return f"try again, or put {archive.filename} into the folder that --data-dir names"


def _show_terms(archive: Archive) -> None:
    """Writes the terms to stderr, the first time only."""
    marker = cache.folder() / "terms" / archive.filename
    if not marker.exists():
        sys.stderr.write(f"{archive.filename}\n  licence: {archive.licence}\n  cite: {archive.citation}\n")
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
