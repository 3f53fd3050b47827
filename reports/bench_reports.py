"""How long a folder of many records takes to be read and reported: `python -m pytest reports/bench_reports.py -s`."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import msgspec

from benchmarks.harness import environment, store
from reports import write

PUBLISHED = Path(__file__).resolve().parent / "published"
N_RECORDS, N_VARIANTS = 100_000, 25


def test_a_hundred_thousand_records_are_read_and_reported(benchmark, tmp_path):
    """Trainings of a sweep: variants × frameworks and modes × seeds. Memory is that of this process at its largest."""
    known = (record for record in store.read(PUBLISHED / "quick") if record.model == "mf-logloss")
    of_place = {(one.backend, one.mode): one for one in known if one.kind == "train"}
    n_seeds = N_RECORDS // (N_VARIANTS * len(of_place))
    number = itertools.count()
    with (tmp_path / store.FILE_NAME).open("wb") as file:
        for variant, seed, record in itertools.product(range(N_VARIANTS), range(n_seeds), of_place.values()):
            settings = {**record.settings, "variant": f"v{variant}", "epochs": variant + 1}
            made = msgspec.structs.replace(
                record, cell=f"{next(number):016x}", variant=f"v{variant}", seed=seed, settings=settings
            )
            file.write(store.as_line(made))
    start, cpu = time.perf_counter(), time.process_time()
    loaded = write.load_all([tmp_path])
    read_s = time.perf_counter() - start
    assert len(loaded[tmp_path].cells) == N_RECORDS
    assert benchmark.pedantic(lambda: write.publish(loaded, [tmp_path]), rounds=1)
    total_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    peak_gib = environment.peak_rss_bytes() / 2**30
    benchmark.extra_info.update(read_s=read_s, total_s=total_s, cpu_s=cpu_s, peak_gib=peak_gib)
    print(f"read: {read_s:.4g} s", f"all: {total_s:.4g} s, {cpu_s:.4g} s of CPU, {peak_gib:.3g} GiB", sep="\n")  # noqa: T201
