"""Where in its file a mutant stands: which lines have to run for it to show, and whom it could affect."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """What has to run for a mutant to have run.

    Attributes:
        lines: any one of them; none where importing the file is enough.
        beyond: whether it is in a statement that may change more than its own file where that is imported, such as a
            setting of a library: a process that has imported the file as it is would not notice it.
    """

    lines: frozenset[int]
    beyond: bool


def place(source: str, line: int) -> Place:
    """The place of what begins on a line of a source, from 1.

    What stands in the head of a function runs where the file is imported, and shows where the function is called.
    """
    path = list(_path(ast.parse(source).body, line))
    if not path:
        return Place(frozenset(), beyond=True)
    statement = path[-1]
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return Place(_lines(statement.body), beyond=False)
    if isinstance(statement, ast.ClassDef):
        functions = [node for node in ast.walk(statement) if isinstance(node, ast.FunctionDef)]
        return Place(frozenset[int]().union(*(_lines(function.body) for function in functions)), beyond=False)
    if not any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in path):
        return Place(frozenset(), _reaches_beyond(statement))
    inner = [part.lineno for body in _bodies(statement) for part in body]
    last = min(inner, default=(statement.end_lineno or statement.lineno) + 1)
    return Place(frozenset(range(statement.lineno, max(last, statement.lineno + 1))), beyond=False)


def _path(body: list[ast.stmt], line: int) -> Iterator[ast.stmt]:
    """The statements around a line, the innermost last."""
    for statement in body:
        if _first(statement) <= line <= (statement.end_lineno or statement.lineno):
            yield statement
            for inner in _bodies(statement):
                yield from _path(inner, line)


def _first(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks of a statement that is made of several."""
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, [])
    for part in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
        yield part.body


def _lines(body: list[ast.stmt]) -> frozenset[int]:
    return frozenset(range(_first(body[0]), (body[-1].end_lineno or body[-1].lineno) + 1))


def _reaches_beyond(statement: ast.stmt) -> bool:
    targets = [*getattr(statement, "targets", []), getattr(statement, "target", None)]
    return isinstance(statement, ast.Expr) or any(isinstance(to, ast.Attribute | ast.Subscript) for to in targets)
