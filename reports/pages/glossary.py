"""The words that need explaining: a page of them, and a link from where a page first uses one."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup, escape

from reports.charts import text

FILE = "glossary.html"
LEAD = "What the words on these pages mean: those that are this project's own, then the metrics."
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Term:
    """A word, its meaning, and the other forms in which pages use it."""

    term: str
    text: str
    also: tuple[str, ...]

    @property
    def anchor(self) -> str:
        return "term-" + re.sub(r"[^a-z0-9]+", "-", self.term.lower()).strip("-")


@functools.cache
def terms() -> dict[str, tuple[Term, ...]]:
    """The terms by what they are: "ours" and "metrics"."""
    listed = tomllib.loads(Path(__file__).with_name("glossary.toml").read_text(encoding="utf-8"))
    return {kind: tuple(Term(t["term"], t["text"], tuple(t["also"])) for t in of_kind)
            for kind, of_kind in listed.items()}  # fmt: skip


@functools.cache
def _forms() -> dict[str, Term]:
    return {form: term for of_kind in terms().values() for term in of_kind for form in (term.term, *term.also)}


@functools.cache
def _form() -> re.Pattern[str]:
    longest_first = sorted(_forms(), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, longest_first))})(?![\w-])")


def coded(value: object) -> Markup:
    """Text as HTML: what stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text.plain(value)))))  # noqa: S704 - escaped before


@dataclass
class Linked:
    """Text as HTML for one page, on which the first use of each term leads to the glossary."""

    seen: set[str] = field(default_factory=set)

    def __call__(self, value: object) -> Markup:
        parts = re.split(r"(<code>.*?</code>)", str(coded(value)))
        return Markup("".join(p if p.startswith("<code>") else _form().sub(self._link, p) for p in parts))  # noqa: S704

    def _link(self, found: re.Match[str]) -> str:
        term = _forms()[found[1]]
        if term.anchor in self.seen:
            return found[0]
        self.seen.add(term.anchor)
        return f'<a class="term" href="{FILE}#{term.anchor}">{found[0]}</a>'
