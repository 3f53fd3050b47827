"""Mutants of a source file: everything that the operators make of it, and a sample of that."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.mutation.operators import OPERATORS
from benchmarks.mutation.source import Replacement, Source
from benchmarks.sampling import generator


@dataclass(frozen=True)
class Mutant:
    """One change of a source file.

    Attributes:
        path: the file, relative to the repository's root, "backends/torch/gru4rec.py".
        line: the line, from 1, on which the replaced text begins.
        start, stop: where the replaced text is in the source, in characters.
        old: that text.
        new: what stands there instead; the rest of the file is untouched.
        operator: the kind of change, in words.
    """

    path: str
    line: int
    start: int
    stop: int
    old: str
    new: str
    operator: str

    def applied(self, source: str) -> str:
        """The source with the change in it.

        Raises:
            ValueError: if the source is not the one that it was made from.
        """
        if source[self.start : self.stop] != self.old:
            raise ValueError(f"line {self.line} of {self.path} does not hold {self.old!r}; make its mutants anew.")
        return source[: self.start] + self.new + source[self.stop :]


def mutants(path: str, source: str) -> tuple[Mutant, ...]:
    """All mutants of a file, in its order: each is Python, with a tree that neither the original nor another one has.

    Args:
        path: the file, relative to the repository's root.
        source: its text.

    Raises:
        SyntaxError: if the source is no Python.
    """
    parsed = Source(source)
    found: dict[tuple[ast.stmt, str], Mutant] = {}
    for operator in OPERATORS:
        for node in parsed.nodes():
            if isinstance(node, operator.nodes):
                statement = parsed.statement(node)
                for change in operator.changes(parsed, node):
                    made = _made(parsed, statement, change)
                    if made is not None and (statement, made[0]) not in found:
                        tree, (start, stop, new) = made
                        line, old = parsed.line(start), source[start:stop]
                        found[statement, tree] = Mutant(path, line, start, stop, old, new, operator.name)
    return tuple(sorted(found.values(), key=lambda mutant: (mutant.start, mutant.stop)))


def _made(source: Source, statement: ast.stmt, change: Replacement) -> tuple[str, Replacement] | None:
    """The changed statement's tree, and the change without parentheses that it does not need; None if it is none."""
    tree = _tree(source, statement, change)
    if tree in {None, _tree(source, statement, Replacement(change.start, change.start, ""))}:
        return None
    if change.new[:1] == "(":
        bare = change._replace(new=change.new[1:-1])
        change = bare if _tree(source, statement, bare) == tree else change
    return str(tree), change


def _tree(source: Source, statement: ast.stmt, change: Replacement) -> str | None:
    """What a changed statement is parsed into, written out; None where that is no Python.

    Changes of different statements differ, so that there is no need to parse the whole module for each of them.
    """
    start, stop = source.span(statement)
    text = source.text[start : change.start] + change.new + source.text[change.stop : stop]
    indent = start - source.text.rfind("\n", 0, start) - 1
    text = text[2:] if text.startswith("elif") else text
    try:
        return ast.dump(ast.parse("if True:\n" + " " * indent + text if indent else text))
    except SyntaxError:
        return None


def sample(mutants: Sequence[Mutant], n: int, seed: str) -> tuple[Mutant, ...]:
    """So many of the mutants, in an order drawn by a seed of any text."""
    return tuple(mutants[at] for at in generator("mutants", seed).permutation(len(mutants))[:n])
