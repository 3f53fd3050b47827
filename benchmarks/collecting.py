"""Python's search for objects that refer to each other in circles, kept away from records: they never do.

It begins anew whenever there are a quarter more objects than the last time, and goes over all of them: with a hundred
thousand records it takes a third of the time that they are read and reported in.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """No search in the block, which makes many objects and keeps them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Searches in the block go over what it makes itself, such as pictures, and not over what was there before."""
    is_own = gc.get_freeze_count() == 0  # who has set something aside already wants it to stay so
    gc.freeze()
    try:
        yield
    finally:
        if is_own:
            gc.unfreeze()
