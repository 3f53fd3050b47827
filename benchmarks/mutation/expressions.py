"""Operators on arithmetic, comparisons, logic, constants, conditions and slices."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from benchmarks.mutation.source import Replacement, Source

SYMBOLS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip

IN_ANY_ORDER = {"+", "*", "&", "|", "^"}

OTHER_OPERATORS = {
    "+": ("-", "*"), "-": ("+",), "*": ("/", "+"), "/": ("*",), "//": ("/", "*"), "%": ("//",), "**": ("*",),
    "@": ("*",), "&": ("|",), "|": ("&",), "^": ("|",), "<<": (">>",), ">>": ("<<",),
}  # fmt: skip

OTHER_COMPARISONS = {
    "<": ("<=", ">"), "<=": ("<", ">="), ">": (">=", "<"), ">=": (">", "<="), "==": ("!=",), "!=": ("==",),
    "is": ("is not",), "is not": ("is",), "in": ("not in",), "not in": ("in",),
}  # fmt: skip

SMALL, LARGE = 1e-6, 1e6
"""Floats beyond these stand for nothing and for infinity: something ordinary takes their place, too."""


def swapped_operands(source: Source, node: ast.BinOp) -> Iterator[Replacement]:
    symbol = SYMBOLS[type(node.op)]
    if symbol not in IN_ANY_ORDER:
        yield source.put(node, f"{source.operand(node.right)} {symbol} {source.operand(node.left)}")


def dropped_operand(source: Source, node: ast.BinOp | ast.BoolOp) -> Iterator[Replacement]:
    if isinstance(node, ast.BinOp):
        yield source.put(node, source.of(node.left))
        yield source.put(node, source.of(node.right))
        return
    word = " and " if isinstance(node.op, ast.And) else " or "
    for left_out in node.values:
        kept = [value for value in node.values if value is not left_out]
        alone = source.of(kept[0]) if len(kept) == 1 else word.join(source.operand(value) for value in kept)
        yield source.put(node, alone)


def other_operator(source: Source, node: ast.BinOp) -> Iterator[Replacement]:
    for symbol in OTHER_OPERATORS[SYMBOLS[type(node.op)]]:
        yield source.put(node, f"{source.operand(node.left)} {symbol} {source.operand(node.right)}")


def other_assignment(source: Source, node: ast.AugAssign) -> Iterator[Replacement]:
    start, stop = source.span(node)
    for symbol in (*OTHER_OPERATORS[SYMBOLS[type(node.op)]], ""):
        yield Replacement(start, stop, f"{source.of(node.target)} {symbol}= {source.of(node.value)}")


def other_comparison(source: Source, node: ast.Compare) -> Iterator[Replacement]:
    symbols = [SYMBOLS[type(op)] for op in node.ops]
    operands = [source.operand(value) for value in (node.left, *node.comparators)]
    for at, symbol in enumerate(symbols):
        for other in OTHER_COMPARISONS[symbol]:
            changed = [*symbols[:at], other, *symbols[at + 1 :]]
            rest = (f" {op} {value}" for op, value in zip(changed, operands[1:], strict=True))
            yield source.put(node, operands[0] + "".join(rest))


def other_boolean_operator(source: Source, node: ast.BoolOp) -> Iterator[Replacement]:
    word = " or " if isinstance(node.op, ast.And) else " and "
    yield source.put(node, word.join(source.operand(value) for value in node.values))


def dropped_sign(source: Source, node: ast.UnaryOp) -> Iterator[Replacement]:
    """Of a minus, a `not` or a `~`."""
    yield source.put(node, source.of(node.operand))


def boolean_constant(source: Source, node: ast.Constant) -> Iterator[Replacement]:
    if isinstance(node.value, bool):
        yield source.put(node, str(not node.value))


def integer_constant(source: Source, node: ast.Constant) -> Iterator[Replacement]:
    if type(node.value) is int:
        for value in dict.fromkeys((0, node.value + 1, node.value - 1)):
            yield source.put(node, str(value))


def float_constant(source: Source, node: ast.Constant) -> Iterator[Replacement]:
    if not isinstance(node.value, float):
        return
    value = node.value
    ordinary = [1e-3] if 0 < value < SMALL else [30.0] if value > LARGE else []
    neighbours = [float(f"{value * 10:.12g}"), float(f"{value / 10:.12g}")] if value else [1.0]
    for other in (0.0, *neighbours, *ordinary):
        yield source.put(node, repr(other))


def swapped_branches(source: Source, node: ast.If | ast.IfExp | ast.comprehension) -> Iterator[Replacement]:
    if isinstance(node, ast.IfExp):
        first, condition, second = (
            f"({source.of(part)})" if isinstance(part, ast.IfExp | ast.Lambda) else source.of(part)
            for part in (node.orelse, node.test, node.body)
        )
        yield source.put(node, f"{first} if {condition} else {second}")
        return
    for test in node.ifs if isinstance(node, ast.comprehension) else [node.test]:
        if not isinstance(test, ast.Compare | ast.UnaryOp):  # which other operators turn into their opposite
            yield source.put(test, f"not {source.operand(test)}")


def slice_bound(source: Source, node: ast.Slice) -> Iterator[Replacement]:
    """Each bound one more and one less; a missing one 1 or -1, where the other stands or the slice stands alone."""
    lower, upper = node.lower, node.upper
    step = f":{source.of(node.step)}" if node.step else ""
    first, last = (source.of(bound) if bound else "" for bound in (lower, upper))
    start, stop = source.span(node)
    if not (lower or upper) and isinstance(source.parent(node), ast.Tuple):
        return
    for bound in _near(source, lower) if lower else ["1"]:
        yield Replacement(start, stop, f"{bound}:{last}{step}")
    for bound in _near(source, upper) if upper else ["-1"]:
        yield Replacement(start, stop, f"{first}:{bound}{step}")


def _near(source: Source, bound: ast.expr) -> list[str]:
    match bound:
        case ast.Constant(value=int(value)):
            return [str(value + 1), str(value - 1)]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
            return [str(1 - value), str(-1 - value)]
    return [f"{source.operand(bound)} + 1", f"{source.operand(bound)} - 1"]
