"""The collector is kept away from what makes and keeps many objects, and comes back whatever happens."""

import gc

import pytest

from benchmarks import collecting


def test_it_is_off_in_the_block_and_back_on_after_an_error():
    seen = []

    @collecting.paused()
    def failing():
        seen.append(gc.isenabled())
        raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert (seen, gc.isenabled()) == ([False], True)


def test_who_had_it_off_keeps_it_off():
    gc.disable()
    try:
        with collecting.paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_there_before_is_set_aside():
    kept = [[] for _ in range(1_000)]
    with collecting.aside():
        assert gc.get_freeze_count() > len(kept)
        assert not any(one is kept for one in gc.get_objects())
    assert gc.get_freeze_count() == 0
    assert any(one is kept for one in gc.get_objects())
