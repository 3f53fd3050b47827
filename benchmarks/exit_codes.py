"""How a command ends: its exit code, and the one sentence with which it ends where it is not fine."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

FINE = 0
FAILED = 1  # a verdict, a cell, or needs that nothing meets
WRONG_INPUT = 2
NOTHING_MEASURED = 3
MACHINE_FAILED = 4  # disk, memory, permission
OUR_FAULT = 70  # what sysexits.h calls an error in the software itself
INTERRUPTED = 130  # what shells report of a program that Ctrl-C ended
BROKEN_PIPE = 141  # and of one whose reader went away

MEANINGS = {
    FINE: "fine",
    FAILED: "a verdict or a cell failed, or nothing meets the needs",
    WRONG_INPUT: "wrong usage or input",
    NOTHING_MEASURED: "nothing was measured",
    MACHINE_FAILED: "the machine failed: disk, memory, permission",
    OUR_FAULT: "a fault in recallbench itself",
    INTERRUPTED: "interrupted; the same command goes on where it stopped",
    BROKEN_PIPE: "whoever read the output went away",
}

NO_SUCH_PATH = {errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}
"""What the system says of a path that is wrong, rather than of a machine that is."""
WAYS_OUT = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in the quota",
    errno.EACCES: "give this user the permission, or name a place where it has it",
    errno.EPERM: "give this user the permission, or name a place where it has it",
    errno.EROFS: "name a place that can be written to",
    errno.EMFILE: "raise the limit (`ulimit -n`)",
    errno.ENFILE: "close other programs, or raise the system's limit on open files",
    errno.EFBIG: "raise the limit on the size of a file (`ulimit -f`)",
    errno.EIO: "look after the disk",
    errno.EAGAIN: "raise the limit on processes (`ulimit -u`), or close other programs",
    errno.ENOMEM: "close other programs, or take a machine with more memory",
}


def ended(call: Callable[[], int], arguments: Sequence[str] = ()) -> int:
    """Calls a command and returns the exit code that its end has, however it ends.

    Args:
        call: the command, with everything that it imports.
        arguments: of the command line; with `--debug` among them a traceback stands above the sentence.
    """
    try:
        try:
            with _ending_signals():
                return call()
        finally:
            sys.stdout.flush()  # a full disk and a reader who went away show themselves here at the latest
    except KeyboardInterrupt:
        return _end(INTERRUPTED, f"{MEANINGS[INTERRUPTED]}\n")
    except BrokenPipeError:
        return _end(BROKEN_PIPE, "")
    except Exception as error:
        code, sentence = _told(error, arguments)
        shown = "".join(traceback.format_exception(error)) if "--debug" in arguments else ""
        return _end(code, f"{shown}error: {_on_one_line(sentence)}\n")


@contextlib.contextmanager
def _ending_signals() -> Iterator[None]:
    """Lets whoever ends the process or its terminal interrupt it as Ctrl-C does: workers end, the lock is freed."""
    before = {}
    if threading.current_thread() is threading.main_thread():  # nobody else may say what a signal does
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` has it
                before[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one would interrupt the end itself
    raise KeyboardInterrupt


def _end(code: int, text: str) -> int:
    """Says the last words, and sees to it that what could not be written is not tried again when Python ends."""
    for stream, last in ((sys.stdout, ""), (sys.stderr, text)):
        try:
            stream.write(last)
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
    return code


def _on_one_line(sentence: str) -> str:
    """What was given may stand in a sentence: its line ends, and what would steer a terminal, as escapes."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in sentence)


def _told(error: Exception, arguments: Sequence[str]) -> tuple[int, str]:
    from datasets.errors import InputError, MachineError  # here, so that an interrupt cannot come before `ended`

    if isinstance(error, InputError):
        return WRONG_INPUT, str(error)
    if isinstance(error, MachineError):
        return MACHINE_FAILED, str(error)
    if isinstance(error, MemoryError):
        said = f" ({error})" if str(error) else ""
        return MACHINE_FAILED, f"the memory did not suffice{said}; {_way_out(errno.ENOMEM)}."
    if isinstance(error, ImportError) and "failed to map segment" in str(error):
        return MACHINE_FAILED, f"the memory did not suffice for a library ({error}); {_way_out(errno.ENOMEM)}."
    if isinstance(error, OSError):
        return _of_the_system(error, arguments)
    what = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    hint = "report it with this traceback" if "--debug" in arguments else "run again with --debug and report it"
    return OUR_FAULT, f"this is a fault in recallbench: {what}; {hint}."


def _of_the_system(error: OSError, arguments: Sequence[str]) -> tuple[int, str]:
    said = error.strerror or " ".join(f"{type(error).__name__}: {error}".split())
    name = error.filename if error.filename is not None else _open_file(error)
    path = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""
    if path and error.errno in NO_SUCH_PATH and _is_among(path, arguments):
        return WRONG_INPUT, f"{path} cannot be used: {said}; expected another path, check what was given."
    return (
        MACHINE_FAILED,
        f"{path or 'a file or an output'} cannot be read or written: {said}; {_way_out(error.errno)}.",
    )


def _way_out(number: int | None) -> str:
    return f"{WAYS_OUT.get(number or 0, 'mend that')}, and give the same command again, which goes on where it stopped"


def _open_file(error: OSError) -> object:
    """The name of the file that was written; such errors do not have it, but the frame that they come from does."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        for value in frame.f_locals.values():
            if isinstance(value, io.IOBase) and isinstance(name := getattr(value, "name", None), str):
                return name
    return None


def _is_among(path: str, arguments: Sequence[str]) -> bool:
    """Whether a path is one that the user gave, or lies below one."""
    given = (argument.rpartition("=")[2].removeprefix("file:") for argument in arguments)
    inside = Path(path).absolute()
    return any(inside.is_relative_to(Path(argument).absolute()) for argument in given if argument)
