"""Protocols under which data are too few are passed over, as long as another one of the same data is not."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator

from benchmarks.harness import files
from datasets.errors import TooFewError


class Enough:
    """Which data sets have been cut by a protocol, and by which they could not be."""

    def __init__(self) -> None:
        self._too_few: dict[str, list[TooFewError]] = defaultdict(list)
        self._able: set[str] = set()

    @contextlib.contextmanager
    def of(self, dataset: str) -> Iterator[None]:
        """Passes over a block in which that data set turns out to have too few rows."""
        try:
            yield
        except TooFewError as error:
            self._too_few[dataset].append(error)
        else:
            self._able.add(dataset)

    def conclude(self, what: str) -> None:
        """Says what was passed over, and that nothing came of it.

        Args:
            what: that was not done, such as "run".

        Raises:
            TooFewError: all that was wanted of a data set was.
        """
        for dataset, errors in self._too_few.items():
            if dataset not in self._able:
                raise errors[0]
            for sentence in dict.fromkeys(map(str, errors)):
                files.say(f"{sentence} Nothing is {what} for that.")
