"""What all pictures share: SVG of the same bytes for the same figures, without fonts, dates or addresses inside."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts.svg import INK, for_page, key_of

# Colours that keep a contrast of 3 and more on white and on near black; what is of one kind differs in its marker.
_LOOKS = {
    "torch": ("#d9541e", "o"),
    "paddle": ("#2f81c7", "s"),
    "tensorflow": ("#b88400", "^"),
    "jax": ("#0a9a72", "D"),
    "exact": ("#8a8f98", "*"),
    "faiss-flat": ("#2f81c7", "s"),
    "faiss-ivf": ("#0a9a72", "o"),
    "faiss-hnsw": ("#8a63d2", "^"),
    "faiss-sq8": ("#1592a5", "h"),
    "faiss-ivfsq8": ("#1592a5", "p"),
    "faiss-ivfpq": ("#b88400", "v"),
    "faiss-ivfpq-rerank": ("#b88400", "P"),
    "faiss-fastscan": ("#d6408f", "d"),
    "faiss-fastscan-rerank": ("#d6408f", "X"),
    "annoy": ("#d9541e", "D"),
    "hnswlib": ("#a5693f", "<"),
    "usearch": ("#c93a3a", ">"),
}
COLOURS = {name: colour for name, (colour, _) in _LOOKS.items()}
MARKERS = {name: marker for name, (_, marker) in _LOOKS.items()}
GREY = "#8a8f98"
PALETTE = (
    "#2f81c7", "#d9541e", "#0a9a72", "#8a63d2", "#b88400", "#d6408f", "#1592a5", "#a5693f", "#6b8e1e", "#c93a3a",
)  # fmt: skip
"""Of what has no colour of its own: categories, and models."""
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
    "xtick.bottom": False,  # the grid says where a tick is
    "xtick.color": INK,
    "xtick.minor.bottom": False,
    "ytick.color": INK,
    "ytick.left": False,
    "ytick.minor.size": 0,  # its labels are wanted
}
PHONE = 4.7  # inches: as wide as a phone, so that a picture can be read there without scrolling
_WIDE = 500  # points
_LETTER, _HANDLE = 4.9, 36  # points that a letter and a mark of a legend take
_HEAVY = 32_000  # characters
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Place:
    """What a reader may ask of a picture: the words, and the points, in the units of these axes, that they are of."""

    axes: Axes
    label: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """A picture, and what can be read off it.

    Attributes:
        name: for its file and its ids.
        table: what it shows the rows of.
        svg: the drawing, to stand inside HTML.
        model: the one model that it is about, "" where it is of several.
        points: a label each, and the x, y, x, y, ... in the drawing's own coordinates where it holds.
    """

    name: str
    table: object
    title: str
    description: str
    svg: str
    model: str = ""
    points: tuple[tuple[str, tuple[float, ...]], ...] = ()

    @property
    def file_text(self) -> str:
        """The picture as a file of its own, which has no page to take its colours from."""
        return self.svg.replace("<svg ", '<svg style="color: #1f2328; background: #ffffff" ', 1)

    @property
    def is_wide(self) -> bool:
        """Whether it has so much in it that it needs the whole width of a page."""
        return float(self.svg.partition('viewBox="0 0 ')[2].split()[0]) > _WIDE

    @property
    def is_heavy(self) -> bool:
        """Whether it has so many points that the site alone shows it: a copy in a file says nothing more."""
        return len(self.svg) > _HEAVY

    def inside(self, page: str) -> str:
        """The drawing for a page on which others of the same name may stand; `page` tells them apart."""
        return self.svg.replace(key_of(self.name), key_of(f"{page}/{self.name}"))


def figure_of(height: float, width: float = 5.6) -> tuple[Figure, Axes]:
    """A figure of as many inches, with one pair of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def as_table(axes: Axes) -> None:
    """Heads above, and neither grid, ticks nor frame: the cells say where a row and a column are."""
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)


def title(axes: Axes, words: str) -> None:
    """A picture's head, in as many lines as it needs."""
    axes.set_title(textwrap.fill(words, 50), loc="left")


def legend(figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    """Below the axes, in as many columns as there is room for."""
    if handles:
        room = 72 * figure.get_figwidth() / (_LETTER * max(map(len, names)) + _HANDLE)
        columns = max(1, min(int(room), len(names)))
        figure.legend(handles, names, loc="outside lower center", ncols=columns, fontsize="small")


def chart_of(
    figure: Figure,
    name: str,
    table: object,
    title: str,
    description: str,
    *,
    model: str = "",
    places: Sequence[Place] = (),
) -> Chart:
    file = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # Names may leave no room for the axes: the picture is small then, and nothing that a user could mend.
        warnings.filterwarnings("ignore", "constrained_layout not applied", UserWarning)
        # Text stays text: the reader's own fonts have the letters that the one measured with has not.
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font", UserWarning)
        figure.savefig(file, format="svg", metadata=_METADATA)
    drawn = for_page(file.getvalue(), name, title, description)
    # Only now has the layout been made that says where the axes are.
    return Chart(name, table, title, description, drawn, model, tuple(_point(figure, place) for place in places))


def _point(figure: Figure, place: Place) -> tuple[str, tuple[float, ...]]:
    """The points in the drawing's coordinates: 72 an inch, from the top left."""
    on_screen = place.axes.transData.transform(np.column_stack([place.x, place.y]))
    share = figure.transFigure.inverted().transform(on_screen[np.isfinite(on_screen).all(axis=1)])
    width, height = 72 * figure.get_size_inches()
    at = np.column_stack([share[:, 0] * width, (1 - share[:, 1]) * height])
    return place.label, tuple(at.round(1).ravel().tolist())
