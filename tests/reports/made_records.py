"""Synthetic records, as lines of version 1 of the schema had them, and verdicts to go with them."""

from __future__ import annotations

import hashlib
import json
import math
import random
from typing import Any

import msgspec

from backends.registry import FRAMEWORKS
from benchmarks import records
from benchmarks.agreement.verdict import Verdict
from benchmarks.records import AnyRecord

HOSTILE = "<script>alert(1)</script>|x`*_[a](b)'\" onload=x"
MACHINE = {
    "id": "m-1",
    "cpu": "Example CPU at 2.0 GHz",
    "cores": 2,
    "memory_bytes": 8 << 30,
    "system": "Linux 6.1 x86_64",
    "gpu": None,
}
PROTOCOL = {
    "name": "time-split",
    "train_until": "2011-10-09",
    "validation_until": "2011-11-09",
    "per": "session",
    "unknown_users": "popular",
    "period": "validation",
}


def record(**changes: Any) -> AnyRecord:
    """One train record of mf-logloss in torch, or what `changes` make of it."""
    made: dict[str, Any] = {
        "schema_version": 1,
        "run_id": "run-1",
        "kind": "train",
        "model": "mf-logloss",
        "variant": "as_published",
        "backend": "torch",
        "mode": "eager",
        "device": "cpu",
        "threads": 1,
        "dataset": "online-retail",
        "protocol": "time-split",
        "index": None,
        "seed": 0,
        "status": "ok",
        "reason": None,
        "settings": {"primary_metric": "precision@5", "protocol": PROTOCOL},
        "metrics": {},
        "intervals": {},
        "curve": [],
        "rungs": [],
        "timings": {},
        "memory": {},
        "hashes": {"dataset": "d" * 16, "spec": "5" * 16},
        "group": None,
        "versions": {"numpy": "2.4.6"},
        "machine": MACHINE,
        "notes": [],
        "commit": "abc1234",
        "dirty": False,
    } | changes
    made.setdefault("cell", hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16])
    return records.of(made)


def changed(given: AnyRecord, **changes: Any) -> AnyRecord:
    """The record with other fields, each as JSON would give it."""
    return records.of({**msgspec.to_builtins(given), **changes})


def trained(model: str, figure: float, **changes: Any) -> AnyRecord:
    """A finished train record with a curve that ends in `figure`."""
    changes.setdefault("metrics", {"precision@5": figure, "ndcg@5": figure * 1.1, "test.precision@5": figure - 0.002})
    changes.setdefault("intervals", {"precision@5": [figure - 0.006, figure + 0.006]})
    if model not in {"popularity", "oracle", "als"}:
        steps = [(epoch, figure * (1 - 0.6 * 0.6**epoch)) for epoch in range(11)]
        changes.setdefault(
            "curve",
            [
                {"epoch": e, "steps": 56 * e, "loss": None if e == 0 else 0.4, "metrics": {"precision@5": m}}
                for e, m in steps
            ],
        )
    changes.setdefault("timings", {"import_s": 2.5, "overhead_s": 1.25, "train_s": 60.0, "wall_s": 70.0, "init_s": 0.1})
    return record(model=model, **changes)


def failed(status: str, reason: str, **changes: Any) -> AnyRecord:
    return record(status=status, reason=reason, hashes={}, **changes)


def timed(backend: str, mode: str, windows: list[float], **changes: Any) -> AnyRecord:
    """A throughput record; its group is the one of all such records unless `changes` name another."""
    timings = {"first_step_s": 12.5, "compile_s": 3.0, "window_samples_per_s": windows}
    changes = {"group": "g-1", "memory": {"peak_rss_bytes": 512 << 20}} | changes
    return record(kind="throughput", backend=backend, mode=mode, timings=timings, **changes)


