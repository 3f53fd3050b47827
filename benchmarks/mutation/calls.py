"""Operators on calls: what is called, with which arguments, in which type."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from benchmarks.mutation.source import Replacement, Source, dotted

AS_THEY_ARE = frozenset(
    {"asarray", "ascontiguousarray", "compile", "contiguous", "device", "dict", "enumerate", "function",
     "getattr", "hasattr", "isinstance", "issubclass", "iter", "jit", "len", "list", "next", "njit", "numpy",
     "partial", "range", "setattr", "super", "tuple", "type", "zip"}
)  # fmt: skip
"""Calls whose arguments stay as they are and which are not dropped: without them nothing works, or nothing changes."""

IN_ANY_ORDER = frozenset({"max", "min", "maximum", "minimum", "fmax", "fmin", "logical_and", "logical_or"})
"""Functions of two arguments that may be swapped."""

METHODS_OF_NO_ARRAY = frozenset(
    {"append", "encode", "extend", "format", "get", "index", "items", "join", "keys", "pop", "split", "values", "write",
     "integers", "permutation", "random"}
)  # fmt: skip
"""Methods whose result has nothing of what they are called on."""

SAME_SHAPE = {
    "sum": ("mean",), "mean": ("sum",), "max": ("min",), "min": ("max",), "amax": ("amin",), "amin": ("amax",),
    "reduce_sum": ("reduce_mean", "reduce_max"), "reduce_mean": ("reduce_sum",), "reduce_max": ("reduce_min",),
    "reduce_min": ("reduce_max",), "any": ("all",), "all": ("any",), "reduce_any": ("reduce_all",),
    "reduce_all": ("reduce_any",), "argmax": ("argmin",), "argmin": ("argmax",), "tanh": ("sigmoid",),
    "sigmoid": ("tanh",), "relu": ("tanh",), "leaky_relu": ("relu",), "softplus": ("relu",),
    "logsigmoid": ("sigmoid",), "log_sigmoid": ("sigmoid",), "softmax": ("log_softmax",),
    "log_softmax": ("softmax",), "sqrt": ("square",), "square": ("sqrt",), "rsqrt": ("sqrt",), "exp": ("log",),
    "log": ("exp",), "log1p": ("log",), "log2": ("log",), "expm1": ("exp",), "floor": ("ceil",), "ceil": ("floor",),
    "round": ("floor",), "cumsum": ("cumprod",), "zeros": ("ones",), "ones": ("zeros",), "new_zeros": ("new_ones",),
    "zeros_like": ("ones_like",), "ones_like": ("zeros_like",), "maximum": ("minimum",), "minimum": ("maximum",),
    "fmax": ("fmin",), "fmin": ("fmax",), "repeat": ("tile",), "tile": ("repeat",), "assign_add": ("assign_sub",),
    "assign_sub": ("assign_add",), "add_": ("sub_",), "sub_": ("add_",), "mul_": ("div_",),
    "intersect1d": ("union1d",), "union1d": ("intersect1d",), "argsort": ("sort",),
}  # fmt: skip
"""Functions and methods, and others that take the same and give the same shape."""

ELSEWHERE = {
    "jnp.tanh": "jax.nn.sigmoid", "tf.exp": "tf.math.log", "tf.cumsum": "tf.math.cumprod", "tf.argsort": "tf.sort",
}  # fmt: skip
"""Functions whose other one is not beside them."""

OTHER_KEYWORDS = {
    "min": "max", "max": "min", "transpose_a": "transpose_b", "transpose_b": "transpose_a",
    "transpose_x": "transpose_y", "transpose_y": "transpose_x",
}  # fmt: skip

AXES = (0, 1, -1, -2)

NARROWER = {
    "float64": ("float32",), "float32": ("float16",), "int64": ("int32", "int16"), "int32": ("int16",),
    "long": ("short",), "double": ("float",), "float": ("half",),
}  # fmt: skip

IDS = frozenset({"user", "item", "history", "target", "positive", "negative", "session"})
"""What batches call their arrays of ids."""

AS_INT16 = {
    "torch": "{}.short().int()",
    "paddle": '{}.astype("int16").astype("int32")',
    "tf": "tf.cast(tf.cast({}, tf.int16), tf.int32)",
    "jnp": "{}.astype(jnp.int16).astype(jnp.int32)",
    "np": "{}.astype(np.int16).astype(np.int32)",
}
"""How each framework wraps ids round as int16, by the name that it is imported under."""


def name_of(node: ast.Call) -> str:
    """The last part of what is called; "" where that is not a name."""
    called = node.func
    return called.attr if isinstance(called, ast.Attribute) else dotted(called)


def makes_object(node: ast.Call) -> bool:
    """Whether a class of ours is called, which would only miss its argument."""
    return isinstance(node.func, ast.Name) and node.func.id.lstrip("_")[:1].isupper()


def dropped_call(source: Source, node: ast.Call) -> Iterator[Replacement]:
    """x.f(...) becomes x, and f(x, ...) too; the call of a statement is dropped with it."""
    name = name_of(node)
    if isinstance(source.parent(node), ast.Expr) or name in AS_THEY_ARE or name[:1].isupper():
        return
    if isinstance(node.func, ast.Attribute) and not _is_module(source, node.func.value):
        if name not in METHODS_OF_NO_ARRAY:
            yield source.put(node, source.of(node.func.value))
    elif node.args and not isinstance(node.args[0], ast.Starred) and not _is_text(node.args[0]):
        yield source.put(node, source.of(node.args[0]))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_module(source: Source, node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return dotted(node.func) == "super"
    return dotted(node).partition(".")[0] in source.modules and not dotted(node).startswith(("self.", "cls."))


def dropped_keyword(source: Source, node: ast.Call) -> Iterator[Replacement]:
    if makes_object(node) or name_of(node) in AS_THEY_ARE:
        return
    for keyword in node.keywords:
        if keyword.arg is not None and keyword in set(source.changeable(node)):
            yield _without(source, node, keyword)


def _without(source: Source, call: ast.Call, argument: ast.keyword) -> Replacement:
    """The argument and the comma before or behind it, whichever there is."""
    start, stop = source.span(argument)
    others = sorted(source.span(other) for other in (*call.args, *call.keywords) if other is not argument)
    before = [last for _, last in others if last <= start]
    if before:
        return Replacement(before[-1], stop, "")
    return Replacement(start, others[0][0] if others else stop, "")


def swapped_arguments(source: Source, node: ast.Call) -> Iterator[Replacement]:
    if name_of(node) in (AS_THEY_ARE - {"range", "zip"}) | IN_ANY_ORDER:
        return
    for first, second in zip(node.args, node.args[1:], strict=False):
        starred = isinstance(first, ast.Starred) or isinstance(second, ast.Starred)
        if not starred and _is_text(first) == _is_text(second):
            (start, first_stop), (second_start, stop) = source.span(first), source.span(second)
            between = source.text[first_stop:second_start]
            yield Replacement(start, stop, f"{source.of(second)}{between}{source.of(first)}")


def other_axis(source: Source, node: ast.keyword) -> Iterator[Replacement]:
    if node.arg in {"axis", "dim"}:
        for axis in AXES:
            yield source.put(node.value, str(axis))


def other_keyword(source: Source, node: ast.Call) -> Iterator[Replacement]:
    given = {keyword.arg for keyword in node.keywords}
    for keyword in node.keywords:
        other = OTHER_KEYWORDS.get(keyword.arg or "")
        if other and other not in given:
            start, stop = source.span(keyword)
            yield Replacement(start, stop, f"{other}={source.of(keyword.value)}")


def other_function(source: Source, node: ast.Call) -> Iterator[Replacement]:
    called, whole = node.func, dotted(node.func)
    if whole in ELSEWHERE:
        yield source.put(called, ELSEWHERE[whole])
        return
    for other in SAME_SHAPE.get(name_of(node), ()):
        if isinstance(called, ast.Name) and other in {"any", "all", "min", "max"}:
            yield source.put(called, other)
        if isinstance(called, ast.Attribute) and (
            whole.partition(".")[0] not in {"np", "jnp"} or whole.count(".") > 1 or hasattr(np, other)
        ):
            yield source.put(called, f"{source.operand(called.value)}.{other}")


def narrower_type(source: Source, node: ast.Attribute | ast.Constant) -> Iterator[Replacement]:
    """Of np.int32 and its like, of "int32", and of x.long()."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and isinstance(source.parent(node), ast.Call | ast.keyword):
            for other in NARROWER.get(node.value, ()):
                yield source.put(node, f'"{other}"')
        return
    is_method = isinstance(source.parent(node), ast.Call) and node is getattr(source.parent(node), "func", None)
    if is_method == (node.attr in {"long", "double", "float"}):
        for other in NARROWER.get(node.attr, ()):
            yield source.put(node, f"{source.operand(node.value)}.{other}")


