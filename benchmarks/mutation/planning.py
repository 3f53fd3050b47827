"""Which mutants are tried: the cells of `mutate`, one a file."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks.agreement import SHARED
from benchmarks.agreement.planning import LADDER_DATA
from benchmarks.harness.environment import ROOT
from benchmarks.harness.plan import Cell, Prepared
from benchmarks.mutation import judging
from benchmarks.mutation.mutants import Mutant, mutants, sample
from datasets.errors import InputError

PROTOCOL = {"name": "mutants", "primary_metric": "n_caught"}
TESTS = "its own tests"
PREPARED = Prepared(LADDER_DATA, PROTOCOL, Path(), {"split": "mutants"}, ())


def files(paths: Sequence[Path], backends: Sequence[str]) -> dict[str, str]:
    """The files to be judged, by their paths relative to the root, each with its backend.

    Args:
        paths: files and folders; none for all.
        backends: only files of these; none for all.

    Raises:
        InputError: a path leads to none that can be.
    """
    able = judging.files()
    wanted = set[str]() if paths else set(able)
    for given in paths:
        found = {name for name in able if (ROOT / name).is_relative_to(given.resolve())}
        if not found:
            known = ", ".join(judging.ROOMS)
            raise InputError(f"{given} has no mutants that can be judged, expected one of {known}, or files in these.")
        wanted |= found
    asked = {name: of for name, of in able.items() if name in wanted and (of in backends or not backends)}
    # What adapters share comes last: by then it is known of all families how they climb as they are.
    return dict(sorted(asked.items(), key=lambda file: PurePosixPath(file[0]).stem in SHARED))


def cells(files: Mapping[str, str], n: int | None, seed: str, timeout_s: float | None) -> Iterator[Cell]:
    """One for each file with any mutants.

    Args:
        files: their paths, and the backend of each.
        n: so many of their mutants, drawn; None for all.
        seed: what the draw is keyed by.
        timeout_s: seconds that a check of one mutant may take; None for what it takes without one suggests.
    """
    made = {name: mutants(name, (ROOT / name).read_text(encoding="utf-8")) for name in files}
    settings: dict[str, Any] = {"variant": "all mutants"}
    asked = set(itertools.chain.from_iterable(made.values()))
    if n is not None:
        asked = set(_drawn(made, n, seed))
        settings = {"variant": "sample", "sample": n, "sample_seed": seed}
    for name, backend in files.items():
        places = [at for at, mutant in enumerate(made[name]) if mutant in asked]
        if places:
            yield Cell(
                kind="mutation",
                model=name,
                settings=settings,
                backend=backend,
                mode="eager",
                device="cpu",
                threads=1,
                seed=0,
                dataset=TESTS if backend == judging.OWN_TESTS else LADDER_DATA,
                protocol=PROTOCOL,
                inputs={
                    **judging.inputs(name, backend),
                    "chosen": places,
                    "equivalent": list(map(dataclasses.asdict, judging.table(name))),
                    "timeout_s": timeout_s,
                },
            )


def _drawn(made: Mapping[str, Sequence[Mutant]], n: int, seed: str) -> tuple[Mutant, ...]:
    """So many mutants of a few files: each file costs minutes before its first mutant is tried.

    The files are drawn in proportion to their mutants until they have as many, and then those among theirs.
    """
    everything = list(itertools.chain.from_iterable(made.values()))
    few: dict[str, Sequence[Mutant]] = {}
    for mutant in sample(everything, len(everything), seed):
        if sum(map(len, few.values())) >= n:
            break
        few.setdefault(mutant.path, made[mutant.path])
    return sample(list(itertools.chain.from_iterable(few.values())), n, seed)
