"""What a result depends on besides its inputs: versions, machine, commit, and the limits that a worker is given."""

from __future__ import annotations

import contextlib
import functools
import getpass
import importlib.metadata
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import psutil

from backends.registry import BACKENDS, interpreter
from benchmarks import surroundings
from benchmarks.harness import privacy
from benchmarks.records import Machine
from benchmarks.specs.base import digest

ROOT = Path(__file__).resolve().parents[2]
HARNESS_PACKAGES = ("numpy", "numba")
MOST_ANSWER_BYTES = 1 << 16
"""Of what another interpreter says of its packages; a real answer takes a hundredth of it."""
INDEX_PACKAGES = ("faiss-cpu", "annoy", "hnswlib", "usearch")


@functools.cache
def versions(backend: str) -> dict[str, str]:
    """Versions of Python and of the packages that a backend's cells run on, as its own interpreter sees them."""
    python = interpreter(backend)
    if python == sys.executable:
        return installed(backend)
    command = [python, "-m", "benchmarks.harness.environment", backend]
    try:
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60).stdout
        if len(answer) > MOST_ANSWER_BYTES:
            raise ValueError(answer[:100])
        return msgspec.json.decode(answer, type=dict[str, str])
    except (OSError, subprocess.SubprocessError, ValueError, RecursionError):  # it is no Python, or says something else
        return {"python": privacy.text(f"none at {python}")}


def installed(backend: str) -> dict[str, str]:
    """The same, as this interpreter sees them, with what the environment sets; what is not there is left out."""
    found = {"python": platform.python_version(), **privacy.influences()}
    packages = BACKENDS[backend].packages if backend in BACKENDS else ()  # what is no backend has none of its own
    for package in (*HARNESS_PACKAGES, *packages):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def index_versions() -> dict[str, str]:
    """Versions of the index libraries, which all index cells depend on."""
    return {package: importlib.metadata.version(package) for package in INDEX_PACKAGES}


@functools.cache
def machine() -> Machine:
    """This machine: results of another `id` are never compared with these."""
    cpu, cores, gpu = _cpu_model(), psutil.cpu_count() or 1, _gpu_model()
    memory, system = psutil.virtual_memory().total, f"{platform.system()} {platform.machine()}"
    known_by = digest([cpu, cores, round(memory / 2**30), system, gpu])
    return Machine(id=known_by, cpu=cpu, cores=cores, memory_bytes=memory, system=system, gpu=gpu)


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _gpu_model() -> str | None:
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True, check=True, text=True, errors="replace", timeout=20,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip().splitlines()[0]


def peak_rss_bytes() -> int:
    """The largest resident memory that this process has had.

    On Linux `ru_maxrss` begins with that of the process that has started this one, which makes a small worker of a
    large run look large; the kernel's high-water mark does not.
    """
    status = Path("/proc/self/status")
    for line in status.read_text(encoding="utf-8").splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def commit() -> tuple[str | None, bool | None]:
    """The repository's commit, and whether the working tree differs from it; None where there is no git."""
    try:
        head = _git("rev-parse", "HEAD")
        return head.strip(), bool(_git("status", "--porcelain").strip())
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, check=True, text=True, errors="replace", timeout=20
    ).stdout


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def oom_kills() -> int:
    """How often the kernel has killed a process for memory since it started; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


KEEPS_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
"""For glibc: freed memory stays with the process. Where arrays of hundreds of megabytes come and go, as in the ladder's
reference, handing each back to the system takes longer than computing it. Never where speed or memory is measured."""


def worker_environment(threads: int, device: str) -> dict[str, str]:
    """Environment variables of a worker: the same limits on threads for all, set before anything is imported."""
    limits = dict.fromkeys(
        (
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "NUMBA_NUM_THREADS",
            "TF_NUM_INTRAOP_THREADS",
            "TF_NUM_INTEROP_THREADS",
        ),
        str(threads),
    )
    # OMP variables do not limit XLA; threads that spin while another process works fall to a fraction of their speed.
    eigen = str(threads > 1).lower()
    fixed = {
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_PLATFORMS": "cpu" if device == "cpu" else "",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as nvidia-smi and NVML count them
        # Float32 stays float32: PyTorch's cuDNN and Paddle's products take 10 bits of it by default, and so does
        # PyTorch in the images of its vendor.
        "NVIDIA_TF32_OVERRIDE": "0",
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "0",
        # Workers that are timed by turns share a GPU, whose memory TensorFlow and JAX would take at once.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "PYTHONHASHSEED": "0",
    }
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    return {**os.environ, **surroundings.home_of_workers(), **limits, **fixed, **hidden}


def worker_caches(temporary: Path) -> dict[str, str]:
    """Variables that name a worker's temporary folder, and PyTorch's cache: what it compiles serves the next cell.

    PyTorch 2.13 looks for the C++ headers that it has compiled, six seconds' work, in the temporary folder whatever its
    cache is, so that the cache stands there, too.
    """
    try:
        user = getpass.getuser()
    except (KeyError, ModuleNotFoundError, OSError):  # a container may run under a number that has no name
        user = f"uid_{os.getuid()}"
    name = "torchinductor_" + re.sub(r'[\\/:*?"<>|]', "_", user)  # as PyTorch has it
    cache = Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR") or Path(tempfile.gettempdir()) / name)
    with contextlib.suppress(OSError):  # without it, it takes longer
        cache.mkdir(parents=True, exist_ok=True)
        (temporary / name).symlink_to(cache.resolve(), target_is_directory=True)
    return {"TMPDIR": str(temporary), "TORCHINDUCTOR_CACHE_DIR": str(cache)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(installed(sys.argv[1])))
