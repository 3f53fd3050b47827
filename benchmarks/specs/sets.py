"""What models share that learn from who has what, and answer a history with a list and without vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.settings import Once
from benchmarks.specs.base import Arrays, Questions, Training, WithoutParameters
from datasets.errors import InputError


@dataclass(frozen=True)
class SetSpec(WithoutParameters):
    """Users and histories are sets: an item that stands there twice counts once, and order counts for nothing.

    Of equal scores the smaller number comes first.

    Attributes:
        filter_seen: whether the items of the history are left out of the lists.
    """

    model: ClassVar[str]
    asks: ClassVar[str] = "histories"
    answers_empty: ClassVar[bool] = False
    serves: ClassVar[str] = "lists"
    patience: ClassVar[int] = 0
    epochs: Once = 1
    filter_seen: bool = True

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:  # noqa: ARG002
        """One step that holds all training rows: user, item int32[1, n].

        Raises:
            InputError: if no training row has a user.
        """
        if not len(training.user):
            raise InputError(
                f"no training row has a user, and {self.model} learns from who has what; give data with user_id, or "
                "choose another model."
            )
        yield {"user": training.user[None], "item": training.item[None]}

    def inputs(self, queries: Questions) -> Iterator[tuple[Arrays, npt.NDArray[np.int64]]]:
        """All queries at once, as they are: user, history, start and stop; see `Questions`."""
        asked: Arrays = {name: getattr(queries, name) for name in ("user", "history", "start", "stop")}
        yield asked, np.arange(len(queries.user))
