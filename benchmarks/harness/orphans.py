"""Processes that must not outlive those that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys


def end_with(parent: int) -> None:
    """Has this process killed when its parent ends, and ends it where that is over already.

    Args:
        parent: the id of the process that started it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed while this interpreter was starting
        sys.exit("the run that this worker belongs to is not its parent process any more")
