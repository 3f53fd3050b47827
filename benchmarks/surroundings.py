"""What a command finds around it, made usable before anything else is imported: its streams, and folders for caches.

Whatever is set in the environment here, the workers inherit.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import io
import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COMPILED = ("datasets", "backends", "benchmarks")
"""The packages with functions that Numba compiles and keeps."""
STAND_INS = str.maketrans({"·": "-", "–": "-", "−": "-", "…": "...", "×": "x", "≥": ">=", "≤": "<=", "±": "+-"})
"""What stands for our own signs where a terminal has none; anybody else's are shown by their number."""


def settle() -> None:
    """Opens what is closed, lets every terminal take every text, and finds a folder for what libraries keep."""
    _streams()
    warnings.formatwarning = _warned
    caches()


def _streams() -> None:
    # A file that is opened while one of the three is closed takes its number, and what a library prints goes into it.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # what Python makes of one that is closed
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    codecs.register_error("readable", _readable)
    sys.stdout, sys.stderr = _Output(sys.stdout, "the standard output"), _Output(sys.stderr, "the standard error")


def _warned(message: Warning | str, *_: object, **__: object) -> str:
    """A warning as the user reads it: the sentence, not the line of code that it comes from."""
    return f"warning: {message}\n"


class _Output(io.TextIOWrapper):
    """One of the two output streams, which takes every text, and whose errors say what could not be written."""

    def __init__(self, stream: Any, called: str) -> None:
        unbuffered = getattr(stream, "write_through", False)
        lines = getattr(stream, "line_buffering", False)
        super().__init__(stream.detach(), stream.encoding, "readable", line_buffering=lines, write_through=unbuffered)
        self._called = called

    def write(self, text: str) -> int:
        with self._naming():
            return super().write(text)

    def flush(self) -> None:
        with self._naming():
            super().flush()

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = self._called
            raise


def _readable(error: UnicodeError) -> tuple[str, int]:
    """Stand-ins for what cannot be encoded, undecodable bytes of file names among it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(STAND_INS)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def caches() -> None:
    """Gives Numba and Matplotlib a folder where the places that they would take cannot be written to.

    Without one Numba refuses to define what it compiles. What is kept beside the sources stays there where it can.
    """
    cache, config = _of_the_user("XDG_CACHE_HOME", ".cache"), _of_the_user("XDG_CONFIG_HOME", ".config")
    numba = os.environ.get("NUMBA_CACHE_DIR")
    if (
        not _kept_beside_the_sources()
        and not _is_writable(Path(numba) if numba else cache)
        and not _give("NUMBA_CACHE_DIR", "numba")
    ):
        _keep_nothing()
    matplotlib = os.environ.get("MPLCONFIGDIR")
    if not all(map(_is_writable, [Path(matplotlib)] if matplotlib else [cache, config])):
        _give("MPLCONFIGDIR", "matplotlib")


@functools.cache
def home_of_workers() -> dict[str, str]:
    """HOME for workers, where theirs takes no caches: frameworks make folders in it when they are imported."""
    if _is_writable(_of_the_user("", ".cache")):
        return {}
    folder = _fallback("home")
    return {"HOME": str(folder)} if folder else {}


def _of_the_user(variable: str, name: str) -> Path:
    """A folder of the user's; where nobody knows their home it is relative, and nothing is to be written there."""
    return Path(os.environ.get(variable) or os.path.expanduser(f"~/{name}"))  # noqa: PTH111 - Path's raises


def _kept_beside_the_sources() -> bool:
    folders = {path.parent for package in COMPILED for path in (ROOT / package).rglob("*.py")}
    return all(_is_writable(folder / "__pycache__") for folder in folders)


def _is_writable(folder: Path) -> bool:
    """Whether a folder takes files, or could be made where it is not there."""
    while folder.is_absolute() and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):  # as Numba finds it out
            return folder.is_absolute()
    except OSError:
        return False


def _give(variable: str, name: str) -> bool:
    os.environ.pop(variable, None)
    folder = _fallback(name)
    if folder:
        os.environ[variable] = str(folder)
    return folder is not None


def _fallback(name: str) -> Path | None:
    """A folder of ours for what would otherwise have no place: in our cache, else in a temporary folder."""
    from datasets import cache

    temporary = filter(None, (os.environ.get("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm"))  # noqa: S108 - see below
    for folder in (cache.folder() / name, *(Path(place) / f"recallbench-{os.getuid()}-{name}" for place in temporary)):
        with contextlib.suppress(OSError):
            if folder.is_absolute():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if _is_only_ours(folder) and _is_writable(folder):
                    return folder
    return None


def _is_only_ours(folder: Path) -> bool:
    """Whether nobody else can have put anything into a folder: what Numba keeps is run when it is found again."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _keep_nothing() -> None:
    """Numba compiles anew each time; only what this process itself calls, where there is no place for anything."""
    from numba.core.dispatcher import Dispatcher

    Dispatcher.enable_caching = lambda _: None  # type: ignore[method-assign, assignment]
