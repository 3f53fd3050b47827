"""`agree --adapter FILE`: an adapter of the user's own climbs the ladder, and is told rung by rung where it departs.

The file offers the functions of `backends.contract.Adapter` as a backend's adapter does. It is imported in the worker
alone, in the interpreter of RECALLBENCH_PYTHON_OWN where that is set. Nothing is recorded: the file is no backend of
the registry, and belongs on no leaderboard.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import inspect
import sys
import tempfile
import traceback
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from backends.contract import Adapter
from backends.registry import TRAINABLE
from benchmarks import specs
from benchmarks.agreement import climbs, injection, ladder
from benchmarks.agreement.climbs import Climb
from benchmarks.agreement.differences import Difference
from benchmarks.agreement.ladder import Rung
from benchmarks.agreement.tolerances import LADDER
from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.harness import executors
from benchmarks.harness.environment import KEEPS_MEMORY, ROOT
from benchmarks.specs.base import DifferentiableSpec, settings
from datasets.errors import InputError

BACKEND = "own"
"""What the worker is told instead of a backend of the registry."""
OURS = ("backends", "benchmarks", "datasets", "reports")
"""The packages of this repository, whose names a user's files may have too."""
CALLED = ("init", "train", "gradients", "embed_users", "embed_items", "export")
"""The functions of the contract that the ladder calls."""
PACKAGE = "own_adapter"
"""What the folder of the user's file is imported as."""
UNUSABLE = "unusable"
"""The status of a worker that could not begin, for a reason that the user can mend."""
HELD = "held"
"""The file to which a worker adds a byte for each climb that holds; without one it did not come past the import."""
N_FRAMES, N_MISTAKES = 3, 5
LONGEST = 300
"""Characters of what an adapter raised."""


def agree(options: argparse.Namespace) -> int:
    """Climbs with the file in every one of the family's specs for the ladder, and returns the exit code.

    Raises:
        InputError: the options do not fit, or the file is no adapter.
    """
    model, path = _model(options), _file(options.adapter)
    job = {
        "kind": "own",
        "model": model,
        "settings": settings(specs.make(model, {})),
        "backend": BACKEND,
        "adapter": str(path),
        "mode": options.mode or "eager",
        "device": options.device,
        "threads": options.threads,
        "quick": options.quick,
        "varied": options.varied,
    }
    n_known = len(climbs.of(model, quick=options.quick))
    result = _worked(job, options.timeout * n_known)
    if result["status"] == UNUSABLE:
        raise InputError(result["reason"])
    if result["status"] != "ok":
        _say(f"{result['status']:8} {result['reason']}")
    # Only a worker that has come to its end knows how many climbs a variation has.
    n_climbs = result.get("metrics", {}).get("n_climbs", "all" if options.varied else n_known)
    what = f"its own {options.varied} of {model}" if options.varied else model
    _say(f"{options.adapter} holds to the last rung in {result['n_holding']} of {n_climbs} climbs of {what}")
    if result["status"] == "skipped":
        return NOTHING_MEASURED
    return FINE if result["n_holding"] == n_climbs else FAILED


def _model(options: argparse.Namespace) -> str:
    if options.backends or options.bugs:
        option = "--backends" if options.backends else "--bugs"
        raise InputError(f"{option} is about the adapters of this repository; leave it out where --adapter is given.")
    if len(options.models) != 1 or options.models[0] not in TRAINABLE:
        given = f"--models {' '.join(options.models)}" if options.models else "no --models"
        raise InputError(
            f"--adapter is given with {given}, expected the one model that the file ports; "
            f"give one of {', '.join(TRAINABLE)}."
        )
    return str(options.models[0])


def _file(path: Path) -> Path:
    if not path.is_file() or path.suffix != ".py":
        raise InputError(f"--adapter {path} is no Python file; give the path of one that ends in .py.")
    return path.resolve()


