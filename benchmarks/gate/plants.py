"""What a gate's proof plants in a tree of sources: real work, losses and memory, and where they have to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gate.figures import ACCURACY, MEMORY, RECALL, SPEED
from datasets.errors import InputError

DUE, BESIDE, ELSEWHERE = "due", "beside", "elsewhere"
NOTHING = "nothing"
"""The plant of the same code twice."""


@dataclass(frozen=True)
class Edit:
    """One place of one file, changed; without `old` the text is added at the file's end.

    Attributes:
        path: from the tree's root.
        old: text that stands there once.
        new: what stands there then.
    """

    path: str
    new: str
    old: str = ""

    def apply(self, root: Path) -> None:
        """Changes the file.

        Raises:
            ValueError: the text is not there, or more than once: the plant has to follow the source.
        """
        path = root / self.path
        text = path.read_text(encoding="utf-8")
        if self.old and text.count(self.old) != 1:
            raise ValueError(
                f"{self.path} has {text.count(self.old)} times {self.old!r}, expected once; mend the plant"
            )
        path.write_text(text.replace(self.old, self.new) if self.old else text + self.new, encoding="utf-8")


@dataclass(frozen=True)
class Plant:
    """A change for the worse.

    Attributes:
        name: in words.
        edits: that make it.
        figure: in which it has to show, "" where there is nothing to show.
        cells: the words of the lines of cells in which it has to show; () for every cell that has the figure.
        is_of_windows: whether it changes nothing but what is timed by turns.
        slower: the share of the speed that it takes away by more work, 0 of what adds none.
    """

    name: str
    edits: tuple[Edit, ...] = ()
    figure: str = ""
    cells: tuple[str, ...] = ()
    is_of_windows: bool = False
    slower: float = 0.0

    def place(self, cell: str, figure: str) -> str:
        """DUE, where it has to be called regressed; BESIDE, in another figure of such a cell; else ELSEWHERE."""
        if not self.figure or not all(word in cell for word in self.cells):
            return ELSEWHERE
        return DUE if figure == self.figure else BESIDE


_STEP = "        adapter.sync(state)\n        training.check_finite("
_WORK = """        adapter.sync(state)
        ended = time.perf_counter()
        while time.perf_counter() - ended < {share} * (ended - start):
            np.sqrt(np.arange(64.0))
        training.check_finite("""
_SEARCH = """

_searched = _Served.search


def _searched_slower(*given: Any) -> Items:
    start = time.perf_counter()
    found = _searched(*given)
    ended = time.perf_counter()
    while time.perf_counter() - ended < {share} * (ended - start):
        np.sqrt(np.arange(64.0))
    return found


_Served.search = _searched_slower
"""


def _slower(percent: int) -> Plant:
    """So much of the speed taken away by more work in every training step and search, on the core that it runs on."""
    share = 1 / (1 - percent / 100) - 1
    edits = (
        Edit("benchmarks/harness/worker.py", _WORK.format(share=share), _STEP),
        Edit("benchmarks/harness/retrieval.py", _SEARCH.format(share=share)),
    )
    return Plant(f"{percent} % slower", edits, SPEED, is_of_windows=True, slower=percent / 100)


_TORCH_STEP = """    def step(batch: Batch) -> Tensor:
        loss, carried = update(batch, next(schedule))
"""
_ONE_BY_ONE = "        {value.item() for value in next(iter(batch.values())).flatten()}\n"
_READ = "    return Index(name, faiss.read_index(str(path)), n_items, dim)\n"
_READ_TWICE = """    restored = Index(name, faiss.read_index(str(path)), n_items, dim)
    vars(restored)["twice"] = faiss.read_index(str(path))
    return restored
"""
_TORCH, _FAISS, _JAX = "backends/torch/contract.py", "backends/ann/faiss.py", "backends/jax/contract.py"
_PROBES = 'min(chosen["nprobe"], nlist)  #'
_SCORE = "values = _score(recommended,"

PLANTS = (
    Plant(NOTHING),
    *(_slower(percent) for percent in (2, 5, 10, 20)),
    Plant(
        "JAX does not donate its state",
        (Edit(_JAX, "jax.jit(_scan(step))", "jax.jit(_scan(step), donate_argnums=0)"),),
        MEMORY,  # of a processor, which copies once in many steps
        ("throughput", "jax", "large tables"),
    ),
    Plant(
        "PyTorch reads ids one by one, by .item()",
        (Edit(_TORCH, _TORCH_STEP.replace("\n", f"\n{_ONE_BY_ONE}", 1), _TORCH_STEP),),
        SPEED,
        ("throughput", "torch"),
    ),
    Plant(
        "PyTorch updates by its eager optimizer",
        (Edit(_TORCH, "step = _eager_step(", "step = _one_graph_step("),),
        SPEED,
        ("throughput", "torch"),
    ),
    Plant(
        "Faiss probes half the lists", (Edit(_FAISS, f"max(1, {_PROBES[:-3]} // 2)  #", _PROBES),), RECALL, ("faiss",)
    ),
    Plant(
        "metrics are off by one rank",
        (Edit("benchmarks/metrics.py", "values = _score(np.roll(recommended, 1, axis=1),", _SCORE),),
        ACCURACY,
    ),
    Plant("Faiss holds its vectors twice", (Edit(_FAISS, _READ_TWICE, _READ),), MEMORY, ("faiss",)),
)


def chosen(words: Sequence[str]) -> tuple[Plant, ...]:
    """The plants whose names begin with any of these words; all of them where there are none.

    Raises:
        InputError: no plant's name begins so.
    """
    for word in words:
        if not any(plant.name.startswith(word) for plant in PLANTS):
            known = "; ".join(plant.name for plant in PLANTS)
            raise InputError(f"no plant is called {word!r}, expected the beginning of one of these: {known}.")
    return tuple(plant for plant in PLANTS if not words or plant.name.startswith(tuple(words)))
