import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.registry import FRAMEWORKS
from benchmarks.mutation.mutants import mutants, sample
from benchmarks.mutation.operators import OPERATORS

ROOT = Path(__file__).resolve().parents[3]

EXAMPLES = [
    ("axis", "x.sum(axis=0)", {"x.sum(axis=1)", "x.sum(axis=-1)", "x.sum(axis=-2)"}),
    ("range", "range(n)", {"range(n - 1)", "range(1, n)"}),
    ("range", "range(a, b)", {"range(a, b - 1)", "range(a + 1, b)"}),
    ("range", "jnp.arange(n)", {"jnp.arange(1, n + 1)"}),
    ("dropped mask", "np.where(c, a + 1, b)", {"a + 1", "b"}),
    ("swapped operands", "(a - b).f()", {"(b - a).f()"}),
    ("swapped operands", "a + b", set()),
    ("swapped operands", "a @ (b - c) @ d", {"d @ (a @ (b - c))", "a @ (c - b) @ d", "(b - c) @ a @ d"}),
    ("dropped operand", "a * (b + c)", {"a", "b + c", "a * (b)", "a * (c)"}),
    ("dropped operand", "a and b and c", {"b and c", "a and c", "a and b"}),
    ("other operator", "a - b", {"a + b"}),
    ("other operator", "(a + b) * c", {"(a - b) * c", "(a * b) * c", "(a + b) / c", "(a + b) + c"}),
    ("other operator", "a & b << c", {"a | (b << c)", "a & b >> c"}),
    ("comparison", "0 <= a < b", {"0 < a < b", "0 >= a < b", "0 <= a <= b", "0 <= a > b"}),
    ("comparison", "a not in b", {"a in b"}),
    ("comparison", "a is None", {"a is not None"}),
    ("boolean operator", "a or b", {"a and b"}),
    ("dropped sign", "-a + (not b) + ~c", {"a + (not b) + ~c", "-a + (b) + ~c", "-a + (not b) + c"}),
    ("slice bound", "x[1:]", {"x[2:]", "x[0:]", "x[1:-1]"}),
    ("slice bound", "x[:-1]", {"x[1:-1]", "x[:0]", "x[:-2]"}),
    ("slice bound", "x[:]", {"x[1:]", "x[:-1]"}),
    ("slice bound", "x[:, a:b:2]", {"x[:, a + 1:b:2]", "x[:, a - 1:b:2]", "x[:, a:b + 1:2]", "x[:, a:b - 1:2]"}),
    ("boolean constant", "f(a, b=True)", {"f(a, b=False)"}),
    ("integer constant", "a[3]", {"a[0]", "a[2]", "a[4]"}),
    ("integer constant", "a[-1]", {"a[-0]", "a[-2]"}),
    ("float constant", "a * 0.5", {"a * 0.0", "a * 5.0", "a * 0.05"}),
    ("float constant", "a + 1e-12", {"a + 0.0", "a + 1e-11", "a + 1e-13", "a + 0.001"}),
    ("float constant", "f(-1e9)", {"f(-0.0)", "f(-10000000000.0)", "f(-100000000.0)", "f(-30.0)"}),
    ("swapped branches", "a if b else c", {"c if b else a"}),
    ("swapped branches", "[a for a in b if a.c]", {"[a for a in b if not a.c]"}),
    ("dropped call", "f(a + b, c).T", {"(a + b).T"}),
    ("dropped call", "(a + b).f(c).g()", {"(a + b).f(c)", "(a + b).g()"}),
    ("dropped call", "np.log(x)", {"x"}),
    ("dropped call", "self.tower(a, b)", {"a"}),
    ("dropped call", "x.detach()", {"x"}),
    ("dropped call", "len(x) + f('name')", set()),
    ("dropped keyword", "x.sum(1, keepdims=True)", {"x.sum(1)"}),
    ("dropped keyword", "x.clip(min=0, max=1)", {"x.clip(max=1)", "x.clip(min=0)"}),
    ("dropped keyword", "zip(a, b, strict=True)", set()),
    ("swapped arguments", "f(a, b + 1, *c)", {"f(b + 1, a, *c)"}),
    ("swapped arguments", "f('name', a)", set()),
    ("swapped arguments", "np.maximum(a, b)", set()),
    ("other keyword", "x.clip(min=0)", {"x.clip(max=0)"}),
    ("other keyword", "x.clip(min=0, max=1)", set()),
    ("other keyword", "f(a, b, transpose_b=True)", {"f(a, b, transpose_a=True)"}),
    ("other function", "x.sum(1)", {"x.mean(1)"}),
    ("other function", "jnp.tanh(x)", {"jax.nn.sigmoid(x)"}),
    ("other function", "np.zeros(3)", {"np.ones(3)"}),
    ("other function", "max(a, b)", {"min(a, b)"}),
    ("other function", "np.tanh(x)", set()),
    ("narrower type", "x.astype(np.int64)", {"x.astype(np.int32)", "x.astype(np.int16)"}),
    ("narrower type", "x.astype('float32')", {'x.astype("float16")'}),
    ("narrower type", "x.long()", {"x.short()"}),
    ("ids as int16", 'batch["user"] + 1', {'batch["user"].astype(np.int16).astype(np.int32) + 1'}),
    ("ids as int16", 'batch["label"]', set()),
]


