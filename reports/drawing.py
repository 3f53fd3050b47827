"""What all pictures share: SVG of the same bytes for the same figures, without fonts, dates or addresses inside."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colours that keep a contrast of 3 and more on white and on near black.
COLOURS = {
    "torch": "#d9541e",
    "paddle": "#2f81c7",
    "tensorflow": "#b88400",
    "jax": "#0a9a72",
    "exact": "#8a8f98",
    "faiss-flat": "#2f81c7",
    "faiss-ivf": "#0a9a72",
    "faiss-hnsw": "#8a63d2",
    "annoy": "#d9541e",
}
MARKERS = {
    "torch": "o",
    "paddle": "s",
    "tensorflow": "^",
    "jax": "D",
    "exact": "*",
    "faiss-flat": "s",
    "faiss-ivf": "o",
    "faiss-hnsw": "^",
    "annoy": "D",
}
GREY = "#8a8f98"
INK = "#010203"  # replaced by currentColor, so that a picture takes the text colour of its page
STYLE: dict[str, Any] = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same layout everywhere
    "font.size": 9.5,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "legend.frameon": False,
    "lines.markersize": 6,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # a dataset may have a dollar in its name
    "xtick.color": INK,
    "ytick.color": INK,
}
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Chart:
    """A picture: `name` for its file and ids, `table` what it shows the rows of, `svg` to stand inside HTML."""

    name: str
    table: object
    title: str
    description: str
    svg: str

    @property
    def file_text(self) -> str:
        """The picture as a file of its own, which has no page to take its colours from."""
        return self.svg.replace("<svg ", '<svg style="color: #1f2328; background: #ffffff" ', 1)


def figure_of(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.4, height), layout="constrained")
    return figure, figure.add_subplot()


def chart_of(
    figure: Figure,
    name: str,
    table: object,
    title: str,
    description: str,
) -> Chart:
    file = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", metadata=_METADATA)
    return Chart(name, table, title, description, _for_page(file.getvalue(), name, title, description))


def _for_page(svg: str, name: str, title: str, description: str) -> str:
    """The svg element alone, in the page's font and colour, with its own ids, a title and a description."""
    svg = svg[svg.index("<svg") :].rstrip() + "\n"
    svg = svg.replace(INK, "currentColor")
    svg = re.sub(r"'DejaVu Sans'|&quot;DejaVu Sans&quot;", "system-ui, sans-serif", svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}.\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}.\1)", svg)
    svg = re.sub(r'xlink:href="#([^"]+)"', rf'xlink:href="#{name}.\1"', svg)
    head = f'<svg role="img" aria-labelledby="{name}.title {name}.desc" '
    texts = f'<title id="{name}.title">{escape(title)}</title>\n<desc id="{name}.desc">{escape(description)}</desc>\n'
    start, opening, rest = svg.replace("<svg ", head, 1).partition(">\n")
    return start + opening + texts + rest
