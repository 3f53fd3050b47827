"""The kinds of change that mutants are made by: one table.

An operator is given a source and a node of it, and yields what may stand in the place of that node or of a part of it.
Some of what they yield is no change or no Python; `benchmarks.mutation.mutants` leaves that out.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from benchmarks.mutation import calls, expressions, statements
from benchmarks.mutation.source import Replacement, Source


class Operator(NamedTuple):
    """A kind of change.

    Attributes:
        name: the kind, in words.
        nodes: the classes of nodes that it looks at.
        changes: from a source and such a node to the changes.
    """

    name: str
    nodes: tuple[type[ast.AST], ...]
    changes: Callable[[Source, Any], Iterator[Replacement]]


OPERATORS: Final = (
    Operator("axis", (ast.keyword,), calls.other_axis),
    Operator("range", (ast.Call,), calls.other_range),
    Operator("dropped mask", (ast.Call,), calls.dropped_mask),
    Operator("swapped operands", (ast.BinOp,), expressions.swapped_operands),
    Operator("dropped operand", (ast.BinOp, ast.BoolOp), expressions.dropped_operand),
    Operator("other operator", (ast.BinOp,), expressions.other_operator),
    Operator("other assignment", (ast.AugAssign,), expressions.other_assignment),
    Operator("comparison", (ast.Compare,), expressions.other_comparison),
    Operator("boolean operator", (ast.BoolOp,), expressions.other_boolean_operator),
    Operator("dropped sign", (ast.UnaryOp,), expressions.dropped_sign),
    Operator("slice bound", (ast.Slice,), expressions.slice_bound),
    Operator("boolean constant", (ast.Constant,), expressions.boolean_constant),
    Operator("integer constant", (ast.Constant,), expressions.integer_constant),
    Operator("float constant", (ast.Constant,), expressions.float_constant),
    Operator("swapped branches", (ast.If, ast.IfExp, ast.comprehension), expressions.swapped_branches),
    Operator("dropped call", (ast.Call,), calls.dropped_call),
    Operator("dropped keyword", (ast.Call,), calls.dropped_keyword),
    Operator("swapped arguments", (ast.Call,), calls.swapped_arguments),
    Operator("other keyword", (ast.Call,), calls.other_keyword),
    Operator("other function", (ast.Call,), calls.other_function),
    Operator("narrower type", (ast.Attribute, ast.Constant), calls.narrower_type),
    Operator("ids as int16", (ast.Subscript,), calls.ids_as_int16),
    Operator("deleted statement", (ast.stmt,), statements.deleted_statement),
    Operator("dropped decorator", (ast.FunctionDef,), statements.dropped_decorator),
    Operator("dropped no_grad", (ast.With,), statements.dropped_no_grad),
)
