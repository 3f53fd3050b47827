"""How much memory each framework takes to train a model, as bars."""

from __future__ import annotations

from reports.charts import text
from reports.charts.drawing import COLOURS, GREY, Chart, Place, chart_of, figure_of
from reports.tables.throughput import ThroughputTable


def peak_memory(table: ThroughputTable) -> Chart:
    """A bar for each framework and mode; it stands beside the table that it is drawn from."""
    rows = [row for row in table.rows if row.peak_rss_bytes]
    labels = [text.drawn(f"{row.backend} {row.mode}") for row in rows]
    mebibytes = [(row.peak_rss_bytes or 0) / 2**20 for row in rows]
    figure, axes = figure_of(1.3 + 0.38 * len(rows))
    axes.barh(range(len(rows)), mebibytes, color=[COLOURS.get(row.backend, GREY) for row in rows], height=0.62)
    axes.set_yticks(range(len(rows)), labels)
    axes.invert_yaxis()
    axes.set(xlabel="peak memory of the training process, MiB")
    said = [f"{label} {size:,.0f} MiB" for label, size in zip(labels, mebibytes, strict=True)]
    places = [
        Place(axes, words, [size], [line]) for line, (words, size) in enumerate(zip(said, mebibytes, strict=True))
    ]
    name = text.slug("memory", table.dataset, table.protocol, table.model, table.variant, table.device)
    title = f"Memory of {text.plain(table.model)} {text.plain(table.variant)}"
    return chart_of(figure, name, table, title, f"Peak memory: {', '.join(said)}.", model=table.model, places=places)
