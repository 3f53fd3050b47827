"""Valid records, for tests that need one: as JSON gives them and as they are read."""

from benchmarks import records


def line(number=0, /, **changes):
    """What JSON gives of a valid record of the cell of that number, of a training unless `changes` name another."""
    of_training = {
        "intervals": {"recall@5": [0.4, 0.6]},
        "scores": None,
        "curve": [{"epoch": 0, "steps": 0, "loss": None, "metrics": {"recall@5": 0.1}}],
    }
    return {
        "schema_version": 2,
        "run_id": "run",
        "cell": f"{number:016x}",
        "kind": "train",
        "model": "mf-bpr",
        "variant": "as_published",
        "backend": "torch",
        "mode": "eager",
        "device": "cpu",
        "threads": 1,
        "dataset": "shop",
        "protocol": "time-split",
        "seed": 0,
        "status": "ok",
        "reason": None,
        "settings": {},
        "metrics": {"recall@5": 0.5},
        "timings": {"wall_s": 1.5, "window_samples_per_s": [1.0, 2.0]},
        "memory": {"peak_rss_bytes": 10},
        "hashes": {"split": "s"},
        "versions": {"numpy": "2"},
        "machine": {"id": "m", "cpu": "c", "cores": 2, "memory_bytes": 1, "system": "s", "gpu": None},
        "notes": ["größer"],
        "rows": [],
        "warning": None,
        "commit": None,
        "dirty": None,
        **(of_training if changes.get("kind", "train") == "train" else {}),
        **changes,
    }


def record(number=0, /, **changes):
    return records.of(line(number, **changes))
