"""In a worker: lists for given users from trained parameters, each item with its score."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from backends import stretches
from benchmarks import checkpoints
from benchmarks.harness.evaluation import DivergedError, answers, exact_lists
from benchmarks.protocols.base import Split
from benchmarks.specs.base import Sizes

if TYPE_CHECKING:
    from benchmarks.harness.worker import Job

QUESTIONS, LISTS = "questions.npz", "lists.npz"


@dataclass(frozen=True)
class Asked:
    """Who asks, and what they are known to have; see `specs.base.Questions`.

    Attributes:
        user: int32[n], the users as the split numbers them, -1 for who has no training rows.
        history: int32[m], items.
        start, stop: int64[n], user i has history[start[i]:stop[i]], oldest first where the model asks for histories.
    """

    user: npt.NDArray[np.int32]
    history: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]

    def save(self, folder: Path) -> None:
        np.savez(folder / QUESTIONS, user=self.user, history=self.history, start=self.start, stop=self.stop)


def answer(job: Job) -> None:
    """Leaves items int32[n, k], best first, -1 where there are fewer, and scores float32[n, k] in the job's folder."""
    spec, split = job.spec, Split.load(Path(job.asked["split"]))
    with np.load(job.folder / QUESTIONS) as saved:
        asked = Asked(**saved)
    table = spec.parameters(Sizes.of(split))
    parameters = checkpoints.load(Path(job.asked["checkpoint"]), table)
    adapter = importlib.import_module(job.asked["adapter"])
    state = adapter.init(spec, parameters, job.asked["device"], job.asked["mode"])
    items = adapter.embed_items(state)
    users = answers(spec, partial(adapter.embed_users, state), asked)
    if not (np.isfinite(items).all() and np.isfinite(users).all()):
        raise DivergedError("a vector is not finite, so its items cannot be ranked; train with a lower learning rate")
    seen = None if job.asked["keep_seen"] else stretches.joined(asked.history, asked.start, asked.stop)
    listed = exact_lists(users, items, job.asked["n"], seen)
    np.savez(job.folder / LISTS, items=listed, scores=_scores(users, items, listed))
    job.finish(status="ok")


def _scores(
    users: npt.NDArray[np.float32], items: npt.NDArray[np.float32], listed: npt.NDArray[np.int32]
) -> npt.NDArray[np.float32]:
    """Inner products of users and the items of their lists, float32[n, k]; of several interests the largest."""
    interests = users if users.ndim == 3 else users[:, None]
    scores: npt.NDArray[np.float32] = np.einsum("nid,nkd->nik", interests, items[listed]).max(axis=1)
    return scores
