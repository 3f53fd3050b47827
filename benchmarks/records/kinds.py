"""What a record holds: the one definition of its fields, which are checked, documented and typed as they stand here."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from benchmarks.records.values import WIDEST, odd

SCHEMA_VERSION: Final = 2
LARGEST = 1e18
"""No metric, no number of seconds and no rate is beyond it."""

Kind: TypeAlias = Literal["train", "throughput", "index", "map", "agreement", "mutation", "trial"]
Mode: TypeAlias = Literal["eager", "compiled"]
Device: TypeAlias = Literal["cpu", "gpu"]
Status: TypeAlias = Literal["ok", "failed", "timeout", "oom", "diverged", "unsupported", "skipped"]
Method: TypeAlias = Literal["t-SNE", "PCA"]
Use: TypeAlias = Literal["trains", "asked", "history", "dropped", "unreachable"]
Fate: TypeAlias = Literal["caught", "equivalent", "survived"]
How: TypeAlias = Literal["difference", "error", "timeout", "crash"]
Ended: TypeAlias = Literal["complete", "pruned", "capped"]

Whole: TypeAlias = Annotated[int, Meta(ge=-WIDEST, le=WIDEST)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=WIDEST)]
Real: TypeAlias = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Number: TypeAlias = Annotated[int, Meta(ge=-(10**18), le=10**18)] | Real
Finite: TypeAlias = Annotated[float, Meta(ge=-1.7976931348623157e308, le=1.7976931348623157e308)]
"""What is only shown, and may be as large as a training that goes wrong makes it."""
Share: TypeAlias = Annotated[float, Meta(ge=-1, le=1)]
Option: TypeAlias = Number | str
Drawn: TypeAlias = bool | Number | str


class _Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Part of a record."""


class Machine(_Part, frozen=True, kw_only=True):
    """The machine that a cell ran on."""

    id: Annotated[str, Meta(description="hash of all that follows")]
    cpu: Annotated[str, Meta(description="model of the processor, as the system has it")]
    cores: Annotated[Count, Meta(description="logical cores")]
    memory_bytes: Annotated[Count, Meta(description="main memory")]
    system: Annotated[str, Meta(description="operating system and architecture")]
    gpu: Annotated[str | None, Meta(description="model of the GPU; null without one")]


class Rows(_Part, frozen=True, kw_only=True):
    """The rows of one period that fare alike; without those that are `unreachable`, each row is counted once."""

    period: Annotated[
        str,
        Meta(description="`train`, `validation` or `test`; `later` is after all of them, `whole` before they were cut"),
    ]
    use: Annotated[
        Use,
        Meta(description="what became of them: `history` is told and not asked for, `unreachable` are asked rows that "
             "no model can find"),
    ]  # fmt: skip
    reason: Annotated[str, Meta(description="why, for `history`, `dropped` and `unreachable`")]
    rows: Annotated[Count, Meta(description="how many rows")]
    users: Annotated[Count, Meta(description="of how many users; rows without a user are of none")]
    items: Annotated[Count, Meta(description="of how many items")]


class Scores(_Part, frozen=True, kw_only=True):
    """The primary metric query by query: the sum of the values over that of the weights is the metric."""

    values: Annotated[list[Real], Meta(description="one a query")]
    weights: Annotated[list[Real], Meta(description="one a query, their sum above 0")]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.weights) or not sum(self.weights) > 0:
            raise ValueError("scores have no weight for each value")


class Point(_Part, frozen=True, kw_only=True):
    """One evaluation during training."""

    epoch: Annotated[Whole, Meta(description="epochs trained; 0 are the untrained parameters")]
    steps: Annotated[Whole, Meta(description="optimizer steps taken so far")]
    loss: Annotated[Finite | None, Meta(description="mean of the epoch's losses; null at epoch 0")]
    metrics: Annotated[dict[str, Number], Meta(description="the primary metric")]


class IndexSettings(_Part, frozen=True, kw_only=True):
    """An index and how it was built and asked."""

    name: Annotated[str, Meta(description="name of the index, as `list` shows it")]
    build: Annotated[dict[str, Option], Meta(description="the library's options for building")]
    query: Annotated[dict[str, Option], Meta(description="its options for searching")]