def made(source, operator):
    """What a source of one kind of change becomes."""
    return {mutant.applied(source) for mutant in mutants("a.py", source) if mutant.operator == operator}


@pytest.mark.parametrize(("operator", "expression", "expected"), EXAMPLES)
def test_each_operator_makes_of_an_expression_what_its_name_says(operator, expression, expected):
    before = "import numpy as np, jax, jax.numpy as jnp\nvalue = "
    source = f"{before}{expression}\n" if "jnp" in expression else f"import numpy as np\nvalue = {expression}\n"
    head = source[: source.index("value")]
    assert made(source, operator) == {f"{head}value = {text}\n" for text in expected}


@pytest.mark.parametrize(
    ("module", "wrapped"),
    [
        ("torch", 'batch["item"].short().int()'),
        ("paddle", 'batch["item"].astype("int16").astype("int32")'),
        ("tensorflow as tf", 'tf.cast(tf.cast(batch["item"], tf.int16), tf.int32)'),
        ("jax.numpy as jnp", 'batch["item"].astype(jnp.int16).astype(jnp.int32)'),
    ],
)
def test_ids_are_wrapped_in_the_words_of_the_framework_that_the_file_imports(module, wrapped):
    source = f'import {module}\nimport numpy as np\nids = batch["item"]\n'
    assert made(source, "ids as int16") == {source.replace('batch["item"]', wrapped)}


STATEMENTS = """
class Model:
    def __init__(self, spec):
        super().__init__()
        self.spec = spec

    def train(self, x, y):
        a = x
        x = x + a
        if a:
            b = a
        else:
            b = x
        y[0] = x
        self.done += 1
        for row in y:
            row = f(row)
            continue
        self.last = b
        return b
"""


def test_a_statement_is_deleted_where_every_name_still_has_a_value():
    found = mutants("a.py", STATEMENTS)
    deleted = {mutant.old for mutant in found if mutant.operator == "deleted statement"}
    assert deleted == {
        "super().__init__()",
        "x = x + a",
        "y[0] = x",
        "self.done += 1",
        "row = f(row)",
        "continue",
        "self.last = b",
    }


def test_a_base_class_that_is_given_something_may_have_set_what_is_set_again():
    source = "class A(B):\n    def __init__(self, x):\n        super().__init__(x)\n        self.x = x\n"
    assert source.replace("self.x = x", "pass") in made(source, "deleted statement")


def test_an_assignment_with_an_operator_gets_another_or_none():
    assert made("a += b\n", "other assignment") == {"a -= b\n", "a *= b\n", "a = b\n"}


def test_gradients_are_let_through_and_decorators_dropped_if_something_is_left_to_notice():
    source = "@cached\n@njit(cache=True)\n@no_grad()\ndef f():\n    pass\n"
    assert made(source, "dropped decorator") == {source.replace("@cached\n", ""), source.replace("@no_grad()\n", "")}
    source = "with torch.no_grad():\n    f()\n"
    assert made(source, "dropped no_grad") == {"if True:\n    f()\n"}


