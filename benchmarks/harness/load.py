"""What else a machine does while something is timed: processors that others keep busy, or that a hypervisor takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import psutil

LOAD, STEAL = "turn_load", "turn_steal"
"""Timings of a task that took turns: processors, on average over each turn."""
MOST = {LOAD: 0.5, STEAL: 0.1}
"""Medians over the turns above which figures are not those of a machine of one's own."""
OWN = ("user", "system", "children_user", "children_system")
OF_OTHERS = ("user", "nice", "system", "irq", "softirq")


class Watch:
    """Notes, turn by turn, what others did meanwhile; the system counts in hundredths of a second."""

    def __init__(self) -> None:
        self.turns: dict[str, list[float]] = {LOAD: [], STEAL: []}

    @contextlib.contextmanager
    def turn(self, pid: int) -> Iterator[None]:
        """Notes what happens in the block, besides the work of the process of that number."""
        before = _seconds(pid)
        yield
        after = _seconds(pid)
        if before is None or after is None:  # it has ended, and has no figures either
            return
        wall_s, own_s, busy_s, stolen_s = (b - a for a, b in zip(before, after, strict=True))
        self.turns[LOAD].append(round(max(0.0, busy_s - own_s) / wall_s, 3))
        self.turns[STEAL].append(round(max(0.0, stolen_s) / wall_s, 3))


def _seconds(pid: int) -> tuple[float, float, float, float] | None:
    """Of the clock, of a process, of all processors while they work, and of what is taken from them."""
    machine = psutil.cpu_times()
    try:
        process = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    own, busy = (
        sum(getattr(times, name, 0.0) for name in names) for times, names in ((process, OWN), (machine, OF_OTHERS))
    )
    return time.monotonic(), own, busy, getattr(machine, "steal", 0.0)


def disturbance(results: Sequence[Mapping[str, Any]]) -> str | None:
    """Why figures that were taken by turns are void, as a clause; None where the machine was theirs."""
    for name, what in ((LOAD, "others kept {:.2f} processors busy"), (STEAL, "{:.2f} processors were taken away")):
        medians = [median(turns) for result in results if (turns := result.get("timings", {}).get(name))]
        if medians and max(medians) > MOST[name]:
            return f"{what.format(max(medians))}, expected at most {MOST[name]:g}"
    return None