class ItemMap(_Part, frozen=True, kw_only=True):
    """A place in the plane for each shown item, the most popular first."""

    method: Annotated[Method, Meta(description="how the vectors were brought onto the plane")]
    x: Annotated[list[Share], Meta(description="from left to right")]
    y: Annotated[list[Share], Meta(description="from bottom to top")]
    category: Annotated[list[Count] | None, Meta(description="each item's place in `categories`; null without any")]
    categories: Annotated[list[str] | None, Meta(description="names of the categories; null where items have none")]

    def __post_init__(self) -> None:
        codes, categories = self.category or [], self.categories or []
        if len(self.x) != len(self.y) or (categories and len(codes) != len(self.x)):
            raise ValueError("the map has not two places and a category for each item")
        if any(code >= len(categories) for code in codes):
            raise ValueError("the map has an item of a category that is none")


class Rung(_Part, frozen=True, kw_only=True):
    """One rung of the agreement ladder, judged."""

    rung: Annotated[str, Meta(description="its name")]
    holds: Annotated[bool, Meta(description="whether the adapter is within the tolerance of its reference")]
    difference: Annotated[Finite | None, Meta(description="the largest difference; null where it is not finite")]
    tolerance: Annotated[Real, Meta(description="the largest difference that holds")]
    where: Annotated[str, Meta(description="the parameter, array or step of the largest difference")]

    def __post_init__(self) -> None:
        if self.holds and not (self.difference is not None and abs(self.difference) <= LARGEST):
            raise ValueError("a rung holds and has no difference")


class Bug(_Part, frozen=True, kw_only=True):
    """A known bug, injected into an adapter to see whether the ladder notices."""

    bug: Annotated[str, Meta(description="its name in the table of bugs")]
    due: Annotated[str, Meta(description="the rung that must catch it")]
    caught: Annotated[bool, Meta(description="whether that rung or an earlier one broke")]
    broke: Annotated[str | None, Meta(description="the rung that broke; null where none did")] = None
    mode: Annotated[str, Meta(description="the adapter's mode")] = "eager"
    seen: Annotated[list[str], Meta(description="where it has been seen in public code")] = []


class Mutant(_Part, frozen=True, kw_only=True):
    """A generated mutant: one change of a source file, and whether what checks that file noticed it."""

    line: Annotated[Count, Meta(description="the line that is changed, from 1")]
    old: Annotated[str, Meta(description="the text that is replaced")]
    new: Annotated[str, Meta(description="the text in its place")]
    operator: Annotated[str, Meta(description="the kind of change")]
    mode: Annotated[Mode, Meta(description="the adapter's mode in which it was tried")] = "eager"
    fate: Annotated[
        Fate, Meta(description="`caught`, `equivalent` (nothing could notice it, and `reason` says why) or `survived`")
    ]
    how: Annotated[
        How | None,
        Meta(description="how it was caught: by a figure or an assertion that is wrong, by an exception, because it "
             "did not end, or because the process died; null where it was not"),
    ] = None  # fmt: skip
    by: Annotated[str, Meta(description="the climb and rung, or the test, that caught it; empty where none did")] = ""
    reason: Annotated[str | None, Meta(description="why it is equivalent, else null")] = None

    def __post_init__(self) -> None:
        if (self.fate == "caught") != (self.how is not None):
            raise ValueError(f"a mutant is {self.fate}, and how it was caught is {self.how}")
        if (self.fate == "equivalent") != bool(self.reason):
            raise ValueError(f"a mutant is {self.fate}, and the reason why it is equivalent is {self.reason!r}")


class Axis(_Part, frozen=True, kw_only=True):
    """What the values of one setting are drawn from: a list, or a range."""

    values: Annotated[list[Drawn] | None, Meta(description="the values that there are; null where it is a range")] = (
        None
    )
    low: Annotated[Number | None, Meta(description="the smallest value of a range, itself among them")] = None
    high: Annotated[Number | None, Meta(description="the largest value of a range, itself among them")] = None
    log: Annotated[bool, Meta(description="whether the logarithm is drawn evenly, and not the value")] = False

    def __post_init__(self) -> None:
        if (self.values is None) == (self.low is None or self.high is None):
            raise ValueError("it is neither a list of values nor a range")


class _Known(msgspec.Struct):
    """What is read of settings, whose other names are each model's own."""

    primary_metric: str = ""
    variant: str = ""
    protocol: dict[str, Any] = {}
    n_items: Count = 0
    dim: Count = 0
    n_queries: Count = 0
    n_interests: Count = 0
    threads_all: Count = 0