def indexed(name: str, recall: float, rates: list[float], query: dict[str, Any] | None = None, **changes: Any) -> Any:
    """An index record over the vectors of mf-bpr."""
    timings = {"build_s": 1.5, "p50_s": 0.0002, "p95_s": 0.0004, "p99_s": 0.0009, "batch_qps": rates}
    timings |= changes.pop("timings", {})
    changes = {
        "settings": {"primary_metric": "precision@5", "protocol": PROTOCOL, "n_items": 4059, "dim": 129},
        "metrics": {"index_recall@5": recall, "precision@5": 0.15 * recall},
        "group": "g-2",
        "memory": {"index_bytes": 3 << 20},
        "index": {"name": name, "build": {}, "query": query or {}},
    } | changes
    return record(kind="index", model="mf-bpr", mode="compiled", timings=timings, **changes)


def searched(name: str, recall: float, rates: list[float], **changes: Any) -> Any:
    """An index record over made-up vectors, with all that newer records tell; `changes` go into its dictionaries."""
    made: dict[str, Any] = {
        "settings": {
            "primary_metric": "index_recall@10",
            "n_items": 1_000_000,
            "dim": 64,
            "n_queries": 1000,
            "n_interests": 1,
            "threads_all": 2,
        },
        "metrics": {"index_recall@10": recall},
        "timings": {
            "build_s": 60.0,
            "save_s": 1.0,
            "load_s": [0.5, 0.4, 0.6],
            "p50_s": 0.0002,
            "p95_s": 0.0004,
            "p99_s": 0.0009,
            "batch_qps": rates,
            "batch_qps_all": [1.8 * rate for rate in rates],
            "bare_qps": [1.01 * rate for rate in rates],
            "call_overhead": [1 - 1 / 1.01] * len(rates),
        },
        "memory": {"index_bytes": 300_000_000, "resident_bytes": 310_000_000},
        "index": {"name": name, "build": {}, "query": {}},
    }
    for part in made:
        made[part] |= changes.pop(part, {})
    vectors = {"model": "made-up-vectors", "variant": "64-d, 1,000,000 items", "backend": "classic"}
    place = {"dataset": "vectors-1m", "protocol": "search", "group": "g-9"}
    return record(**{"kind": "index", **vectors, **place, **made, **changes})


FATES = {
    "difference": {"fate": "caught", "how": "difference", "by": "mf-bpr as_published whole: loss"},
    "error": {"fate": "caught", "how": "error", "by": "mf-bpr as_published whole: TypeError"},
    "timeout": {"fate": "caught", "how": "timeout", "by": "mf-bpr as_published wide"},
    "crash": {"fate": "caught", "how": "crash", "by": "mf-bpr as_published wide"},
    "equivalent": {"fate": "equivalent", "reason": "its operand is 0"},
    "survived": {"fate": "survived"},
}
"""What becomes of a mutant, and what its record says of that."""


def mutant(end: str, **changes: Any) -> dict[str, Any]:
    """A mutant that came to that end, as JSON gives it."""
    return {"line": 12, "old": "a - b", "new": "b - a", "operator": "swapped operands", **FATES[end], **changes}


def mutated(path: str, *mutants: dict[str, Any] | str, **changes: Any) -> AnyRecord:
    """A record of a file's mutants, each as it is given, or one of the line of its place that came to that end."""
    made = [mutant(of, line=line) if isinstance(of, str) else of for line, of in enumerate(mutants, 1)]
    folder = path.split("/")[1]
    backend = folder if folder in FRAMEWORKS else "tests"
    settings = {"primary_metric": "n_caught", "protocol": {"name": "mutants"}, "variant": "all mutants"}
    common = {"dataset": "the ladder's own data", "protocol": "mutants", "settings": settings, "hashes": {}}
    place = {"model": path, "variant": "all mutants", "backend": backend}
    return record(**{"kind": "mutation", "mutants": made, **place, **common, **changes})


SPACE = {
    "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "dim": {"values": [8, 16, 32]},
    "dropout": {"low": 0.0, "high": 0.5},
}
"""What trials draw from, unless they say otherwise."""


