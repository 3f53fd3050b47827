"""Climbs of the ladder as cells of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from backends.registry import FAMILIES, Unsupported
from benchmarks.harness import environment
from benchmarks.harness.plan import Cell, Options, Prepared
from benchmarks.specs.base import settings

if TYPE_CHECKING:
    from benchmarks.agreement.climbs import Climb  # which brings Numba with it

LADDER_DATA = "the ladder's own data"
PROTOCOL = {"name": "ladder", "primary_metric": "recall@10"}
HASHES = {"split": "ladder"}


def prepared(hashes: Mapping[str, str] = HASHES) -> Prepared:
    """What climbs read: nothing of a file."""
    return Prepared(LADDER_DATA, PROTOCOL, Path(), hashes, ())


def cell(
    climb: Climb, backend: str, mode: str, seed: int, options: Options, *, hashes: Mapping[str, str] = HASHES
) -> Cell:
    """One climb by one adapter.

    Args:
        climb: of the model that its spec names.
        backend: a framework that has a row for the model.
        mode: "eager" or "compiled".
        seed: what all of its data are keyed by.
        options: whose device and threads it has.
        hashes: what tells repeated climbs apart.
    """
    adapter = FAMILIES[climb.spec.model].adapters[backend]
    return Cell(
        kind="agreement",
        model=climb.spec.model,
        settings=settings(climb.spec),
        backend=backend,
        mode=mode,
        device=options.device,
        threads=options.threads,
        seed=seed,
        dataset=LADDER_DATA,
        protocol={**PROTOCOL, "climb": climb.name},
        inputs={**hashes, "versions": environment.versions(backend), "machine": environment.machine().id},
        refusal=adapter.reason if isinstance(adapter, Unsupported) else None,
    )