class Record(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What every record holds."""

    schema_version: Annotated[Literal[2], Meta(description="2; lines of version 1 are read as well")] = SCHEMA_VERSION
    run_id: Annotated[str, Meta(min_length=1, description="the run that made it: its start and process")]
    cell: Annotated[
        str, Meta(pattern="^[0-9a-f]{16}$", description="hash of the cell's inputs: equal inputs, equal cell")
    ]
    model: Annotated[str, Meta(description="name of the model, as `list` shows it")]
    variant: Annotated[str, Meta(description="which of the model's settings: `as_published`, `tuned`, …")]
    backend: Annotated[str, Meta(description="framework, or `classic`")]
    mode: Annotated[Mode, Meta(description="whether the framework compiled the training step")]
    device: Annotated[Device, Meta(description="where it ran")]
    threads: Annotated[int, Meta(ge=1, le=WIDEST, description="threads that the libraries were given")]
    dataset: Annotated[str, Meta(description="name of the data set; of a file `file:` and its name")]
    protocol: Annotated[str, Meta(description="name of the evaluation protocol")]
    seed: Annotated[Count, Meta(description="what all random draws are keyed by")]
    status: Annotated[Status, Meta(description="how it ended")]
    reason: Annotated[str | None, Meta(description="one sentence where status is not `ok`, else null")]
    settings: Annotated[
        dict[str, Any],
        Meta(description="the model's settings, `primary_metric`, the settings of the protocol, and what was found out "
             "about the vectors (`n_items`, `dim`, `n_queries`, `n_interests`, `threads_all`, `batch_queries`)"),
    ]  # fmt: skip
    metrics: Annotated[
        dict[str, Number],
        Meta(description="each metric by its name, e.g. `recall@50`; of a period that is not the reported one with the "
             "period before it, `test.recall@50`; `best_epoch` where training was stopped early; of an index also "
             "`index_recall@K`, and exact search's metric and what is lost to it, `exact/…` and `lost/…`"),
    ] = {}  # fmt: skip
    timings: Annotated[
        dict[str, Number | list[Number]],
        Meta(description="single values or all samples, the unit being the name's suffix: `_s` seconds, `_qps` queries "
             "a second; of an index, `load_s` holds one restoring of its file a turn (in older records, the loading of "
             "the split), `batch_qps` and `batch_qps_all` batches with one thread and with `settings.threads_all`, "
             "`bare_qps` direct calls of the library, `call_overhead` what the adapter adds to them, as a share; "
             "`turn_load` and `turn_steal` of each turn, the processors that others kept busy or a hypervisor took"),
    ] = {}  # fmt: skip
    memory: Annotated[
        dict[str, Whole],
        Meta(description="bytes: `peak_rss_bytes` of the process; `peak_device_bytes` of a GPU's memory that the "
             "framework has had arrays in; of an index `index_bytes`, its file's size, and "
             "`resident_bytes`, by how much its process grew once it was restored and had answered"),
    ] = {}  # fmt: skip
    hashes: Annotated[
        dict[str, str],
        Meta(description="of what it was given (`dataset`, `split`, `spec`, `parameters`, `batches`, `vectors`), of "
             "the sources that ran (`sources`) and of what it left (`checkpoint`, `trained`)"),
    ]  # fmt: skip
    versions: Annotated[dict[str, str], Meta(description="version of each library that it used")]
    machine: Annotated[Machine, Meta(description="the machine that it ran on")]
    notes: Annotated[list[str], Meta(description="sentences on the data and on what was odd")]
    rows: Annotated[
        list[Rows],
        Meta(description="what became of the rows of the data; empty where none were cut, and in older records"),
    ] = []
    warning: Annotated[str | None, Meta(description="a sentence where few rows are asked for, else null")] = None
    commit: Annotated[str | None, Meta(description="commit of this repository; null outside of one")]
    dirty: Annotated[
        bool | None, Meta(description="whether the sources differed from that commit; null outside of one")
    ]

    def __post_init__(self) -> None:
        if (self.status == "ok") != (self.reason is None) or self.reason == "":
            expected = "null where status is ok" if self.status == "ok" else f"a sentence where status is {self.status}"
            raise ValueError(f"reason is {self.reason!r}, expected {expected}")
        if found := odd(self.settings, "settings", 1):
            raise ValueError(found)
        try:
            msgspec.convert(self.settings, _Known)
        except msgspec.ValidationError as error:
            message, _, where = str(error).replace("`", "").partition(" - at $")
            raise ValueError(f"settings{where}: {message}") from error

    @property
    def kind(self) -> str:
        """What was measured: "train", "throughput", "index", "map", "agreement", "mutation" or "trial"."""
        return str(self.__struct_config__.tag)

    @property
    def primary_metric(self) -> str | None:
        """The metric that its protocol is judged by; None where it ended before it could say."""
        return self.settings.get("primary_metric")

    def samples(self, name: str) -> list[float]:
        """A timing as a list of samples, whether it was recorded as one number, as many or not at all."""
        taken = self.timings.get(name, [])
        return [float(sample) for sample in taken] if isinstance(taken, list) else [float(taken)]

    def single(self, name: str) -> float | None:
        """A timing that was taken once."""
        taken = self.samples(name)
        return taken[0] if len(taken) == 1 else None


class Train(Record, tag="train", frozen=True, kw_only=True):
    """A training and its evaluation."""

    intervals: Annotated[
        dict[str, tuple[Number, Number]],
        Meta(description="95 % bootstrap interval over queries, of the metric of the same name"),
    ] = {}
    scores: Annotated[Scores | None, Meta(description="null above 20,000 queries, and in older records")] = None
    curve: Annotated[list[Point], Meta(description="one point an evaluation during training")] = []


class Throughput(Record, tag="throughput", frozen=True, kw_only=True):
    """A training timed by turns with others: `window_samples_per_s` and `window_cpu_s` hold a figure a turn.

    `joules_per_sample` is what the GPU's whole board has drawn in all of them, where NVML counts it.
    """

    group: Annotated[str | None, Meta(description="what was timed by turns: ratios are formed inside one group")] = None


class Index(Record, tag="index", frozen=True, kw_only=True):
    """A search through vectors by one setting of an index, timed by turns with others."""

    index: Annotated[IndexSettings, Meta(description="the index and its settings")]
    intervals: Annotated[
        dict[str, tuple[Number, Number]],
        Meta(description="95 % bootstrap interval over queries, of the metric of the same name"),
    ] = {}
    group: Annotated[str | None, Meta(description="what was timed by turns: ratios are formed inside one group")] = None


class Map(Record, tag="map", frozen=True, kw_only=True):
    """Item vectors brought onto a plane."""

    map: Annotated[ItemMap | None, Meta(description="the places; null where it failed")] = None


class Agreement(Record, tag="agreement", frozen=True, kw_only=True):
    """A climb of the agreement ladder, or all known bugs of an adapter injected in turn."""

    climb: Annotated[str, Meta(description="which of the model's climbs; `whole` in older records")] = "whole"
    rungs: Annotated[list[Rung], Meta(description="the ladder's rungs in order, up to the first that breaks")] = []
    divergence: Annotated[
        list[Finite | None] | None,
        Meta(description="how far each step's loss is from the reference's, relative; null where it is not finite; "
             "null as a whole where nothing was trained, and in older records"),
    ] = None  # fmt: skip
    bugs: Annotated[list[Bug], Meta(description="the bugs that were injected, and what became of them")] = []


class Mutation(Record, tag="mutation", frozen=True, kw_only=True):
    """The generated mutants of one source file, each tried by what checks that file; `model` is the file's path."""

    mutants: Annotated[list[Mutant], Meta(description="in the order of the file")] = []


class Trial(Record, tag="trial", frozen=True, kw_only=True):
    """A training with settings that a search has drawn, judged on the validation period; it has seen no test period."""

    search: Annotated[
        str, Meta(pattern="^[0-9a-f]{16}$", description="hash of what is searched: the trials of one search share it")
    ]
    number: Annotated[int, Meta(ge=1, le=WIDEST, description="its place in the order in which settings were drawn")]
    drawn: Annotated[dict[str, Drawn], Meta(description="the settings that were drawn")]
    space: Annotated[dict[str, Axis], Meta(description="what they were drawn from")]
    cap_s: Annotated[Real, Meta(description="seconds after which it began no further epoch")]
    ended: Annotated[
        Ended | None,
        Meta(description="whether it ran to its end, or was ended: `pruned` for its learning curve lay below those of "
             "most others, `capped` for its time was up; null where it failed"),
    ] = None  # fmt: skip
    curve: Annotated[list[Point], Meta(description="one point an evaluation during training")] = []


KINDS: dict[str, type[Record]] = {
    "train": Train, "throughput": Throughput, "index": Index, "map": Map, "agreement": Agreement, "mutation": Mutation,
    "trial": Trial,
}  # fmt: skip
TIMED = frozenset(kind for kind, of_kind in KINDS.items() if "group" in of_kind.__struct_fields__)
"""What is timed by turns: figures of one machine, where all others are the same wherever they are found."""
AnyRecord: TypeAlias = Train | Throughput | Index | Map | Agreement | Mutation | Trial
