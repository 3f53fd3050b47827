"""Lists for given users from a checkpoint that a run has left: what its record says is held to be so, then asked."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import datasets
from backends.registry import FAMILIES, FRAMEWORKS, Unsupported
from benchmarks import protocols, specs
from benchmarks.harness import executors, files, store
from benchmarks.harness.lists import LISTS, Asked
from benchmarks.harness.plan import Prepared
from benchmarks.harness.prepare import prepare_split
from benchmarks.protocols.base import Protocol, Split, numbering
from benchmarks.records import AnyRecord
from benchmarks.settings import shown
from datasets.errors import InputError
from datasets.interactions import Interactions

SHOWN = 5
"""Users that a sentence names."""


@dataclass(frozen=True)
class Trained:
    """A training that left a checkpoint.

    Attributes:
        results: its results folder.
        record: what is recorded of it.
        checkpoint: the file of its parameters.
    """

    results: Path
    record: AnyRecord
    checkpoint: Path

    @property
    def spec(self) -> Any:
        """The model's spec, for the settings that the record names; what a spec has got since is as by default."""
        model = self.record.model
        fields = {field.name for field in dataclasses.fields(specs.make(model, {}))}
        return specs.make(model, {k: v for k, v in self.record.settings.items() if k in fields})

    @property
    def protocol(self) -> Protocol:
        return protocols.make(self.record.settings["protocol"])


@dataclass(frozen=True)
class Recommended:
    """Lists, and sentences on users who have none.

    Attributes:
        lists: user_id, rank (from 1), item_id and score, a row an item, users as they were asked for.
        left_out: one sentence for each reason.
    """

    lists: pd.DataFrame
    left_out: tuple[str, ...]


def trained(checkpoint: Path) -> Trained:
    """The training that left a checkpoint, RESULTS/checkpoints/CELL.npz, and the file held to the hash in its record.

    Raises:
        InputError: no record tells what it is, there is none, or it is not what was left.
    """
    results = checkpoint.absolute().parent.parent
    known = {record.cell: record for record in (store.read(results) if store.file_of(results) else [])}
    record = known.get(checkpoint.stem)
    if record is None or record.kind != "train" or checkpoint.absolute().parent.name != "checkpoints":
        raise InputError(
            f"no record says what {checkpoint} is, expected RESULTS/checkpoints/CELL.npz beside RESULTS/"
            f"{store.FILE_NAME}; give a checkpoint where a run has left it."
        )
    if not checkpoint.is_file():
        there = [
            f"{path.name} ({known[path.stem].model})" for path in checkpoint.parent.glob("*.npz") if path.stem in known
        ]
        way_out = f"give {' or '.join(sorted(there)[:SHOWN])}" if there else "run one of those first"
        raise InputError(
            f"{record.model} ({record.variant}) has left no checkpoint {checkpoint}, which only models with "
            f"vectors that a framework has trained do; {way_out}."
        )
    if files.hash_file(checkpoint) != record.hashes.get("checkpoint"):
        raise InputError(
            f"{checkpoint} is not what its record says that the run left (its hash is another); run it again, which "
            "trains it anew."
        )
    return Trained(results, record, checkpoint)


@dataclass(frozen=True)
class Wish:
    """How lists are to be made.

    Attributes:
        n: items of a list.
        keep_seen: whether what a user is known to have may be in the list.
        backend: the framework that answers; None for the one that trained.
        timeout_s: seconds that it may take.
    """

    n: int = 10
    keep_seen: bool = False
    backend: str | None = None
    timeout_s: float = 600.0


def recommend(
    of: Trained, users: Iterable[str], wish: Wish, dataset: str | None = None, data_dir: Path | None = None
) -> Recommended:
    """Lists for users by their ids, from what the protocol has told the model about them.

    Args:
        of: the training.
        users: ids as the data set has them.
        wish: how lists are to be made.
        dataset: the data set, where the record names a file without its folder.
        data_dir: where the publishers' archives are.

    Raises:
        InputError: the data are others than those that were trained on, or none of the users is known.
    """
    data, prepared = _data(of, dataset, data_dir)
    wanted = pd.Index(dict.fromkeys(user.strip() for user in users))
    place = pd.Index(data.user_ids).get_indexer(wanted)
    asked, is_known = questions(of.spec, of.protocol, Split.load(prepared.folder), data, place[place >= 0])
    left_out = [
        *_left_out(wanted[place < 0], len(wanted), f"not in {data.name}"),
        *_left_out(
            wanted[place >= 0][~is_known], len(wanted), f"without rows that {of.record.model} could answer from"
        ),
    ]
    if not is_known.any():
        raise InputError(f"there are lists for none of these users: {'; '.join(left_out)}; give others.")
    kept = Asked(asked.user[is_known], asked.history, asked.start[is_known], asked.stop[is_known])
    items, scores = _answers(of, prepared, kept, wish)
    row, column = np.nonzero(items >= 0)
    lists = {
        "user_id": wanted[place >= 0][is_known][row],
        "rank": column + 1,
        "item_id": data.item_ids[items[row, column]],
        "score": scores[row, column],
    }
    return Recommended(pd.DataFrame(lists), tuple(f"{sentence}." for sentence in left_out))


