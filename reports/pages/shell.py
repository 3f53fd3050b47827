"""What every page of the site is rendered with: its templates, its assets and the hashes that its policy allows."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from datasets import durable
from reports.charts import text
from reports.charts.drawing import Chart

_HERE = Path(__file__).parent


def render(template: str, styles: Sequence[str], scripts: Sequence[str], **values: object) -> str:
    """A page with these of our assets in it, and its policy, which allows no other."""
    style, script = _asset(styles), _asset(scripts)
    shared = {"style": style, "script": script, "style_hash": _hash(style), "script_hash": _hash(script)}
    return _template(template).render(drawing=_drawing, points=_points, **shared, **values)


def write(path: Path, page: str) -> Path:
    """Writes a page, whole or not at all, and returns its path."""
    with durable.replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


@functools.cache
def _template(name: str) -> jinja2.Template:
    """Compiled once for all pages; whatever it prints is one line of harmless, escaped text."""
    environment = jinja2.Environment(
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else text.plain(value),
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _asset(names: Sequence[str]) -> Markup:
    """The text of our own style sheets or scripts, one after the other."""
    files = (_HERE / "assets" / name for name in names)
    return Markup("\n".join(file.read_text(encoding="utf-8") for file in files))  # noqa: S704 - our own


def lines(content: str) -> Markup:
    """Text whose lines are kept, for what stands as it was written."""
    return Markup("\n").join(escape(text.plain(line)) for line in content.rstrip("\n").split("\n"))


def _hash(content: str) -> str:
    """What the page's policy knows its own style and script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _drawing(chart: Chart, page: str) -> Markup:
    """The picture to stand in a page; its words were escaped when it was drawn."""
    return Markup(chart.inside(page))  # noqa: S704


def _points(chart: Chart) -> Markup:
    """JSON for an attribute in single quotes, whole numbers without their point."""
    at = [[label, [int(value) if value == int(value) else value for value in place]] for label, place in chart.points]
    shown = json.dumps(at, ensure_ascii=False, separators=(",", ":"))
    return Markup(shown.replace("&", "&amp;").replace("'", "&#39;").replace("<", "&lt;"))  # noqa: S704