def tried(number: int, figure: float | None, drawn: dict[str, Any] | None = None, **changes: Any) -> AnyRecord:
    """A trial of sasrec that came to that figure after three epochs; without one it has failed.

    Trials of one model and variant are of one search, unless `changes` name another.
    """
    place = {"model": "sasrec", "variant": "sampled softmax"} | changes
    key = "/".join(str(place.get(name)) for name in ("model", "variant", "dataset", "backend", "seed"))
    points = [(0, 0.01), (1, (figure or 0) / 2), (2, (figure or 0) / 1.2), (3, figure or 0)]
    curve = [{"epoch": e, "steps": 9 * e, "loss": e and 0.5, "metrics": {"precision@5": m}} for e, m in points]
    found = {"metrics": {"precision@5": figure}, "ended": "complete", "curve": curve, "timings": {"cpu_s": 36.0}}
    lost = {"status": "failed", "reason": "out of luck", "timings": {"wall_s": 18.0}}
    made = {
        "kind": "trial",
        "search": hashlib.sha256(key.encode()).hexdigest()[:16],
        "number": number,
        "drawn": {"learning_rate": 0.001 * number, "dim": (8, 16, 32)[number % 3], "dropout": 0.25},
        "space": SPACE,
        "cap_s": 900.0,
        **({"drawn": drawn, "space": {name: SPACE[name] for name in drawn if name in SPACE}} if drawn else {}),
        **(found if figure is not None else lost),
    }
    return record(**{**made, **place})


def search_of(figures: list[float | None], **changes: Any) -> list[AnyRecord]:
    """The trials of one search, which came to these figures."""
    return [tried(number, figure, **changes) for number, figure in enumerate(figures, 1)]


def mapped(n_items: int = 30, n_categories: int = 3, **changes: Any) -> AnyRecord:
    """A map record of mf-bpr: items on a spiral, category by category, as many times as fit."""
    turns = [6.28 * item / n_items for item in range(n_items)]
    drawn = {
        "method": "t-SNE",
        "x": [round(math.cos(5 * turn) * turn / 6.28, 3) for turn in turns],
        "y": [round(math.sin(5 * turn) * turn / 6.28, 3) for turn in turns],
        "category": [item % n_categories for item in range(n_items)],
        "categories": [f"genre {category}" for category in range(n_categories)],
    }
    changes = {
        "settings": {"primary_metric": "precision@5", "protocol": PROTOCOL, "n_items": 4059, "dim": 129},
        "metrics": {"neighbour_category_share": 0.625, "neighbour_category_chance": 0.3103},
        "versions": {"scikit-learn": "1.9.1", "numpy": "2.4.6"},
        "map": drawn,
    } | changes
    return record(kind="map", model="mf-bpr", mode="compiled", **changes)


def shuffle(items: list[Any], seed: int) -> None:
    random.Random(seed).shuffle(items)  # noqa: S311 - an order, not a secret


