"""One framework's part in handing checkpoints around; `test_checkpoints.py` starts it, since two cannot meet.

    checkpoint_checks.py write <backend> <folder>    trains, leaves a checkpoint, and what it was worth
    checkpoint_checks.py go_on <backend> <folder>    goes on from everybody's checkpoint, and says how far it was off

The model is GRU4Rec on the ladder's problem. What a writer leaves besides the checkpoint are the vectors that it had,
and the losses of four more steps that it took itself from its own checkpoint.
"""

import importlib
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backends.registry import FAMILIES, FRAMEWORKS
from benchmarks import checkpoints
from benchmarks.agreement import climbs, ladder_data, reference
from benchmarks.harness.evaluation import answers
from benchmarks.specs.base import Sizes

FAMILY = "gru4rec"
N_MORE = 4
CLIMB = climbs.of(FAMILY, quick=True)[0]
SPEC = CLIMB.spec
DATA = ladder_data.problem()
TABLE = SPEC.parameters(Sizes.of(DATA))


def adapter_of(backend: str) -> Any:
    return importlib.import_module(FAMILIES[FAMILY].adapters[backend])


def chunk(epoch: int) -> dict[str, np.ndarray]:
    return next(SPEC.batches(DATA, ("checkpoints",), epoch))


def vectors(adapter: Any, state: Any) -> dict[str, np.ndarray]:
    everybody = ladder_data.asked(DATA, np.arange(DATA.n_users, dtype=np.int32))
    users = answers(SPEC, partial(adapter.embed_users, state), everybody)
    return {"users": users, "items": adapter.embed_items(state)}


def more_losses(adapter: Any, state: Any) -> np.ndarray:
    _, losses = adapter.train(state, {name: values[:N_MORE] for name, values in chunk(2).items()})
    return losses


def resumed(adapter: Any, path: Path) -> Any:
    return adapter.init(SPEC, checkpoints.load(path, TABLE), "cpu", "eager")


def write(backend: str, folder: Path) -> dict[str, float]:
    """One epoch, the checkpoint, and beside it what the writer itself makes of it."""
    adapter, start = adapter_of(backend), reference.start(CLIMB)
    state = adapter.init(SPEC, start, "cpu", "eager")
    state, _ = adapter.train(state, chunk(1))
    checkpoints.save(folder / f"{backend}.npz", adapter.export(state))
    had = vectors(adapter, state)
    untrained = vectors(adapter, adapter.init(SPEC, start, "cpu", "eager"))
    losses = more_losses(adapter, resumed(adapter, folder / f"{backend}.npz"))
    np.savez(folder / f"{backend}-had.npz", losses=losses, **had)
    return {"moved": min(apart(had[name], untrained[name]) for name in had), "fell": float(losses[0] - losses[-1])}


def go_on(backend: str, folder: Path) -> dict[str, dict[str, float]]:
    """Writer -> largest differences of vectors and of losses, relative to the largest of each."""
    adapter = adapter_of(backend)
    found = {}
    for writer in FRAMEWORKS:
        state = resumed(adapter, folder / f"{writer}.npz")
        with np.load(folder / f"{writer}-had.npz") as had:
            found[writer] = {name: apart(value, had[name]) for name, value in vectors(adapter, state).items()}
            found[writer]["losses"] = apart(more_losses(adapter, state), had["losses"])
    return found


def apart(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return float("inf")
    return float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))


if __name__ == "__main__":
    phase = {"write": write, "go_on": go_on}[sys.argv[1]]
    sys.stdout.write("\n" + json.dumps(phase(sys.argv[2], Path(sys.argv[3]))) + "\n")
