"""The ladder's own test: mistakes that real ports make, injected into the adapters' source, each to be caught.

A bug is an edit of an adapter's text, made in a copy and in a worker of its own; the text that it replaces must stand
there exactly once, so that the table cannot fall behind the code. A ladder that lets one through is broken.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from backends.registry import FRAMEWORKS
from benchmarks.agreement import SHARED, WHOLE, climbs, ladder
from benchmarks.agreement.climbs import Climb
from benchmarks.agreement.tolerances import LADDER


@dataclass(frozen=True)
class Edit:
    """One replacement in `backends/<backend>/<module>.py`, run in one mode."""

    module: str
    old: str
    new: str
    mode: str = "eager"


@dataclass(frozen=True)
class Bug:
    """A mistake, and how it looks in each backend where it can be made.

    Attributes:
        name: what is wrong, in words.
        rung: the highest rung that may catch it; a lower one may be quicker.
        model: the family that shows it.
        variant: of which variant the climb is that shows it; "" for that of the family's first to the end.
        edits: backend -> edit.
        seen: where it has been seen in public, as owner/project#number of an issue or a pull request, or as a short
            citation of documentation or a paper; () where no place is known.
        climb: the name of the climb that shows it.
    """

    name: str
    rung: str
    model: str
    variant: str
    edits: Mapping[str, Edit]
    seen: tuple[str, ...] = ()
    climb: str = WHOLE

    def at(self) -> Climb:
        """The climb that shows it, of its family's.

        Raises:
            LookupError: there is none of these names.
        """
        variant = self.variant or climbs.of(self.model, quick=True)[0].spec.variant
        return climbs.named(self.model, variant, self.climb)


def bugs() -> tuple[Bug, ...]:
    """The table: one file a family in bugs/ beside this one."""
    return tuple(
        Bug(
            row["name"],
            row["rung"],
            path.stem.replace("_", "-"),
            row.get("variant", ""),
            {name: Edit(**row[name]) for name in FRAMEWORKS if name in row},
            tuple(row.get("seen", ())),
            row.get("climb", WHOLE),
        )
        for path in sorted(Path(__file__).with_name("bugs").glob("*.toml"))
        for row in tomllib.loads(path.read_text(encoding="utf-8"))["bug"]
    )


@contextlib.contextmanager
def injected(adapter: str, edit: Edit) -> Iterator[ModuleType]:
    """The adapter module, imported afresh with the edit in it; afterwards all modules are as they were.

    Raises:
        ValueError: if the text to be replaced is not in the module exactly once.
    """
    name = f"{adapter.rpartition('.')[0]}.{edit.module}"
    source = _file(name).read_text(encoding="utf-8")
    if source.count(edit.old) != 1:
        raise ValueError(f"{name} holds {edit.old!r} {source.count(edit.old)} times, expected once; mend the table.")
    with replaced(adapter, {name: source.replace(edit.old, edit.new)}) as module:
        yield module


@contextlib.contextmanager
def replaced(adapter: str, sources: Mapping[str, str]) -> Iterator[ModuleType]:
    """The adapter module, imported afresh with what it shares with others; afterwards all modules are as they were.

    Nothing of the original is imported for that, so that whatever a module does where it is imported is the copy's.

    Args:
        adapter: the adapter's module, e.g. "backends.torch.mf_bpr".
        sources: name of the adapter or of a module that it shares -> the source to be taken in place of its own.
    """
    package = importlib.import_module(adapter.rpartition(".")[0])
    shared = (f"{package.__name__}.{name}" for name in SHARED)
    names = [*(name for name in shared if importlib.util.find_spec(name) is not None), adapter]
    kept = {name: sys.modules.get(name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in names:
                source = sources[name] if name in sources else _file(name).read_text(encoding="utf-8")
                _put(package, name, _imported(name, source, Path(folder)))
            yield sys.modules[names[-1]]
        finally:
            for name, module in kept.items():
                _put(package, name, module)


def _put(package: ModuleType, name: str, module: ModuleType | None) -> None:
    """A module is found in the table of modules by one form of import, as its package's attribute by another."""
    attribute = name.rpartition(".")[2]
    if module is not None:
        sys.modules[name] = module
        setattr(package, attribute, module)
        return
    sys.modules.pop(name, None)
    if hasattr(package, attribute):
        delattr(package, attribute)


def _file(name: str) -> Path:
    found = importlib.util.find_spec(name)
    assert found is not None  # noqa: S101 - an adapter of the registry, or what it imports
    assert found.origin is not None  # noqa: S101 - and a file
    return Path(found.origin)


def _imported(name: str, source: str, folder: Path) -> ModuleType:
    """A module under its own name from a copy with that source: a file, since TensorFlow reads the source again."""
    copy = folder / f"{name}.py"
    copy.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, copy)
    assert spec is not None  # noqa: S101 - it ends in .py
    assert spec.loader is not None  # noqa: S101 - the same
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while they are made
    spec.loader.exec_module(module)
    return module


def inject_all(backend: str, adapter: str, model: str, device: str) -> list[dict[str, Any]]:
    """Injects every bug of this backend and family in turn and lets the ladder look, climb by climb.

    Args:
        backend: name of the backend.
        adapter: the family's adapter module, e.g. "backends.torch.mf_bpr".
        model: the family.
        device: "cpu" or "gpu".

    Returns:
        For each: bug, mode, due (the rung that must catch it), broke (the rung that broke, or None), caught, and seen
        (where it has been seen in public).

    Raises:
        ValueError: if the adapter breaks as it is, so that whatever its bugs break would prove nothing.
    """
    order = climbs.of(model).index
    chosen = [(bug, bug.edits[backend], bug.at()) for bug in bugs() if bug.model == model and backend in bug.edits]
    chosen.sort(key=lambda one: order(one[2]))
    for climb, mode in dict.fromkeys((climb, edit.mode) for _, edit, climb in chosen):
        sound = ladder.climb(importlib.import_module(adapter), climb, device, mode).rungs[-1]
        if not sound.holds:
            raise ValueError(
                f"{adapter}, {climb.spec.variant}, {climb.name}, {mode}, breaks at {sound.rung} without any bug; "
                "mend it first."
            )
    return [_fate(bug, edit, adapter, climb, device) for bug, edit, climb in chosen]


def _fate(bug: Bug, edit: Edit, adapter: str, climb: Climb, device: str) -> dict[str, Any]:
    with injected(adapter, edit) as mutant:
        last = ladder.climb(mutant, climb, device, edit.mode).rungs[-1]
    broke = None if last.holds else last.rung
    order = list(LADDER)
    caught = broke is not None and order.index(broke) <= order.index(bug.rung)
    fate = {"bug": bug.name, "mode": edit.mode, "due": bug.rung, "broke": broke, "caught": caught}
    return {**fate, "seen": list(bug.seen)}
