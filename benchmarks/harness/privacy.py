"""What records say of a machine's files and settings: enough to tell results apart, and nothing that is its user's own.

Pages are made of records, so that what is not in these is not published.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from pathlib import Path

from datasets import FILE_PREFIX, FILE_SUFFIXES

INFLUENCES = frozenset(
    {
        # the allocators
        "GLIBC_TUNABLES",
        "LD_PRELOAD",
        "MALLOC_ARENA_MAX",
        "MALLOC_CONF",
        "MALLOC_MMAP_MAX_",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TOP_PAD_",
        "MALLOC_TRIM_THRESHOLD_",
        # threads, and the instructions that libraries may use
        "ATEN_CPU_CAPABILITY",
        "DNNL_DEFAULT_FPMATH_MODE",
        "DNNL_MAX_CPU_ISA",
        "GOMP_CPU_AFFINITY",
        "GOMP_SPINCOUNT",
        "KMP_AFFINITY",
        "KMP_BLOCKTIME",
        "KMP_HW_SUBSET",
        "MKL_CBWR",
        "MKL_DYNAMIC",
        "MKL_ENABLE_INSTRUCTIONS",
        "NPY_DISABLE_CPU_FEATURES",
        "NUMBA_BOUNDSCHECK",
        "NUMBA_CPU_FEATURES",
        "NUMBA_CPU_NAME",
        "NUMBA_DISABLE_JIT",
        "NUMBA_OPT",
        "NUMBA_THREADING_LAYER",
        "OMP_DYNAMIC",
        "OMP_PLACES",
        "OMP_PROC_BIND",
        "OMP_SCHEDULE",
        "ONEDNN_DEFAULT_FPMATH_MODE",
        "ONEDNN_MAX_CPU_ISA",
        "OPENBLAS_CORETYPE",
        # GPUs
        "CUBLAS_WORKSPACE_CONFIG",
        "CUDA_LAUNCH_BLOCKING",
        # PyTorch
        "PYTORCH_CUDA_ALLOC_CONF",
        "PYTORCH_NO_CUDA_MEMORY_CACHING",
        "TORCHDYNAMO_DISABLE",
        "TORCHINDUCTOR_COORDINATE_DESCENT_TUNING",
        "TORCHINDUCTOR_CPP_WRAPPER",
        "TORCHINDUCTOR_FORCE_DISABLE_CACHES",
        "TORCHINDUCTOR_FREEZING",
        "TORCHINDUCTOR_MAX_AUTOTUNE",
        "TORCH_COMPILE_DISABLE",
        # PaddlePaddle
        "FLAGS_allocator_strategy",
        "FLAGS_cpu_deterministic",
        "FLAGS_cudnn_deterministic",
        "FLAGS_eager_delete_tensor_gb",
        "FLAGS_embedding_deterministic",
        "FLAGS_enable_pir_api",
        "FLAGS_fraction_of_cpu_memory_to_use",
        "FLAGS_fraction_of_gpu_memory_to_use",
        "FLAGS_paddle_num_threads",
        "FLAGS_use_cinn",
        "FLAGS_use_mkldnn",
        "FLAGS_use_onednn",
        "FLAGS_use_system_allocator",
        # TensorFlow
        "TF_CUDNN_DETERMINISTIC",
        "TF_DETERMINISTIC_OPS",
        "TF_ENABLE_ONEDNN_OPTS",
        "TF_GPU_ALLOCATOR",
        "TF_GPU_THREAD_MODE",
        "TF_XLA_FLAGS",
        # JAX
        "JAX_COMPILATION_CACHE_DIR",
        "JAX_DEBUG_NANS",
        "JAX_DEFAULT_DTYPE_BITS",
        "JAX_DEFAULT_MATMUL_PRECISION",
        "JAX_DISABLE_JIT",
        "JAX_DISABLE_MOST_OPTIMIZATIONS",
        "JAX_ENABLE_COMPILATION_CACHE",
        "JAX_ENABLE_X64",
        "JAX_NUMPY_DTYPE_PROMOTION",
        "JAX_THREEFRY_PARTITIONABLE",
    }
)
"""Environment variables that change how fast a worker is or what it computes: where they are set, records say so.

Names and not their beginnings, because tokens begin with the names of libraries too. What the harness itself sets for
every worker is not among them.
"""
LONGEST = 200
"""Characters of a variable's value."""
FOLDERS = re.compile(r"[^\s:;,=\"']*/")
"""The folders of a path, up to its last name."""
HOMES = re.compile(r"(?<![\w/])(?:/[\w.+-]+)*?/(?:home|Users)/[^/\s:;,\"'()]+")
"""Anybody's home, wherever homes are mounted."""


def influences() -> dict[str, str]:
    """The variables that are set of those that change results, with the last names of all paths in them."""
    there = sorted(INFLUENCES & set(os.environ))
    return {name: readable(FOLDERS.sub("", os.environ[name]))[:LONGEST] for name in there}


def dataset(name: str) -> str:
    """What a data set is called: a file by its own name, as `file:NAME`, and any other by the name that it has.

    Files of the same name are told apart by the hashes of what is in them.
    """
    if not name.startswith(FILE_PREFIX) and not name.lower().endswith(FILE_SUFFIXES):
        return readable(name)
    return FILE_PREFIX + readable(Path(name.removeprefix(FILE_PREFIX)).name)


def text(sentence: str, *folders: Path) -> str:
    """A sentence with `~` for every home in it, and without these folders before the names of what is in them."""
    for folder in folders:
        sentence = sentence.replace(f"{folder}/", "")
    for home in _homes():
        sentence = re.sub(rf"(?<![\w/]){re.escape(home)}(?![\w-])", "~", sentence)
    return readable(HOMES.sub("~", sentence))


def note(sentence: str, of: str) -> str:
    """A sentence about the data set of that name, without the folders of its file."""
    folder = Path(of.removeprefix(FILE_PREFIX)).parent
    return text(sentence.replace(of, dataset(of)), *([folder] if folder.is_absolute() else []))


def _homes() -> tuple[str, ...]:
    """This user's home, as the environment and as the system know it."""
    known = [os.path.expanduser("~")]  # noqa: PTH111 - Path's raises where there is none
    with contextlib.suppress(KeyError):  # a container may run under a number that has no name
        known.append(pwd.getpwuid(os.getuid()).pw_dir)
    both = {path for home in known for path in (os.path.normpath(home), os.path.realpath(home))}
    return tuple(sorted((path for path in both if "/" in path and path != "/"), key=len, reverse=True))


def readable(name: str) -> str:
    """A text that every file can hold: bytes of a file's name that are no text are shown by their numbers."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
