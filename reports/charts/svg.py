"""matplotlib's SVG made fit for a page: the page's font and colour, no style attributes, nothing finer than a screen.

A page's policy forbids style attributes, and most of what matplotlib writes says nothing: ids that nothing refers to,
decimals that nobody sees, groups without attributes, and the same attributes on each of a hundred marks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from xml.sax.saxutils import escape

INK = "#010203"  # replaced by currentColor, so that a picture takes the text colour of its page
FONT = "system-ui, sans-serif"

_TAG = re.compile(r"<[A-Za-z][^<>]*>")  # in text and in attributes < and > are escaped
_DROPPED = re.compile(r"<style[^>]*>[^<]*</style>|<clipPath[^>]*>.*?</clipPath>", re.DOTALL)
_REFERENCE = re.compile(r"xlink:href=\"#([^\"]+)\"")
_DECIMALS = re.compile(r"-?\d+\.\d{2,}")
_EMPTY = re.compile(r"<(defs|g)>\n*</\1>\n*")
_PATH = re.compile(r'<path d="([^"]*)" (.*)/>')
_USE = re.compile(r'<use (xlink:href="[^"]*" x="[^"]*" y="[^"]*") (.*)/>')


def key_of(name: str) -> str:
    """What all ids of a picture begin with; unlike anything else, so that it can be replaced by another."""
    return f"c{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def for_page(svg: str, name: str, title: str, description: str) -> str:
    """The svg element alone, with its own ids, a title and a description."""
    key = key_of(name)
    # Nothing is drawn outside of its axes, so that nothing has to be cut off at them.
    svg = _DROPPED.sub("", svg[svg.index("<svg") :].replace(INK, "currentColor"))
    numbers = {name: f"{key}-{n}" for n, name in enumerate(dict.fromkeys(_REFERENCE.findall(svg)))}
    svg = _TAG.sub(lambda tag: _plain(tag[0], numbers), svg)
    svg = "\n".join(_together(_ungrouped(line.strip() for line in svg.splitlines() if line.strip()))) + "\n"
    while _EMPTY.search(svg):
        svg = _EMPTY.sub("", svg)
    head = f'<svg role="img" aria-labelledby="{key}-title {key}-text" font-family="{FONT}" stroke-linejoin="round" '
    texts = f'<title id="{key}-title">{escape(title)}</title>\n<desc id="{key}-text">{escape(description)}</desc>\n'
    opening, end, rest = svg.replace("<svg ", head, 1).partition(">\n")
    return opening + end + texts + rest


def _plain(tag: str, numbers: dict[str, str]) -> str:
    """One tag with attributes in place of its style, rounded, and with an id only where something refers to it."""
    tag = re.sub(r'\sclip-path="[^"]*"', "", tag)
    tag = re.sub(r'\sstyle="([^"]*)"', lambda style: _attributes(style[1]), tag)
    tag = re.sub(r'\s(d|x|y|transform)="([^"]*)"', _rounded, tag)
    tag = re.sub(r'\sid="([^"]+)"', lambda found: f' id="{numbers[found[1]]}"' if found[1] in numbers else "", tag)
    return _REFERENCE.sub(lambda found: found[0].replace(found[1], numbers[found[1]]), tag)


def _attributes(style: str) -> str:
    pairs = (part.split(":", 1) for part in style.replace("&quot;", "'").split(";") if part.strip())
    named = ((name.strip(), value.strip()) for name, value in pairs)
    return "".join(f' {name}="{value}"' for name, value in named if name != "font-family")


def _rounded(attribute: re.Match[str]) -> str:
    name, value = attribute.groups()
    if value.startswith("rotate(-0 "):
        return ""
    value = _DECIMALS.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), value)
    if name == "d":
        value = "".join(_short(re.sub(r"\s*([A-Za-z])\s*", r"\1", value)))
    return f' {name}="{value.strip()}"'


def _short(path: str) -> Iterator[str]:
    """Lines along an axis, and those of no length, by the one number that changes."""
    x = y = ""
    for letter, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        left, top = ["", "", *str(numbers).split()][-2:]
        if letter == "L":
            yield (
                "h0" if (left, top) == (x, y) else f"V{top}" if left == x else f"H{left}" if top == y else f"L{numbers}"
            )
        else:
            yield letter + numbers
        x, y = (left, top) if numbers else ("", "")


def _ungrouped(lines: Iterable[str]) -> Iterator[str]:
    """Without groups that have no attributes, and without what is drawn in no colour."""
    kept: list[bool] = []
    for line in lines:
        if line.startswith(("<g>", "<g ")):
            kept.append(line != "<g>")
        is_group = line != "</g>" or kept.pop()
        if line != "<g>" and is_group and not (line.startswith("<path") and line.endswith(' fill="none"/>')):
            yield line


def _together(lines: Iterable[str]) -> Iterator[str]:
    """Neighbours of the same look: paths as one path, marks in one group that has their look."""
    for (form, look), same in groupby(lines, _look):
        of_look = list(same)
        if form is None or len(of_look) == 1:
            yield from of_look
        elif form is _PATH:
            yield f'<path d="{"".join(_PATH.fullmatch(line)[1] for line in of_look)}" {look}/>'  # type: ignore[index]
        else:
            marks = "".join(f"<use {_USE.fullmatch(line)[1]}/>" for line in of_look)  # type: ignore[index]
            yield f"<g {look}>{marks}</g>"


def _look(line: str) -> tuple[re.Pattern[str] | None, str]:
    for form in (_PATH, _USE):
        if (found := form.fullmatch(line)) and 'id="' not in found[2] and "opacity" not in found[2]:
            return form, found[2]
    return None, ""
