"""What the figures depend on beside the code, and the commands that measure them anew."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Table, pairs, threads
from reports.tables.leaderboard import Environment, Leaderboards

ANCHOR = "environment"
TITLE = "Environment and how to reproduce"
LEAD = (
    "On what machine and with what versions the figures were measured, and how to measure them again; tables of "
    "other pages have commands for single rows. Data sets that may not be redistributed are downloaded, or taken from "
    "the archives in the folder that `--data-dir` names. `--results` names the folder of records, from which "
    "`report` makes these pages."
)
_OWN = "a suite that is not in this repository"


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    whole = [(command or _OWN, str(n)) for command, n in leaderboards.commands.whole]
    reproduce = pairs("How to reproduce", ("command", "runs"), whole, ("reproduce",))
    environment = leaderboards.environment
    commits = ", ".join(f"{(commit or 'unknown')[:12]}{' with local changes' * bool(dirty)}"
                        for commit, dirty, _ in environment.commits)  # fmt: skip
    machines = " and ".join(f"{machine.cpu}, {machine.cores} cores" for machine, _ in environment.machines)
    answer = f"{machines}; commit {commits}"
    return [
        Block("", (reproduce,), notes=leaderboards.left_out),
        Block("Machine, versions, code and data", tuple(_tables(environment)), answer=answer),
    ]


def _tables(environment: Environment) -> list[Table]:
    several = len(environment.machines) > 1
    facts = []
    for machine, n in environment.machines:
        facts += [("id", machine.id), ("processor", machine.cpu), ("cores", str(machine.cores))]
        facts += [("memory", f"{text.gibibytes(machine.memory_bytes)} GiB")]
        facts += [("system", machine.system), ("GPU", machine.gpu or "none")]
        facts += [("runs", str(n))] * several
    facts += [(f"runs on {device} with {threads(n)}", str(count)) for device, n, count in environment.devices]
    state = {True: "with local changes", False: "clean", None: "state unknown"}
    commits = [(commit or "unknown", state[dirty], str(count)) for commit, dirty, count in environment.commits]
    versions = [(name, ", ".join(f"{p} {v}" for p, v in packages)) for name, packages in environment.versions]
    tables = [
        pairs("Machine", ("machine", "value"), facts, ("machine",)),
        pairs("Versions", ("backend or index", "packages"), versions, ("versions",)),
        pairs("Code", ("commit", "state", "runs"), commits, ("code",)),
        pairs("Data", ("data set", "protocol", "hash"), environment.datasets, ("data",)),
    ]
    if environment.notes:
        notes = [(dataset, note, str(count)) for dataset, note, count in environment.notes]
        tables.append(pairs("Notes", ("data set", "note", "runs"), notes, ("notes",)))
    return tables
