"""The two sides of a gate: a tree of sources with the interpreter that runs them, and the jobs that it plans."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gate.cells import FORM
from benchmarks.gate.figures import OF_KIND
from benchmarks.harness import sources
from benchmarks.harness.environment import ROOT
from benchmarks.specs.base import digest
from datasets.errors import InputError

PROGRAM = ("-P", "-m", "benchmarks.gate.cells")
"""Without the current folder on the module path, which may hold other sources than those of the side."""
PATHS = ("split", "vectors")
"""What of a job says where files lie; what they hold has a hash of its own in it, or follows from the rest."""
NO_GATE = "No module named 'benchmarks.gate"


@dataclass(frozen=True)
class Contestant:
    """A side.

    Attributes:
        name: what it is called: the revision, or "working tree".
        root: the folder of its sources.
        python: its interpreter.
        cells: the lines of a process's cells -> their job.
    """

    name: str
    root: Path
    python: str
    cells: Mapping[tuple[str, ...], Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def key(self) -> str:
        """16 hex digits, the same for the same sources under an interpreter of the same place and packages."""
        listed = subprocess.run(
            [self.python, "-m", "benchmarks.harness.environment", "every"],
            cwd=self.root,
            capture_output=True,
            check=False,
        ).stdout.decode(errors="replace")
        return digest([sources.tree_hash(self.root), self.python, listed])

    def measures(self, what: tuple[str, ...]) -> dict[str, Any]:
        """What a process of its cells is told to do, wherever the files lie that it reads."""
        return {name: value for name, value in self.cells[what].items() if name not in PATHS}


@contextlib.contextmanager
def tree(revision: str | None, side: str) -> Iterator[tuple[str, Path]]:
    """A revision's name and its sources, in a worktree that is removed again; None is the working tree as it stands.

    Raises:
        InputError: this is no git repository, or it has no such revision.
    """
    if revision is None:
        yield "working tree", ROOT
        return
    refusal = f"{revision} is no revision of this repository"
    commit = _git(refusal, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    folder = _trees() / side
    try:
        _git(f"{revision} cannot be checked out", "worktree", "add", "--detach", "--force", str(folder), commit)
        yield f"{revision} ({commit[:12]})", folder
    finally:
        _remove(folder)


def sweep() -> None:
    """Removes the worktrees that a gate which was killed has left, as far as they have come to be."""
    with contextlib.suppress(InputError, OSError):
        for folder in list(_trees().iterdir()):
            _remove(folder)


def _trees() -> Path:
    return Path(_git("this is no git repository", "rev-parse", "--absolute-git-dir")) / "gate"


def _remove(folder: Path) -> None:
    """A worktree with whatever is in it, also where git holds it to be locked since it was being made."""
    for words in (("remove", "--force", "--force", str(folder)), ("prune",)):
        with contextlib.suppress(InputError):
            _git("", "worktree", *words)
        shutil.rmtree(folder, ignore_errors=True)


def _git(refusal: str, *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise InputError(
            f"git cannot be started ({error.strerror}); install it, or compare interpreters alone."
        ) from error
    if done.returncode:
        said = " ".join(done.stderr.split())[:200]
        raise InputError(f"{refusal}{f' ({said})' if said else ''}; `git log --oneline` lists the last ones.")
    return done.stdout.strip()


def planned(contestant: Contestant, suite: str, results: Path, more: Sequence[str]) -> Contestant:
    """The contestant with the jobs that it plans for a suite.

    Args:
        contestant: with its tree and interpreter.
        suite: a name or a file, which the tree reads itself.
        results: a folder for what its cells read.
        more: options of `benchmarks.gate.cells`.

    Raises:
        InputError: it has no gate, or cannot be started or read, or the suite is none to it.
    """
    command = [contestant.python, *PROGRAM, suite, str(results), *more]
    paths = [str(contestant.root), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        # In the current folder, from which the paths of a suite's own files start, with the sources of the side.
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, capture_output=True, text=True,
            errors="replace", check=False,
        )  # fmt: skip
    except OSError as error:
        raise InputError(
            f"{contestant.python} cannot be started ({error.strerror}); name a Python interpreter."
        ) from error
    last = done.stdout.strip().splitlines()[-1:] or [""]
    try:
        answer = json.loads(last[0])
        if answer["form"] != FORM:
            raise ValueError(answer["form"])
    except (ValueError, KeyError, TypeError) as error:
        if NO_GATE in done.stderr:
            raise InputError(f"{contestant.name} has no gate yet; name a later revision as the base.") from error
        said = " ".join((done.stderr.strip().splitlines() or ["it said nothing"])[-1].split())[:300]
        raise InputError(
            f"{contestant.name} cannot plan the suite {suite} with {contestant.python}: {said}."
        ) from error
    if "error" in answer:
        raise InputError(f"{contestant.name}: {answer['error']}")
    cells = {tuple(one["what"]): one["job"] for one in answer["cells"]}
    if unknown := {job["kind"] for job in cells.values()} - set(OF_KIND):
        raise InputError(
            f"{contestant.name} has cells of kinds that this gate cannot compare ({', '.join(sorted(unknown))}); "
            "run the gate of the newer one of both revisions."
        )
    if len(cells) != len(answer["cells"]):
        raise InputError(f"{contestant.name}: two processes of the suite {suite} are called the same; tell them apart.")
    return dataclasses.replace(contestant, cells=cells)


def python_of(given: str | None) -> str:
    """The interpreter that was named, else this one.

    Raises:
        InputError: there is no such program.
    """
    found = shutil.which(given) if given else sys.executable
    if found is None:
        raise InputError(f"there is no program {given!r}, expected the path of a Python interpreter; correct it.")
    return str(Path(found).absolute())
