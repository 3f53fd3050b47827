"""Leaderboards: a pure function from records to tables, pictures, one Markdown and one HTML file.

`reports.frame("RESULTS")` is the table that all of it is formed from.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.tables.frame import frame

__all__ = ["frame"]


def __getattr__(name: str) -> Any:
    """`frame` is imported when it is asked for: it loads pandas, which the command line can do without."""
    if name == "frame":
        from reports.tables.frame import frame

        return frame
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
