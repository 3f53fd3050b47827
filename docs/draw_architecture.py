"""Draws docs/architecture.svg from the imports of the four packages: `python docs/draw_architecture.py`.

A row for each room (a folder of a package; or the package's own files), and a column. The number in a row and column
says how many names the row's files import from the column's. Rooms are ordered such that as few imports as can be lead
upwards; where two rooms import each other, the fewer of the two are the ones that do, and are marked.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("reports", "benchmarks", "backends", "datasets")
CELL, LABEL, HEAD, FOOT = 28, 190, 150, 64  # pixels
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.paper { fill: #ffffff } .line { stroke: #d1d9e0 } .self { fill: #d1d9e0 }
.down { fill: #0969da } .up { fill: #bc4c00 } .types { fill: none; stroke: #0969da; stroke-dasharray: 3 2 }
text.on { fill: #ffffff; font-size: 11px; text-anchor: middle } text.hollow { font-size: 11px; text-anchor: middle }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .paper { fill: #0d1117 } .line { stroke: #3d444d } .self { fill: #3d444d }
  .down { fill: #1f6feb } .up { fill: #bd561d } .types { stroke: #4493f8 }
}
""".strip()

Edges = Mapping[tuple[str, str], int]


def imports(root: Path) -> tuple[Edges, Edges]:
    """(importing room, imported room) -> names; what runs, and what is there for the types alone."""
    running, typing = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            room = _room(root, file.relative_to(root).parts)
            if file.name.startswith("bench_"):
                continue  # measures the rooms from outside
            module = ast.parse(file.read_text(encoding="utf-8"))
            for_types = [node for node in module.body if isinstance(node, ast.If) and _is_for_types(node)]
            for node, found in [*((node, typing) for node in for_types), (module, running)]:
                found.update((room, other) for other in _imported(root, node) if other != room)
            running.subtract(edge for node in for_types for edge in ((room, other) for other in _imported(root, node)))
    return +running, +typing


def _room(root: Path, parts: tuple[str, ...]) -> str:
    if parts[-1] == "__main__.py" and (root / parts[0] / "cli").is_dir():
        return f"{parts[0]}/cli"  # the door to it
    return "/".join(parts[:2]) if len(parts) > 1 and (root / parts[0] / parts[1]).is_dir() else parts[0]


def _is_for_types(node: ast.If) -> bool:
    return ast.unparse(node.test) == "TYPE_CHECKING"


def _imported(root: Path, node: ast.AST) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.ImportFrom):
            names = [f"{child.module}.{alias.name}" for alias in child.names]
        elif isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        else:
            continue
        for parts in (tuple(name.split(".")) for name in names):
            if parts[0] in PACKAGES:
                yield _room(root, parts)


def ordered(rooms: set[str], edges: Edges) -> list[str]:
    """From the entrance down: next is the room that those without a place import least; then what is better moved."""
    left, order = set(rooms), []
    while left:
        needed = {room: sum(n for (a, b), n in edges.items() if b == room and a in left) for room in left}
        imports_of = {room: sum(n for (a, b), n in edges.items() if a == room and b in left) for room in left}
        order.append(min(left, key=lambda room: (needed[room], -imports_of[room], room)))
        left.remove(order[-1])
    while _upwards(best := min(_moved(order), key=lambda other: _upwards(other, edges)), edges) < _upwards(
        order, edges
    ):
        order = best
    return order


def _upwards(order: list[str], edges: Edges) -> int:
    place = {room: i for i, room in enumerate(order)}
    return sum(n for (a, b), n in edges.items() if place[a] > place[b])


def _moved(order: list[str]) -> Iterator[list[str]]:
    """The order with one room in another place, in every way."""
    for room in order:
        others = [other for other in order if other != room]
        yield from ([*others[:i], room, *others[i:]] for i in range(len(order)))


def draw(root: Path) -> str:
    """The picture as SVG; the same imports give the same text."""
    running, typing = imports(root)
    rooms = {room for edge in (*running, *typing) for room in edge}
    place = {room: i for i, room in enumerate(ordered(rooms, running))}
    width, height = LABEL + CELL * len(place) + 90, HEAD + CELL * len(place) + FOOT
    parts = [f'<rect class="paper" width="{width}" height="{height}"/>']
    for room, i in place.items():
        start, middle = HEAD + CELL * i, HEAD + CELL * i + CELL // 2 + 4
        column = LABEL + CELL * i
        parts += [
            f'<path class="line" d="M8 {start}H{width - 82}"/>',
            f'<text x="12" y="{middle}">{escape(room)}</text>',
            f'<text transform="translate({column + CELL // 2 + 4} {HEAD - 8}) rotate(-55)">{escape(room)}</text>',
            f'<rect class="self" x="{column + 10}" y="{start + 10}" width="8" height="8"/>',
        ]
    parts += [_cell(place, edge, n, "down" if place[edge[0]] < place[edge[1]] else "up") for edge, n in _by(running)]
    parts += [_cell(place, edge, n, "types") for edge, n in _by(typing) if edge not in running]
    parts += _legend(HEAD + CELL * len(place) + 24)
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    title = "<title>Which room imports how many names from which</title>"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join([head, title, f"<style>\n{STYLE}\n</style>", *parts, "</svg>", ""])


def _by(edges: Edges) -> list[tuple[tuple[str, str], int]]:
    return sorted(edges.items())


def _cell(place: Mapping[str, int], edge: tuple[str, str], n: int, kind: str) -> str:
    x, y = LABEL + CELL * place[edge[1]] + 2, HEAD + CELL * place[edge[0]] + 2
    said = f"<title>{escape(edge[0])} imports {n} from {escape(edge[1])}</title>"
    box = f'<rect class="{kind}" x="{x}" y="{y}" width="{CELL - 4}" height="{CELL - 4}" rx="4">{said}</rect>'
    of_text = "hollow" if kind == "types" else "on"
    return f'{box}<text class="{of_text}" x="{x + CELL // 2 - 2}" y="{y + CELL // 2 + 2}">{n}</text>'


def _legend(y: int) -> list[str]:
    kinds = (("down", "imports from a room below"), ("up", "from a room above"), ("types", "for its types alone"))
    return [
        f'<rect class="{kind}" x="{12 + 220 * i}" y="{y}" width="16" height="16" rx="4"/>'
        f'<text x="{36 + 220 * i}" y="{y + 13}">{words}</text>'
        for i, (kind, words) in enumerate(kinds)
    ]


if __name__ == "__main__":
    (ROOT / "docs" / "architecture.svg").write_text(draw(ROOT), encoding="utf-8")
