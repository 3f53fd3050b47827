"""Where the cells of a command run: on this machine, or on the nodes of a Ray cluster."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

from benchmarks.cli.options import jobs, nonempty
from benchmarks.harness import files
from benchmarks.harness.teams import Executor, Here
from datasets.errors import InputError

INSTALL = "python -m pip install -c constraints.txt ray==2.60.0"


def add_executor(command: Any, what: str, at_once: int = 1) -> None:
    """Where it runs, and how much at a time.

    Args:
        command: the parser.
        what: runs side by side.
        at_once: of them, on this machine, where the options do not say.
    """
    command.add_argument(
        "--jobs", type=jobs, metavar="N",
        help=f"{what} side by side, `auto` for one a core (default {at_once}; with Ray as many as there is room for)",
    )  # fmt: skip
    command.add_argument(
        "--executor", choices=("local", "ray"), default="local",
        help="where to run: this machine, or the nodes of a Ray cluster (default local)",
    )  # fmt: skip
    command.add_argument(
        "--address", type=nonempty, metavar="HOST:PORT",
        help="of the cluster's head, with `--executor ray` (default: the one that this machine belongs to)",
    )  # fmt: skip


@contextlib.contextmanager
def executor(options: argparse.Namespace, at_once: int = 1, apart: str = "") -> Iterator[Executor]:
    """What these options ask for; a cluster is let go of at the end, and what a run has left on its nodes is deleted.

    Args:
        options: parsed.
        at_once: as for `add_executor`.
        apart: a word for a command that may run beside others with the same results folder.

    Raises:
        InputError: Ray is not installed, there is no such cluster, or none of its nodes can run what is asked for.
    """
    if options.executor == "local":
        if options.address:
            raise InputError(f"--address {options.address} names a Ray cluster; add --executor ray, or leave it out.")
        yield Here(options.jobs or at_once)
        return
    try:
        from benchmarks.cluster.executor import Asked, connected
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise InputError(f"--executor ray needs Ray, which is not installed; install it with `{INSTALL}`.") from error
    asked = Asked(
        address=options.address or "auto",
        results=options.results,
        threads=options.threads,
        device=getattr(options, "device", "cpu"),
        most=options.jobs,
        apart=apart,
    )
    with connected(asked, (lambda _: None) if options.quiet else files.say) as made:
        yield made
