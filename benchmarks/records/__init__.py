"""Records: what each cell of a run has found out, one typed class a kind.

`kinds` defines the fields, `of` makes a record of what JSON gives, `fields` makes a flat dictionary of a record, and
`python -m benchmarks.records` prints the field list that docs/records.md holds.
"""

from benchmarks.records.kinds import (
    KINDS,
    SCHEMA_VERSION,
    TIMED,
    Agreement,
    AnyRecord,
    Axis,
    Bug,
    Index,
    IndexSettings,
    ItemMap,
    Machine,
    Map,
    Mutant,
    Mutation,
    Point,
    Record,
    Rows,
    Rung,
    Scores,
    Throughput,
    Train,
    Trial,
)
from benchmarks.records.reading import FOUND, check, converted, fields, of, recordable

__all__ = [
    "FOUND",
    "KINDS",
    "SCHEMA_VERSION",
    "TIMED",
    "Agreement",
    "AnyRecord",
    "Axis",
    "Bug",
    "Index",
    "IndexSettings",
    "ItemMap",
    "Machine",
    "Map",
    "Mutant",
    "Mutation",
    "Point",
    "Record",
    "Rows",
    "Rung",
    "Scores",
    "Throughput",
    "Train",
    "Trial",
    "check",
    "converted",
    "fields",
    "of",
    "recordable",
]