def test_what_computes_nothing_is_left_alone():
    source = (
        '"""Text 1."""\n'
        "from typing import TYPE_CHECKING, TypeAlias\n"
        "if TYPE_CHECKING:\n    from a import b\n"
        "__all__ = ['a', 'b'][0:1]\n"
        "Items = npt.NDArray[np.int32]\n"
        "Batch: TypeAlias = dict[str, Tensor | None]\n"
        "@dataclass(frozen=True)\n"
        "class A(B[1]):\n"
        "    '''Text.'''\n"
        "    x: Annotated[int, 3]\n"
        "    def f(self, x: int | None) -> tuple[A, 0]:\n"
        "        assert x > 0\n"
        "        raise ValueError(f'{x + 1} is above {len(x)}')\n"
    )
    assert mutants("a.py", source) == ()


NAMES = st.sampled_from(["a", "b", "x.y", "batch['user']"])
SYMBOLS = st.sampled_from(["+", "-", "*", "/", "//", "**", "@", "&", "<<", "<", "==", "in", "and"])
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 1e-12, 1e9]), st.booleans()).map(repr)


def _larger(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(inner, SYMBOLS, inner).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
        pair.map(lambda p: f"f({p[0]}, {p[1]}, axis=1, keepdims=True)"),
        pair.map(lambda p: f"({p[0]}).sum(\n    {p[1]},\n)"),
        pair.map(lambda p: f"x[{p[0]} : {p[1]}, None]"),
        pair.map(lambda p: f"({p[0]}) if ({p[1]}) else é"),
        inner.map(lambda e: f"not ({e})"),
        inner.map(lambda e: f"-({e})"),
        inner.map(lambda e: f"[i for i in range({e}) if i]"),
    )  # fmt: skip


EXPRESSIONS = st.recursive(NAMES | NUMBERS, _larger, max_leaves=6)


SOURCES = st.tuples(EXPRESSIONS, EXPRESSIONS, EXPRESSIONS).map(
    lambda e: (
        "import numpy as np\n\n\n"
        "@no_grad()\ndef f(a, b):\n    '''Text.'''\n"
        f"    a = {e[0]}\n    if {e[1]}:\n        a += {e[2]}\n    elif a: b[0] = 1; a = b\n    return a, {e[2]}\n"
    )
)


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(SOURCES)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # "int object is not callable", and others that are right
def test_every_mutant_compiles_is_one_replacement_and_differs_from_the_original_and_all_others(source):
    found = mutants("a.py", source)
    texts = [mutant.applied(source) for mutant in found]
    trees = {ast.dump(ast.parse(text)) for text in texts}
    assert len(trees | {ast.dump(ast.parse(source))}) == len(found) + 1
    for mutant, text in zip(found, texts, strict=True):
        compile(text, "a.py", "exec")
        assert source[mutant.start : mutant.stop] == mutant.old
        assert text == source[: mutant.start] + mutant.new + source[mutant.stop :]
        assert source[: mutant.start].count("\n") + 1 == mutant.line
    assert [mutant.start for mutant in found] == sorted(mutant.start for mutant in found)


def test_a_mutant_is_not_applied_to_another_source():
    (first, *_) = mutants("a.py", "a = b - 1\n")
    with pytest.raises(ValueError, match=r"line 1 of a.py does not hold"):
        first.applied("a = c * 1\n")


def test_a_sample_is_the_same_for_the_same_seed():
    found = mutants("a.py", STATEMENTS)
    chosen = sample(found, 5, "f048fba")
    assert len(chosen) == 5
    assert chosen == sample(found, 5, "f048fba")
    assert chosen != sample(found, 5, "f379d67")
    assert set(chosen) < set(found)
    assert sorted(sample(found, 10_000, ""), key=found.index) == list(found)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_adapters_have_a_thousand_mutants_a_framework_of_nearly_every_kind(framework):
    found = []
    for path in sorted((ROOT / "backends" / framework).glob("*.py")):
        source = path.read_text(encoding="utf-8")
        own = mutants(path.relative_to(ROOT).as_posix(), source)
        for mutant in sample(own, 5, "compiled"):
            compile(mutant.applied(source), mutant.path, "exec")
        found += own
    assert len(found) > 1_000
    assert len({mutant.operator for mutant in found}) > len(OPERATORS) - 6
