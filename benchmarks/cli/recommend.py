"""`recommend`: lists for given users from a checkpoint, as CSV."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from backends.registry import FRAMEWORKS
from benchmarks.cli.options import Subcommands, add_always, add_data_dir, length, nonempty, path, time_limit
from benchmarks.exit_codes import FINE
from datasets.errors import InputError, MachineError

HEADING = "user_id"


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("recommend", help="lists for given users from a checkpoint of a run, as CSV")
    command.add_argument(
        "--checkpoint",
        type=path,
        required=True,
        metavar="FILE",
        help="RESULTS/checkpoints/CELL.npz, as a run has left it",
    )
    who = command.add_mutually_exclusive_group(required=True)
    who.add_argument("--users", nargs="+", default=[], metavar="USER", help="ids as the data set has them")
    who.add_argument("--users-file", type=path, metavar="FILE", help="a file with one id a line")
    command.add_argument("--n", type=length, default=10, metavar="N", help="items of a list (default 10)")
    command.add_argument(
        "--out", type=path, metavar="FILE", help="the CSV file to write (default, and -: to the terminal)"
    )
    command.add_argument("--keep-seen", action="store_true", help="items that a user already has may be in the list")
    command.add_argument(
        "--dataset",
        type=nonempty,
        metavar="DATASET",
        help="the data that it was trained on, where the record cannot say: file:PATH",
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

    out = None if options.out == Path("-") else options.out
    if out:
        _refuse_unwritable(out)
    users = options.users or _ids(options.users_file)
    wish = recommend.Wish(options.n, options.keep_seen, options.backend, options.timeout)
    found = recommend.recommend(recommend.trained(options.checkpoint), users, wish, options.dataset, options.data_dir)
    if not options.quiet:
        sys.stderr.writelines(f"note: {sentence}\n" for sentence in found.left_out)
    found.lists.to_csv(out or sys.stdout, index=False, float_format="%.6g")
    if out and not options.quiet:
        n_users = found.lists[HEADING].nunique()
        sys.stdout.write(f"written: {out}, lists for {n_users} user{'s' if n_users != 1 else ''}\n")
    return FINE


def _refuse_unwritable(out: Path) -> None:
    """Sees, before any work, that there can be a file of that name."""
    if out.is_dir():
        raise InputError(f"--out {out} is a folder, expected a file; name one in it.")
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}, expected one; make it, or name another.")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise MachineError(f"--out {out} cannot be written; give this user the permission, or name another file.")


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
