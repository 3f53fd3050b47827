"""matplotlib's SVG made fit for a page: the page's font and colour, no style attributes, nothing finer than a screen.

A page's policy forbids style attributes, and most of what matplotlib writes are ids that nothing refers to and
decimals that nobody sees.
"""

from __future__ import annotations

import hashlib
import re
from xml.sax.saxutils import escape

INK = "#010203"  # replaced by currentColor, so that a picture takes the text colour of its page
FONT = "system-ui, sans-serif"

_TAG = re.compile(r"<[A-Za-z][^<>]*>")  # in text and in attributes < and > are escaped
_SHEET = re.compile(r"<style[^>]*>[^<]*</style>")
_REFERENCE = re.compile(r"url\(#([^)]+)\)|xlink:href=\"#([^\"]+)\"")
_DECIMALS = re.compile(r"-?\d+\.\d{3,}")


def key_of(name: str) -> str:
    """What all ids of a picture begin with; unlike anything else, so that it can be replaced by another."""
    return f"c{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def for_page(svg: str, name: str, title: str, description: str) -> str:
    """The svg element alone, with its own ids, a title and a description."""
    key = key_of(name)
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = _SHEET.sub("", svg)
    ids = dict.fromkeys(name for pair in _REFERENCE.findall(svg) for name in pair if name)
    numbers = {name: f"{key}-{n}" for n, name in enumerate(ids)}
    svg = _TAG.sub(lambda tag: _plain(tag[0], numbers), svg)
    svg = "\n".join(line.strip() for line in svg.splitlines() if line.strip()) + "\n"
    head = f'<svg role="img" aria-labelledby="{key}-title {key}-text" font-family="{FONT}" stroke-linejoin="round" '
    texts = f'<title id="{key}-title">{escape(title)}</title>\n<desc id="{key}-text">{escape(description)}</desc>\n'
    opening, end, rest = svg.replace("<svg ", head, 1).partition(">\n")
    return opening + end + texts + rest


def _plain(tag: str, numbers: dict[str, str]) -> str:
    """One tag with attributes in place of its style, rounded, and with an id only where something refers to it."""
    tag = re.sub(r'\sstyle="([^"]*)"', lambda style: _attributes(style[1]), tag)
    tag = re.sub(r'\s(d|x|y|transform)="([^"]*)"', _rounded, tag)
    tag = re.sub(r'\sid="([^"]+)"', lambda found: f' id="{numbers[found[1]]}"' if found[1] in numbers else "", tag)
    return _REFERENCE.sub(lambda found: found[0].replace(found[1] or found[2], numbers[found[1] or found[2]]), tag)


def _attributes(style: str) -> str:
    pairs = (part.split(":", 1) for part in style.replace("&quot;", "'").split(";") if part.strip())
    named = ((name.strip(), value.strip()) for name, value in pairs)
    return "".join(f' {name}="{value}"' for name, value in named if name != "font-family")


def _rounded(attribute: re.Match[str]) -> str:
    name, value = attribute.groups()
    if value.startswith("rotate(-0 "):
        return ""
    value = _DECIMALS.sub(lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), value)
    if name == "d":
        value = re.sub(r"\s*([A-Za-z])\s*", r"\1", value)
    return f' {name}="{value.strip()}"'
