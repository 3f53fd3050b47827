"""Where other people's bytes meet other people's parsers: what those raise leaves as one of our two errors."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datasets.errors import InputError, MachineError

# What an `OSError` says when no input is to blame. A parser's own has no number, or that of a wrong seek.
OF_THE_MACHINE = frozenset(
    {
        errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE,
        errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT,
    }
)  # fmt: skip
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
SHOWN = 80


@contextmanager
def parsing(subject: str, advice: str) -> Iterator[None]:
    """Turns what a library raises on damaged bytes, which can be anything, into one sentence.

    Args:
        subject: what is wrong, such as "a.zip is not a whole zip archive".
        advice: what to do.

    Raises:
        InputError: the library failed.
        MachineError: the memory, the disk or a permission failed.
    """
    try:
        yield
    except (InputError, MachineError):
        raise
    except MemoryError as error:
        raise MachineError(f"memory ran out ({reason(error)}) where {subject}: free some, or {advice}") from error
    except OSError as error:
        if error.errno in OF_THE_MACHINE:
            raise MachineError(
                f"reading failed ({reason(error)}) where {subject}: mend that, then try again"
            ) from error
        raise InputError(f"{subject} ({reason(error)}): {advice}") from error
    except BaseException as error:
        # A panic in Rust code is no `Exception`; what ends the program is none either, and passes.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise InputError(f"{subject} ({reason(error)}): {advice}") from error


def reason(error: BaseException) -> str:
    """The first line of what an exception says, else its kind."""
    return shown((str(error).strip() or type(error).__name__).splitlines()[0], 3 * SHOWN)


def shown(text: str, length: int = SHOWN) -> str:
    """A text of any length as a sentence can bear it."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def expanded(path: Path) -> Path:
    """The path with `~` and `~name` replaced.

    Raises:
        InputError: nobody here is called so.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise InputError(f"{path} names no home folder of anybody here ({error}): give the whole path") from error


def regular(path: Path) -> os.stat_result:
    """What the system says of a file that can be read from begin to end, and again.

    Raises:
        InputError: there is none of that name, or it is a folder, a pipe or a device.
        MachineError: it may not be looked at.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path} does not exist: check the path, which is taken from {Path.cwd()}") from None
    except ValueError as error:
        raise InputError(f"{str(path)!r} is no path ({error}): give an existing file") from None
    except OSError as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        kind = next((words for holds, words in KINDS if holds(status.st_mode)), "no regular file")
        raise InputError(f"{path} is {kind}, but a file was expected: give a file, or save what comes from there")
    return status


def unreadable(path: Path, error: OSError) -> InputError | MachineError:
    """The sentence for a file that the system does not let us read."""
    kind = MachineError if error.errno in OF_THE_MACHINE else InputError
    return kind(f"{path} cannot be read ({error.strerror or reason(error)}): give a readable file")
