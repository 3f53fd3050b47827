"""A source file as text and as a tree, with the place of each node in the text: what the operators work on."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from typing import NamedTuple

ATOMS = (
    ast.Name, ast.Constant, ast.Attribute, ast.Call, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.ListComp,
    ast.DictComp, ast.SetComp, ast.GeneratorExp, ast.JoinedStr,
)  # fmt: skip
"""Expressions that need no parentheses wherever they stand."""

LEFT_ALONE = (ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Raise, ast.Assert, ast.JoinedStr)
"""Nodes that compute nothing, or only what an error says; places inside a JoinedStr are wrong before Python 3.12."""

LEFT_FIELDS = frozenset({"annotation", "returns", "decorator_list", "bases"})
"""Fields of nodes that are looked at by no operator; decorators are dropped with their function in view."""

LEFT_KEYWORDS = frozenset(
    {"cache", "device", "donate_argnums", "dynamic", "fullgraph", "jit_compile", "name", "static_argnums", "strict"}
)
"""Arguments that change how or where something is computed or checked, and not what."""


class Replacement(NamedTuple):
    """text[start:stop] becomes new."""

    start: int
    stop: int
    new: str


class Source:
    """A module.

    Attributes:
        text: its text, lines ended by a newline alone.
        tree: what it is parsed into.
        modules: the names that it imports, and self and cls: what is called on them are functions more than methods.
    """

    def __init__(self, text: str) -> None:
        """Raises SyntaxError if it is no Python."""
        self.text = text
        self.tree = ast.parse(text)
        self._lines = text.split("\n")
        self._starts = [0, *itertools.accumulate(len(line) + 1 for line in self._lines)]
        self._parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        imported = (
            alias.asname or alias.name.partition(".")[0]
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        )
        self.modules = frozenset({*imported, "self", "cls"})

    def nodes(self) -> Iterator[ast.AST]:
        """All nodes that may be changed, in no order that matters."""
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(self.changeable(node))

    def changeable(self, node: ast.AST) -> Iterator[ast.AST]:
        """The parts of a node that may be changed."""
        for name, value in ast.iter_fields(node):
            if name not in LEFT_FIELDS:
                children = value if isinstance(value, list) else [value]
                yield from (child for child in children if isinstance(child, ast.AST) and not self._left(child))

    def _left(self, node: ast.AST) -> bool:
        match node:
            case ast.keyword(arg=name):
                return name in LEFT_KEYWORDS or isinstance(self.parent(node), ast.ClassDef)
            case ast.Expr(value=ast.Constant()):
                return True
            case ast.If(test=test):
                return dotted(test).endswith("TYPE_CHECKING")
            case ast.Assign(targets=[ast.Name(id=name)]):
                at_top = isinstance(self.parent(node), ast.Module)
                return at_top and (name == "__all__" or (name.lstrip("_")[:1].isupper() and not name.isupper()))
            case ast.AnnAssign(annotation=annotation):
                return dotted(annotation).endswith("TypeAlias")
        return isinstance(node, LEFT_ALONE)

    def parent(self, node: ast.AST) -> ast.AST:
        return self._parents[node]

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that holds a node; of a statement, itself."""
        while not isinstance(node, ast.stmt):
            node = self._parents[node]
        return node

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends in the text, in characters; a function's decorators are its own."""
        start = self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        if getattr(node, "decorator_list", None):
            first = node.decorator_list[0]  # type: ignore[attr-defined]
            start = self.text.rindex("@", 0, self._offset(first.lineno, first.col_offset))
        return start, self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def _offset(self, line: int, column: int) -> int:
        """The parser counts bytes."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def line(self, offset: int) -> int:
        """The line, from 1, that an offset is on."""
        return self.text.count("\n", 0, offset) + 1

    def of(self, node: ast.AST) -> str:
        """A node's own text, without parentheses around it."""
        start, stop = self.span(node)
        return self.text[start:stop]

    def operand(self, node: ast.AST) -> str:
        """A node's text as it can stand next to any operator."""
        text = self.of(node)
        return text if _is_atom(text) else f"({text})"

    def put(self, node: ast.AST, new: str) -> Replacement:
        """New text for an expression, in parentheses where it could fall apart without."""
        return Replacement(*self.span(node), new if _is_atom(new) else f"({new})")


def _is_atom(text: str) -> bool:
    try:
        return isinstance(ast.parse(text, mode="eval").body, ATOMS)
    except SyntaxError:  # on several lines that only parentheses around it hold together
        return False


def dotted(node: ast.AST) -> str:
    """The dotted name that an expression is, "torch.nn.functional"; "" if it is none."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""
