"""Operators on whole statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from benchmarks.mutation.source import Replacement, Source, dotted

GRADIENT_FREE = ("no_grad", "inference_mode")

KEPT_DECORATORS = (
    "cached_property", "classmethod", "compile", "contextmanager", "dataclass", "function", "jit", "njit", "overload",
    "property", "staticmethod",
)  # fmt: skip
"""Without these nothing works, or nothing changes."""


def deleted_statement(source: Source, node: ast.stmt) -> Iterator[Replacement]:
    """Of what acts, of assignments to attributes and elements, and of names that had a value already."""
    match node:
        case ast.Expr() | ast.Continue() | ast.Break() | ast.AugAssign():
            deleted = True
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"))]):
            deleted = not _is_first_of_object(source, node)
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            deleted = True
        case ast.Assign():
            names = [name for target in node.targets for name in _names(target)]
            deleted = bool(names) and set(names) <= set(_bound_before(source, node))
        case _:
            deleted = False
    if deleted:
        yield Replacement(*source.span(node), "pass")


def _is_first_of_object(source: Source, node: ast.Assign) -> bool:
    """Whether an attribute is set in an __init__ whose base class, being given nothing, cannot have set it."""
    function = source.parent(node)
    while not isinstance(function, ast.FunctionDef | ast.Module):
        function = source.parent(function)
    calls = (call for call in ast.walk(function) if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute))
    by_base = any(call.func.attr == "__init__" and call.args for call in calls)  # type: ignore[attr-defined]
    return getattr(function, "name", "") == "__init__" and not by_base


def _names(node: ast.AST) -> Iterator[str]:
    return (part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store))


def _bound_before(source: Source, node: ast.stmt) -> Iterator[str]:
    """Names that surely have a value when a statement of a function is reached."""
    inner: ast.AST = node
    while not isinstance(inner, ast.Module):
        outer = source.parent(inner)
        for block in (getattr(outer, field, None) for field in ("body", "orelse", "finalbody")):
            if isinstance(block, list) and inner in block:
                for before in block[: block.index(inner)]:
                    if isinstance(before, ast.Assign | ast.AugAssign | ast.AnnAssign):
                        yield from _names(before)
        if isinstance(outer, ast.For):
            yield from _names(outer.target)
        if isinstance(outer, ast.With):
            yield from (name for item in outer.items if item.optional_vars for name in _names(item.optional_vars))
        if isinstance(outer, ast.FunctionDef):
            yield from (argument.arg for argument in ast.walk(outer.args) if isinstance(argument, ast.arg))
            return
        inner = outer


def dropped_decorator(source: Source, node: ast.FunctionDef) -> Iterator[Replacement]:
    for decorator in node.decorator_list:
        words = {dotted(part).rpartition(".")[2] for part in ast.walk(decorator)}
        if words.isdisjoint(KEPT_DECORATORS):
            start, stop = source.span(decorator)
            start = source.text.rindex("@", 0, start)
            yield Replacement(start, stop + len(source.text[stop:]) - len(source.text[stop:].lstrip()), "")


def dropped_no_grad(source: Source, node: ast.With) -> Iterator[Replacement]:
    """`with torch.no_grad():` becomes `if True:`."""
    if len(node.items) == 1 and dotted(getattr(node.items[0].context_expr, "func", node)).endswith(GRADIENT_FREE):
        yield Replacement(source.span(node)[0], source.span(node.items[0].context_expr)[1], "if True")