def _worked(job: dict[str, Any], timeout_s: float) -> executors.Result:
    """The result of one worker, whose lines are passed on while it works, with the number of climbs that held."""
    with tempfile.TemporaryDirectory() as folder:
        task = executors.Task(job, Path(folder), _say, KEEPS_MEMORY)
        ((_, result),) = executors.run([task], 0, timeout_s)
        held = task.folder / HELD
        if result["status"] == "failed" and not held.exists():
            return {
                "status": UNUSABLE,
                "reason": f"{job['adapter']} cannot be imported, {result['reason']}; mend that and try again.",
            }
        return {**result, "n_holding": held.stat().st_size if held.exists() else 0}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def climb(job: Any) -> None:
    """The worker's part: imports the file, climbs, and says what it finds.

    Of the climbs to the end, and of the first that breaks, each rung is said as it is reached; of the others a line.
    """
    path, mode, device = Path(job.asked["adapter"]), job.asked["mode"], job.asked["device"]
    spec = type(specs.make(job.asked["model"], {}))
    try:
        adapter = load(path)
        forms = _forms(path, spec, job.asked["varied"])
    except InputError as error:
        job.finish(status=UNUSABLE, reason=str(error))
        return
    to_the_end = climbs.of_forms(forms, quick=True)
    others = [one for one in climbs.of_forms(forms, quick=job.asked["quick"]) if one not in to_the_end]
    broken: set[str] = set()
    with (job.folder / HELD).open("wb", buffering=0) as held:
        for climb in (*to_the_end, *others):
            climbing = ladder.climbing(adapter, climb, device, mode)
            if climb in to_the_end:
                last = _told(path, climb, f"{climb.spec.model} ({climb.spec.variant}), {mode}, {device}", climbing)
            else:
                last = _told_briefly(path, climb, list(climbing), broken)
            if last.holds:
                held.write(b"+")
            else:
                broken.add(last.rung)
    job.finish(status="ok", metrics={"n_climbs": len(to_the_end) + len(others)})


def _forms(path: Path, spec: type[Any], name: str) -> tuple[Any, ...]:
    """The forms of a model's spec, or where a class is named of the file's own variation of it.

    Raises:
        InputError: it has none of that name, or that has no forms.
    """
    if not name:
        return tuple(spec.for_ladder())
    there = vars(sys.modules[f"{PACKAGE}.{path.stem}"])
    found: Any = there.get(name)
    is_one: bool = inspect.isclass(found) and issubclass(found, spec)
    if not is_one:
        raise InputError(
            f"{path} has no class {name}, expected a subclass of {spec.__module__}.{spec.__name__} that says what the "
            "file computes otherwise; write one, or leave --varied out."
        )
    try:
        return tuple(found.for_ladder())
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{name}.for_ladder() in {path} has failed, {reason}; mend that and try again.") from error


def _told(path: Path, climb: Climb, title: str, climbing: Iterable[tuple[Rung, Difference]]) -> Rung:
    """Says a climb rung by rung, and returns the last of them."""
    _say(title)
    _say(f"{'':8} {'rung':10}  {'difference':>10}  {'tolerance':>9}  of what, and where it is largest")
    for rung, difference in climbing:
        what = ": ".join(filter(None, (LADDER[rung.rung].meaning, " ".join(rung.where.split())[:LONGEST])))
        mark = "ok" if rung.holds else "DEPARTS"
        _say(f"{mark:8} {rung.rung:10}  {_size(rung):>10}  {rung.tolerance:9g}  {what}")
        if not rung.holds:
            for line in _explained(path, climb.spec, rung.rung, difference):
                _say(f"{'':8} {line}")
    return rung


def _told_briefly(path: Path, climb: Climb, rungs: list[tuple[Rung, Difference]], broken: Container[str]) -> Rung:
    """Says a climb in a line; rung by rung where it breaks at another rung than those before it."""
    last, _ = rungs[-1]
    special = ", ".join(f"{name} = {value!r}" for name, value in climb.differs_by.items())
    title = f"{climb.name}{f': {special}' if special else ''}"
    if not last.holds and last.rung not in broken:
        return _told(path, climb, title, rungs)
    if last.holds:
        _say(f"{'ok':8} {climb.name:12} holds to the last rung, {last.rung} ({climb.spec.variant})")
    else:
        _say(f"{'DEPARTS':8} {climb.name:12} at {last.rung}, by {_size(last)} ({special or climb.spec.variant})")
    return last


def _size(rung: Rung) -> str:
    return "not finite" if rung.difference is None else f"{rung.difference:.1e}"