def _left_out(users: pd.Index[str], n: int, why: str) -> list[str]:
    if not len(users):
        return []
    named = ", ".join(shown(user, 40) for user in users[:SHOWN]) + (
        f" and {len(users) - SHOWN} more" if len(users) > SHOWN else ""
    )
    return [f"{len(users)} of {n} users {'is' if len(users) == 1 else 'are'} {why} ({named})"]


def _data(of: Trained, given: str | None, data_dir: Path | None) -> tuple[Interactions, Prepared]:
    """The rows of the data set that its protocol takes, and its split, both those of the record."""
    name = given or of.record.dataset
    try:
        data = datasets.load(name, data_dir)
    except InputError as error:
        if given or not name.startswith(datasets.FILE_PREFIX):
            raise
        raise InputError(
            f"{of.checkpoint} was trained on {name}, of which the record does not name the folder; give its path, "
            "--dataset file:PATH."
        ) from error
    if data.content_hash[:16] != of.record.hashes["dataset"]:
        raise InputError(
            f"{name} holds other data than those that {of.checkpoint} was trained on; name these with --dataset."
        )
    with store.locked(of.results):
        prepared = prepare_split(name, of.protocol, of.results, data_dir)
    if prepared.hashes["split"] != of.record.hashes["split"]:
        raise InputError(f"{name} is split otherwise than when {of.checkpoint} was trained; run it again.")
    return of.protocol.taken(data)[0], prepared


def questions(
    spec: Any, protocol: Protocol, split: Split, data: Interactions, wanted: npt.NDArray[np.int64]
) -> tuple[Asked, npt.NDArray[np.bool_]]:
    """What a model is told about users, and whom it knows: bool[n].

    To a model that asks for histories that is what the last query of the reported period says of a user, or, of one who
    is not asked about, the last training sequence. To others it is the number of the user, with the training items.

    Args:
        spec: the model's spec.
        protocol: what the split was made by.
        split: the split.
        data: the whole data set.
        wanted: int64[n], indices of the data's users.
    """
    users = protocol.users(data)
    number = numbering(users, data.n_users)[wanted]
    if spec.asks == "users":
        start, stop = (split.seen_indptr[number + add] for add in (0, 1))
        return Asked(number, split.seen_items, start, stop), number >= 0
    queries = split.period(protocol.period)
    about = protocol.newcomers(data) if protocol.new_users else np.where(queries.user >= 0, users[queries.user], -1)
    query = _last(about, data.n_users)[wanted]
    sequence = np.where(number >= 0, _last(split.sequence_user, split.n_users)[number], -1)
    is_asked, after = query >= 0, len(queries.history)
    start = np.where(is_asked, queries.start[query], after + split.sequence_indptr[sequence])
    stop = np.where(is_asked, queries.stop[query], after + split.sequence_indptr[sequence + 1])
    is_known = (is_asked | (sequence >= 0)) & (spec.answers_empty | (start < stop))
    return Asked(number, np.concatenate([queries.history, split.sequence_items]), start, stop), is_known


def _last(user: npt.NDArray[np.int32], n_users: int) -> npt.NDArray[np.int64]:
    """The last place of each user, -1 of who is nowhere: int64[n_users]."""
    last = np.full(n_users, -1)
    (places,) = np.nonzero(user >= 0)
    np.maximum.at(last, user[places], places)
    return last


def _answers(
    of: Trained, prepared: Prepared, asked: Asked, wish: Wish
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Items and scores, [n_users, n], from a process of the framework's own."""
    model, backend = of.record.model, wish.backend or of.record.backend
    adapter = FAMILIES[model].adapters[backend]
    if isinstance(adapter, Unsupported):
        raise InputError(f"{backend} cannot answer for {model} ({adapter.reason}); choose another --backend.")
    with tempfile.TemporaryDirectory(prefix="recallbench-") as name:
        folder = Path(name)
        asked.save(folder)
        job = {
            "kind": "recommend",
            "model": model,
            "settings": dataclasses.asdict(of.spec),
            "backend": backend,
            "mode": "eager",  # nothing is trained that a compiler would make faster
            "device": "cpu",
            "threads": 1,
            "adapter": adapter,
            "split": str(prepared.folder.resolve()),
            "checkpoint": str(of.checkpoint.resolve()),
            "n": wish.n,
            "keep_seen": wish.keep_seen,
        }
        ((_, result),) = executors.run([executors.Task(job, folder)], 0, wish.timeout_s)
        if result["status"] != "ok":
            others = ", ".join(other for other in FRAMEWORKS if other != backend)
            raise InputError(
                f"{model} gave no lists in {backend} ({result['reason']}); mend that, or take another "
                f"--backend: {others}."
            )
        with np.load(folder / LISTS) as left:
            return left["items"], left["scores"]
