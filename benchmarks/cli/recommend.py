"""`recommend`: lists for given users from a checkpoint, as CSV."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backends.registry import FRAMEWORKS
from benchmarks.cli.options import Subcommands, add_always, add_data_dir, count, time_limit
from benchmarks.exit_codes import FINE
from datasets.errors import InputError

HEADING = "user_id"


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("recommend", help="lists for given users from a checkpoint of a run, as CSV")
    command.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="RESULTS/checkpoints/CELL.npz, as a run has left it",
    )
    who = command.add_mutually_exclusive_group(required=True)
    who.add_argument("--users", nargs="+", default=[], metavar="USER", help="ids as the data set has them")
    who.add_argument("--users-file", type=Path, metavar="FILE", help="a file with one id a line")
    command.add_argument("--n", type=count, default=10, metavar="N", help="items of a list (default 10)")
    command.add_argument("--out", type=Path, metavar="FILE", help="the CSV file to write (default: to the terminal)")
    command.add_argument("--keep-seen", action="store_true", help="items that a user already has may be in the list")
    command.add_argument(
        "--dataset", metavar="DATASET", help="the data that it was trained on, where the record cannot say: file:PATH"
    )
    command.add_argument(
        "--backend", choices=FRAMEWORKS, metavar="BACKEND",
        help=f"the framework that answers (default: the one that trained): {', '.join(FRAMEWORKS)}",
    )  # fmt: skip
    command.add_argument("--timeout", type=time_limit, default=600.0, metavar="S", help="seconds it may take")
    add_data_dir(command)
    add_always(command, call, quiet="nothing but the lists")


def call(options: argparse.Namespace) -> int:
    """Writes the lists of the users who are known, and says of whom there are none."""
    from benchmarks import recommend  # here, because it brings pandas with it

    users = options.users or _ids(options.users_file)
    wish = recommend.Wish(options.n, options.keep_seen, options.backend, options.timeout)
    found = recommend.recommend(recommend.trained(options.checkpoint), users, wish, options.dataset, options.data_dir)
    if not options.quiet:
        sys.stderr.writelines(f"note: {sentence}\n" for sentence in found.left_out)
    found.lists.to_csv(options.out or sys.stdout, index=False, float_format="%.6g")
    if options.out and not options.quiet:
        n_users = found.lists[HEADING].nunique()
        sys.stdout.write(f"written: {options.out}, lists for {n_users} user{'s' if n_users != 1 else ''}\n")
    return FINE


def _ids(path: Path) -> list[str]:
    """The ids of a file, without empty lines and without a heading."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8, expected one user id a line; save it as UTF-8.") from error
    ids = [line for line in lines[lines[:1] == [HEADING] :] if line]
    if not ids:
        raise InputError(f"{path} names no user, expected one user id a line; write some into it.")
    return ids