def ids_as_int16(source: Source, node: ast.Subscript) -> Iterator[Replacement]:
    match node:
        case ast.Subscript(slice=ast.Constant(value=str(name)), ctx=ast.Load()) if name in IDS:
            for framework, wrapped in AS_INT16.items():
                if framework in source.modules:
                    yield source.put(node, wrapped.format(source.of(node)))
                    return


def other_range(source: Source, node: ast.Call) -> Iterator[Replacement]:
    """range(n) one shorter at either end; numbers from 1 in place of 0 where that is an array."""
    (start, _), (_, stop) = (source.span(node.args[0]), source.span(node.args[-1])) if node.args else ((0, 0), (0, 0))
    match name_of(node), node.args:
        case "range", [ast.expr() as n]:
            yield Replacement(start, stop, f"{source.operand(n)} - 1")
            yield Replacement(start, stop, f"1, {source.of(n)}")
        case "range", [ast.expr() as first, ast.expr() as last]:
            yield Replacement(start, stop, f"{source.of(first)}, {source.operand(last)} - 1")
            yield Replacement(start, stop, f"{source.operand(first)} + 1, {source.of(last)}")
        case "arange", [ast.expr() as n]:
            yield Replacement(start, stop, f"1, {source.operand(n)} + 1")


def dropped_mask(source: Source, node: ast.Call) -> Iterator[Replacement]:
    if name_of(node) == "where" and len(node.args) == 3:
        yield source.put(node, source.of(node.args[1]))
        yield source.put(node, source.of(node.args[2]))
