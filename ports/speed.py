"""How long a training step takes, theirs and ours, in PyTorch, eager, on one thread: a table for docs/ports.md.

    .tox/peers/bin/python -m ports.speed

Both are given the same batches, of data as large as MovieLens-1M, and take their turns one window after the other.
"""

import dataclasses
import functools
import importlib
import sys
import time
from pathlib import Path

import numpy as np
import torch

from backends.registry import FAMILIES
from benchmarks import sampling, specs
from benchmarks.agreement import own
from benchmarks.specs.base import Sizes

N_USERS, N_ITEMS, N_ROWS = 6_000, 3_500, 1_000_000
N_WINDOWS, WINDOW_S, N_STEPS = 7, 1.0, 10
OF_SEQUENCES = {"embedding_dim": 64, "length": 50, "trains_on": "cuts", "min_history": 4, "cuts_per_sequence": 1}
ASKED = {
    "recbole_bpr.py": ("mf-bpr", "Varied", {"embedding_dim": 64, "batch_size": 2048}),
    "recbole_gru4rec.py": (
        "gru4rec",
        "AsInstalled",
        {**OF_SEQUENCES, "batch_size": 2048, "padding_masked": True, "normalised": False},
    ),
    "recbole_sasrec.py": (
        "sasrec",
        "AsInstalled",
        {**OF_SEQUENCES, "batch_size": 512, "n_heads": 2, "ffn_dim": 256, "n_negatives": 0, "dropout": 0.0},
    ),
    "rechub_youtube_dnn.py": (
        "youtube-dnn",
        "Varied",
        {"embedding_dim": 16, "batch_size": 256, "user_features": ("user", "history"), "history_length": 50, "l2": 0.0},
    ),
}


@dataclasses.dataclass(frozen=True)
class Made:
    """Rows at random, those of a user in the order in which they stand; see `benchmarks.specs.base.Training`."""

    n_users: int
    n_items: int
    user: np.ndarray
    item: np.ndarray

    @functools.cached_property
    def item_counts(self):
        return np.bincount(self.item, minlength=self.n_items)

    @functools.cached_property
    def sequence_indptr(self):
        return np.concatenate([[0], np.cumsum(np.bincount(self.user, minlength=self.n_users))]).astype(np.int64)

    @property
    def sequence_user(self):
        return np.arange(self.n_users, dtype=np.int32)

    @property
    def sequence_items(self):
        return self.item

    @property
    def seen_indptr(self):
        return self.sequence_indptr

    @property
    def seen_items(self):
        return self.item


def made():
    rng = np.random.default_rng(0)
    user = np.sort(rng.integers(0, N_USERS, N_ROWS, dtype=np.int32))
    return Made(N_USERS, N_ITEMS, user, (N_ITEMS * rng.random(N_ROWS) ** 3).astype(np.int32))


class Side:
    """An adapter with a model of its own."""

    def __init__(self, adapter, spec, sizes):
        parameters = sampling.initial_parameters(spec.parameters(sizes), ("speed", spec.model))
        self.adapter, self.state = adapter, adapter.init(spec, parameters, "cpu", "eager")

    def rate(self, chunk, window_s):
        """Steps a second, over a window of at least so long."""
        start, n_steps = time.perf_counter(), 0
        while not n_steps or time.perf_counter() - start < window_s:
            self.state, losses = self.adapter.train(self.state, chunk)
            n_steps += len(losses)
        return n_steps / (time.perf_counter() - start)


def compared(file, model, variation, settings, training):
    """Samples a second of each window: float64[windows, 2], theirs and ours."""
    path, sizes = Path(__file__).with_name(file), Sizes(training.n_users, training.n_items)
    theirs = own.load(path)
    spec = getattr(sys.modules[f"{own.PACKAGE}.{path.stem}"], variation)(**settings)
    ours = importlib.import_module(FAMILIES[model].adapters["torch"])
    sides = Side(theirs, spec, sizes), Side(ours, specs.make(model, settings), sizes)
    chunk = {name: values[:N_STEPS] for name, values in next(spec.batches(training, ("speed",), 1)).items()}
    for side in sides:
        side.rate(chunk, WINDOW_S / 10)
    rates = [[side.rate(chunk, WINDOW_S) for side in sides] for _ in range(N_WINDOWS)]
    return settings["batch_size"] * np.array(rates)


def lines():
    training = made()
    yield "| port | batch | theirs, samples a second | ours | ours, as a multiple |"
    yield "|---|---:|---:|---:|---:|"
    for file, (model, variation, settings) in ASKED.items():
        rates = compared(file, model, variation, settings, training)
        theirs, ours = np.median(rates, 0)
        ratios = rates[:, 1] / rates[:, 0]
        multiple = f"{np.median(ratios):.2f}× ({ratios.min():.2f}× – {ratios.max():.2f}×)"
        yield f"| `{file}` | {settings['batch_size']:,} | {theirs:,.0f} | {ours:,.0f} | {multiple} |"


def main():
    torch.set_num_threads(1)
    for line in lines():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