def suite() -> list[AnyRecord]:
    """A run of everything: four frameworks, references, throughput, indexes, a map, a ladder, mutants and failures."""
    references = {"backend": "classic", "versions": {"implicit": "0.7.3", "numpy": "2.4.6"}}
    made = [
        trained("popularity", 0.06423, variant="seen-kept", **references),
        trained("popularity", 0.05104, variant="seen-filtered", **references),
        trained("oracle", 0.81, variant="as_published", **references),
        trained("als", 0.1395, **references),
        failed("unsupported", "no CINN in the CPU wheel", backend="paddle", mode="compiled", model="mf-bpr"),
        failed("timeout", "took longer than 600 s", mode="compiled", model="mf-bpr", kind="throughput"),
    ]
    rates = {"torch": 500_000, "paddle": 115_000, "tensorflow": 742_000, "jax": 1_100_000}
    for place, (backend, rate) in enumerate(rates.items()):
        mode = "eager" if backend in {"torch", "paddle"} else "compiled"
        common = {"backend": backend, "mode": mode, "versions": {backend: f"{place + 2}.1", "numpy": "2.4.6"}}
        made += [
            trained("mf-logloss", 0.1552 + 1e-5 * place + 0.002 * (seed % 2), seed=seed, **common) for seed in range(3)
        ]
        made.append(trained("mf-bpr", 0.1410 + 1e-5 * place, notes=["stopped while it still rose"], **common))
        for model in ("mf-logloss", "mf-bpr"):
            made.append(
                timed(**common, model=model, windows=[rate * (1 + 0.02 * i) for i in range(5)], group=f"g-{model}")
            )
        rungs = [
            {"rung": "round trip", "holds": True, "difference": 0.0, "tolerance": 0.0, "where": ""},
            {"rung": "loss", "holds": place < 3, "difference": 1e-7 * 30**place, "tolerance": 1e-6, "where": "step 1"},
        ]
        made.append(record(kind="agreement", rungs=rungs, divergence=[1e-8, 3e-8 * (place + 1)], **common))
        made += [record(kind="agreement", climb=f"pairs {n}", rungs=rungs[:1], **common) for n in (1, 2)]
        made.append(mutated(f"backends/{backend}/mf_bpr.py", *FATES))
    made.append(timed("torch", "compiled", [2.4e6, 2.5e6, 2.43e6], model="mf-logloss", group="g-mf-logloss"))
    made.append(indexed("exact", 1.0, [1000, 1040, 990]))
    made.append(indexed("faiss-flat", 1.0, [4100, 4000, 4200]))
    for nprobe, recall, rate in ((1, 0.71, 60e3), (4, 0.93, 44e3), (16, 0.996, 21e3)):
        build, query = {"nlist": 64}, {"nprobe": nprobe}
        index = {"name": "faiss-ivf", "build": build, "query": query}
        made.append(indexed("faiss-ivf", recall, [rate, rate * 1.1, rate * 0.95], index=index))
    for ef, recall, rate in ((16, 0.95, 31e3), (64, 0.999, 12e3)):
        index = {"name": "faiss-hnsw", "build": {"M": 16, "efConstruction": 200}, "query": {"efSearch": ef}}
        made.append(indexed("faiss-hnsw", recall, [rate, rate * 1.1, rate * 0.95], index=index))
    for search_k, recall, rate in ((100, 0.62, 22e3), (1000, 0.956, 6.7e3), (10_000, 0.997, 1.8e3)):
        index = {"name": "annoy", "build": {"n_trees": 20}, "query": {"search_k": search_k}}
        made.append(indexed("annoy", recall, [rate, rate * 1.1, rate * 0.95], index=index))
    made.append(mapped())
    made.append(mutated("benchmarks/metrics.py", *["difference"] * 19, "equivalent"))
    return made


def verdict(model: str, word: str, reason: str, spread: float | None = None, n_more: int = 0) -> Verdict:
    place = (model, "as_published", "online-retail", "time-split", "cpu")
    return Verdict(*place, (0,), word, n_more, reason, spread, 0.001)


def suite_verdicts() -> list[Verdict]:
    return [
        verdict("mf-logloss", "agrees", "Four backends stay within it.", 3e-5),
        verdict("mf-bpr", "differs", "jax is 0.004 below torch.", 0.004),
        verdict("als", "not compared", "It has one backend."),
    ]


def hostile_suite() -> tuple[list[AnyRecord], list[Verdict]]:
    """Names and reasons that no page may take for markup."""
    made = [
        trained("mf-bpr", 0.15, dataset=HOSTILE, notes=[HOSTILE + "\n# heading"]),
        timed("torch", "eager", [100.0, 120.0], dataset=HOSTILE, group=HOSTILE),
        failed("failed", HOSTILE + "\n\x1b[31mred & <b>bold</b>", dataset=HOSTILE, backend="jax"),
    ]
    verdicts = [verdict("mf-bpr", "differs", HOSTILE)]
    return made, verdicts
