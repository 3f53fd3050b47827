"""An epoch of DSSM over MovieLens-1M in each framework, as a ratio to the loop that tutorials write in PyTorch.

A million positives with three negatives each, on one thread. The floor is the same model with a Dataset that gives one
row after the other and a collate function in Python; its negatives are drawn beforehand and not counted. A twentieth of
its epoch is timed before each framework's epoch and another after it. Run it with
`python -m pytest benchmarks/bench_tutorial.py -s`; it takes some ten minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import datasets
from backends.registry import FRAMEWORKS
from benchmarks import sampling
from benchmarks.specs.dssm import DSSM

DATA = Path(os.environ.get("RECALLBENCH_DATA") or "../shared/data")
SPEC = DSSM(variant="one epoch", epochs=1)
SUITE = """
[[block]]
dataset = "ml-1m"
modes = ["compiled"]
protocol = { name = "time-split", train_until = "2003-01-01", validation_until = "2003-01-01", per = "user", \
unknown_users = "drop", period = "test", ks = [50], primary_metric = "recall_micro@50" }
models = [{ model = "dssm", settings = { variant = "one epoch", epochs = 1 } }]
"""
PARTS = 20  # of the floor's epoch, timed as one


def tutorial(rows, n_users, n_items):
    """A loader of batches and the step that takes one, as tutorials write them."""
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.utils.data import DataLoader, Dataset

    class Rows(Dataset):
        def __len__(self):
            return len(rows)

        def __getitem__(self, place):
            return rows[place]

    def collate(batch):
        users, items, labels = zip(*batch, strict=True)
        return torch.tensor(users), torch.tensor(items), torch.tensor(labels)

    class Tower(nn.Module):
        def __init__(self, n_rows, sizes):
            super().__init__()
            self.embedding = nn.Embedding(n_rows, SPEC.embedding_dim)
            self.first = nn.Linear(SPEC.embedding_dim, sizes[0])
            self.second = nn.Linear(*sizes)

        def forward(self, row):
            x = functional.leaky_relu(self.first(self.embedding(row)))
            x = functional.leaky_relu(self.second(x))
            return x / x.square().sum(1, keepdim=True)

    torch.set_num_threads(1)
    torch.manual_seed(0)
    users, items = Tower(n_users, SPEC.user_tower), Tower(n_items, SPEC.item_tower)
    optimizer = torch.optim.Adam([*users.parameters(), *items.parameters()], lr=SPEC.learning_rate)
    loss_of = nn.BCEWithLogitsLoss()

    def step(batch):
        user, item, label = batch
        optimizer.zero_grad()
        loss = loss_of(torch.sigmoid((users(user) * items(item)).sum(1)), label)
        loss.backward()
        optimizer.step()
        return loss.item()

    batch_size = SPEC.batch_size * (1 + SPEC.n_negatives)
    return DataLoader(Rows(), batch_size, shuffle=True, collate_fn=collate), step


@pytest.fixture(scope="module")
def floor():
    """Gives the seconds of a tutorial's epoch whenever it is called, from one part of it."""
    if not DATA.exists():
        pytest.skip(f"no real data: {DATA} does not exist (RECALLBENCH_DATA names another folder)")
    data = datasets.load("ml-1m", data_dir=DATA)
    negatives = sampling.generator("bench").integers(0, data.n_items, (len(data), SPEC.n_negatives))
    items = np.column_stack([data.item, negatives])
    labels = np.zeros(items.shape)
    labels[:, 0] = 1
    users = np.repeat(data.user, items.shape[1])
    rows = list(zip(users.tolist(), items.ravel().tolist(), labels.ravel().tolist(), strict=True))
    loader, step = tutorial(rows, data.n_users, data.n_items)

    def epoch_s():
        batches = iter(loader)
        for _ in range(20):
            step(next(batches))
        n_steps = len(loader) // PARTS
        start = time.perf_counter()
        losses = [step(next(batches)) for _ in range(n_steps)]
        seconds = time.perf_counter() - start
        assert np.isfinite(losses).all()
        return seconds / n_steps * len(loader)

    return epoch_s


@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_an_epoch_of_dssm(benchmark, floor, backend, tmp_path):
    """Floor: the tutorial's loop."""
    (tmp_path / "suite.toml").write_text(SUITE)
    command = [sys.executable, "-m", "benchmarks", "run", "--suite", str(tmp_path / "suite.toml")]
    command += ["--backends", backend, "--data-dir", str(DATA), "--results", str(tmp_path / "results")]
    floors = [floor()]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=1)
    floors.append(floor())
    (record,) = map(json.loads, (tmp_path / "results" / "records.jsonl").read_text().splitlines())
    assert record["status"] == "ok"
    timings = record["timings"]
    epoch_s = timings["batches_s"] + timings["train_s"]
    ratios = sorted(seconds / epoch_s for seconds in floors)
    benchmark.extra_info |= {"epoch_s": epoch_s, "floor_s": floors, "times_as_fast": ratios}
    print(  # noqa: T201
        f"\n{backend} compiled: an epoch of {timings['n_samples']:,} positives in {epoch_s:.0f} s, of it "
        f"{timings['first_step_s']:.1f} s for the first chunk, compiling included; the tutorial's loop takes "
        f"{floors[0]:.0f} and {floors[1]:.0f} s: {ratios[0]:.1f} to {ratios[1]:.1f} times as fast"
    )