def load(path: Path) -> Any:
    """The file's functions; whatever lies beside it can be imported by its name, or relatively.

    Raises:
        InputError: it cannot be imported, or lacks functions of the contract.
    """
    package = ModuleType(PACKAGE)
    package.__path__ = [str(path.parent)]
    sys.modules[package.__name__] = package
    sys.path.insert(0, str(path.parent))
    found = importlib.util.spec_from_file_location(f"{package.__name__}.{path.stem}", path)
    assert found is not None  # noqa: S101 - it ends in .py
    assert found.loader is not None  # noqa: S101 - the same
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look their module up while they are made
    names = _Names(path.parent)
    try:
        with names.theirs():
            found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        place = "".join(f" (in {_place(frame)})" for frame in _frames(path, error)[-1:])
        raise InputError(f"{path} cannot be imported, {reason}{place}; mend that and try again.") from error
    lacking = [name for name in CALLED if not callable(getattr(module, name, None))]
    if lacking:
        functions = " and ".join(map(_signature, lacking))
        raise InputError(f"{path} lacks {functions}; write what backends/contract.py says that it does.")
    return SimpleNamespace(**{name: names.calling(getattr(module, name)) for name in CALLED})


class _Names:
    """The names of our packages that files beside a port have too.

    While code of the port runs they stand for its own files, wherever these import them, and for ours again after.
    """

    def __init__(self, folder: Path) -> None:
        beside = {path.stem for path in folder.glob("*.py")} | {
            path.parent.name for path in folder.glob("*/__init__.py")
        }
        self._shared = set(OURS) & beside if folder != ROOT else set()
        self._away: dict[str, ModuleType] = {}

    @contextlib.contextmanager
    def theirs(self) -> Iterator[None]:
        self._change()
        try:
            yield
        finally:
            self._change()

    def calling(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, in which these names are the port's."""

        def call(*arguments: Any) -> Any:
            with self.theirs():
                return function(*arguments)

        return call if self._shared else function

    def _change(self) -> None:
        here = [name for name in sys.modules if name.partition(".")[0] in self._shared]
        away, self._away = self._away, {name: sys.modules.pop(name) for name in here}
        sys.modules.update(away)


def _signature(name: str) -> str:
    _, *arguments = inspect.signature(getattr(Adapter, name)).parameters
    return f"{name}({', '.join(arguments)})"


def _frames(path: Path, error: BaseException) -> list[traceback.FrameSummary]:
    """Those of an error's traceback that are in files beside this one, the innermost last."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == path.parent]


def _place(frame: traceback.FrameSummary) -> str:
    return f"{Path(frame.filename).name}, line {frame.lineno}, {frame.name}: {frame.line}"


def _explained(path: Path, spec: DifferentiableSpec, rung: str, difference: Difference) -> Iterator[str]:
    """What helps to find the mistake: the lines that raised, the numbers that depart, mistakes that are known."""
    if difference.error is not None:
        everything = traceback.extract_tb(difference.error.__traceback__)
        for frame in _frames(path, difference.error)[-N_FRAMES:] or everything[-1:]:
            yield f"in {_place(frame)}"
    for entry in difference.entries:
        yield f"{entry.place}: {entry.found:.8g}, expected {entry.expected:.8g}"
    mistakes = known_mistakes(spec, rung)
    if difference.entries and mistakes:
        yield "mistakes that are known to show here, of those in benchmarks/agreement/bugs:"
        yield from (f"- {name}" for name in mistakes)


def known_mistakes(spec: DifferentiableSpec, rung: str) -> list[str]:
    """Up to five injected bugs that are due at a rung: what this spec shows, then its family, then its optimizer."""
    due = [bug for bug in injection.bugs() if bug.rung == rung]
    of_family = [bug for bug in due if bug.model == spec.model]
    of_spec = [bug for bug in of_family if bug.at().spec == spec]
    of_optimizer = [bug for bug in due if _is_of(spec.optimizer.name, bug)]
    return list(dict.fromkeys(bug.name for bug in (*of_spec, *of_family, *of_optimizer)))[:N_MISTAKES]


def _is_of(optimizer: str, bug: injection.Bug) -> bool:
    in_the_optimizer = {edit.module for edit in bug.edits.values()} == {"optimizers"}
    return in_the_optimizer and specs.make(bug.model, {}).optimizer.name == optimizer
