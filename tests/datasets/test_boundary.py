import errno

import pytest

from datasets import InputError, MachineError
from datasets.boundary import parsing, shown


class PanicException(BaseException):
    """What a panic in Rust code arrives as: no `Exception`."""


def caught(error: BaseException) -> str:
    with pytest.raises((InputError, MachineError)) as found, parsing("a.x is not whole", "download it again"):
        raise error
    assert found.value.__cause__ is error
    return f"{type(found.value).__name__}: {found.value}"


@pytest.mark.parametrize(
    "error",
    [ValueError("bad\nin two lines"), KeyError("bad"), PanicException("bad"), OSError("bad"), RecursionError("bad")],
)
def test_what_a_library_raises_is_bad_input(error):
    message = caught(error).replace("'", "")
    assert message.startswith("InputError: a.x is not whole (")
    assert message.endswith(": download it again")
    assert "bad" in message
    assert "\n" not in message


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EMFILE, errno.EIO])
def test_what_the_system_refuses_is_the_machines_fault(number):
    assert caught(OSError(number, "bad")).startswith("MachineError: reading failed (")


def test_memory_is_the_machines_fault():
    assert caught(MemoryError()).startswith("MachineError: memory ran out (MemoryError) where a.x is not whole")


def test_a_wrong_seek_is_bad_input():
    assert caught(OSError(errno.EINVAL, "Invalid argument")).startswith("InputError")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), InputError("ours"), MachineError("ours")])
def test_the_rest_passes(error):
    with pytest.raises(type(error)) as found, parsing("a.x is not whole", "download it again"):
        raise error
    assert found.value is error


def test_long_values_are_shown_in_part():
    assert shown("x" * 1_000_000) == "x" * 79 + "…"
    assert shown("x" * 80) == "x" * 80
