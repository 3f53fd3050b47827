"""The device that a model trains on: what lies in its memory, how much of that it takes, and what it draws.

Of the CPU, which the process runs on as well, there is nothing to say here.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from backends.contract import Arrays


@dataclass(frozen=True)
class Accelerator:
    """The device of a cell.

    Attributes:
        memory_of: the backend's module of what only a GPU is asked for, `backends/<backend>/gpu.py`; None on a CPU.
        board: NVML's handle of the GPU; None on a CPU, and where nobody counts what the GPU draws.
    """

    memory_of: ModuleType | None
    board: Any

    @classmethod
    def of(cls, backend: str, device: str) -> Accelerator:
        """That of a backend's cell, in a process that sees the GPU, if it is to have one."""
        if device != "gpu":
            return cls(None, None)
        return cls(importlib.import_module(f"backends.{backend}.gpu"), _board())

    def resident(self, batches: Arrays) -> Arrays:
        """The batches where the device reads them, so that nothing is copied while the clock runs."""
        return self.memory_of.resident(batches) if self.memory_of else batches

    def memory(self) -> dict[str, int]:
        """For a record's `memory`: the most of the device's that arrays have taken so far, in bytes."""
        most = self.memory_of.peak_bytes() if self.memory_of else None
        return {} if most is None else {"peak_device_bytes": most}

    def joules(self) -> float | None:
        """What the whole board has drawn since its driver was loaded; None where nobody counts.

        NVIDIA, "NVML API Reference": `nvmlDeviceGetTotalEnergyConsumption`, in thousandths of a joule, from Volta on.
        """
        if self.board is None:
            return None
        import pynvml

        return pynvml.nvmlDeviceGetTotalEnergyConsumption(self.board) / 1000


def _board() -> Any:
    """The handle of the GPU that this process sees as its first; None where NVML does not know it or count for it."""
    try:
        import pynvml
    except ImportError:  # no GPU environment of ours, which brings it
        return None
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip() or "0"
    try:
        pynvml.nvmlInit()
        by_index, by_name = pynvml.nvmlDeviceGetHandleByIndex, pynvml.nvmlDeviceGetHandleByUUID
        board = by_index(int(first)) if first.isdecimal() else by_name(first)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(board)
    except pynvml.NVMLError:  # no driver, or a GPU that does not count
        return None
    return board
