"""The one table of what there is: backends, model families, and which implements which.

To add a model: its spec, its adapters, and one row in `FAMILIES` (docs/adding-a-model.md). To add a backend: its
folder, and one row in `BACKENDS` (docs/adding-a-backend.md). Nothing here imports a framework.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from datasets.errors import InputError


@dataclass(frozen=True)
class Backend:
    """A framework, or the classic models.

    Attributes:
        packages: distributions whose versions belong to a result.
        modes: how its steps can run.
        devices: where.
        trains: whether it takes gradient steps, and so has a throughput and stands on the agreement ladder.
        only: the adapters that it has, by the names of their files; () where it has those of every family that trains.
        title: its name as its makers write it; "" where it is called as its row is.
    """

    packages: tuple[str, ...]
    modes: tuple[str, ...] = ("eager", "compiled")
    devices: tuple[str, ...] = ("cpu", "gpu")
    trains: bool = True
    only: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True)
class Unsupported:
    """Why a family cannot work in a backend; its cells are recorded with this reason."""

    reason: str


@dataclass(frozen=True)
class Family:
    """A model family: its spec, and who implements it.

    Attributes:
        spec: "module:class" of the frozen dataclass.
        adapters: backend -> module that fulfils `backends.contract.Adapter`.
        kind: what sort of model it is, in the field's words: leaderboards speak of the speed of a kind.
    """

    spec: str
    adapters: Mapping[str, str | Unsupported]
    kind: str = "other"


def _everywhere(name: str) -> Mapping[str, str | Unsupported]:
    return MappingProxyType({backend: _adapter(backend, name) for backend in FRAMEWORKS})


def _adapter(backend: str, name: str) -> str | Unsupported:
    only = BACKENDS[backend].only
    if only and name not in only:
        return Unsupported(f"backends/{backend} has no adapter of this family; it has {', '.join(only)}")
    return f"backends.{backend}.{name}"


def _classic(name: str) -> Mapping[str, str | Unsupported]:
    return MappingProxyType({"classic": f"backends.classic.{name}"})


BACKENDS: Mapping[str, Backend] = MappingProxyType(
    {
        "torch": Backend(("torch",), title="PyTorch"),
        "paddle": Backend(("paddlepaddle", "paddlepaddle-gpu"), title="PaddlePaddle"),
        "tensorflow": Backend(("tensorflow-cpu", "tensorflow"), title="TensorFlow"),
        "jax": Backend(("jax", "jaxlib", "flax", "optax", "jax-cuda12-plugin"), title="JAX"),
        "classic": Backend(("implicit", "scipy"), modes=("eager",), devices=("cpu",), trains=False),
    }
)
FRAMEWORKS = tuple(name for name, backend in BACKENDS.items() if backend.trains)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "oracle": Family("benchmarks.specs.oracle:Oracle", _classic("oracle"), "reference"),
        "popularity": Family("benchmarks.specs.popularity:Popularity", _classic("popularity"), "reference"),
        "item-cf": Family("benchmarks.specs.item_cf:ItemCF", _classic("item_cf"), "neighbourhood"),
        "user-cf": Family("benchmarks.specs.user_cf:UserCF", _classic("user_cf"), "neighbourhood"),
        "ease": Family("benchmarks.specs.ease:EASE", _classic("ease"), "linear"),
        "slim": Family("benchmarks.specs.slim:SLIM", _classic("slim"), "linear"),
        "als": Family("benchmarks.specs.als:ALS", _classic("als"), "matrix factorisation"),
        "mf-logloss": Family(
            "benchmarks.specs.mf_logloss:MFLogLoss", _everywhere("mf_logloss"), "matrix factorisation"
        ),
        "mf-bpr": Family("benchmarks.specs.mf_bpr:MFBPR", _everywhere("mf_bpr"), "matrix factorisation"),
        "gru4rec": Family("benchmarks.specs.gru4rec:GRU4Rec", _everywhere("gru4rec"), "sequence"),
        "lstm": Family("benchmarks.specs.lstm:LSTM", _everywhere("lstm"), "sequence"),
        "sasrec": Family("benchmarks.specs.sasrec:SASRec", _everywhere("sasrec"), "sequence"),
        "bert4rec": Family("benchmarks.specs.bert4rec:BERT4Rec", _everywhere("bert4rec"), "sequence"),
        "lightgcn": Family("benchmarks.specs.lightgcn:LightGCN", _everywhere("lightgcn"), "graph"),
        "mult-vae": Family("benchmarks.specs.mult_vae:MultVAE", _everywhere("mult_vae"), "autoencoder"),
        "comirec-sa": Family("benchmarks.specs.comirec_sa:ComiRecSA", _everywhere("comirec_sa"), "multi-interest"),
        "comirec-dr": Family("benchmarks.specs.comirec_dr:ComiRecDR", _everywhere("comirec_dr"), "multi-interest"),
        "dssm": Family("benchmarks.specs.dssm:DSSM", _everywhere("two_tower"), "two-tower"),
        "youtube-dnn": Family("benchmarks.specs.youtube_dnn:YouTubeDNN", _everywhere("two_tower"), "two-tower"),
        "mind": Family("benchmarks.specs.mind:MIND", _everywhere("mind"), "multi-interest"),
    }
)
TRAINABLE = tuple(name for name, family in FAMILIES.items() if set(family.adapters) & set(FRAMEWORKS))
"""The families that take gradient steps, and so stand on the agreement ladder."""


def interpreter(backend: str) -> str:
    """The Python that runs a backend's cells: RECALLBENCH_PYTHON_<BACKEND> where it is set, else this one.

    GPU builds that cannot share an environment each get one that way.

    Raises:
        InputError: the variable names no program.
    """
    variable = f"RECALLBENCH_PYTHON_{backend.upper()}"
    python = os.environ.get(variable, sys.executable)
    if shutil.which(python) is None:
        raise InputError(
            f"{variable} is {python!r}, expected the path of a Python interpreter; correct it or unset it."
        )
    return python
