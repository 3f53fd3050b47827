"""Lines of a suite's statements, and suites that nobody would write."""

import contextlib
import random
import tomllib
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import suites
from benchmarks.suites import lines
from benchmarks.suites.lines import line_of
from datasets.errors import InputError

TEXT = '''title = "T"  # a comment

[settings.long]
epochs = 9
note = """
[[block]]
"""

[[block]]
dataset = "a"
seeds = [
    1,
    2,
]

[[block]]
dataset = "b"
protocol = { name = "x", ks = [5,
  10] }
models = [
    { model = "als" },
    # { model = "left out" },
    { model = "mf-bpr", settings = { epochs = 3 } }, { model = "lstm" },
    { model = "dssm", settings = { user_tower = [
        64,
        32,
    ] } },
]
block.made.a = 1
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ((), None),
        (("title",), 1),
        (("settings",), 3),
        (("settings", "long", "epochs"), 4),
        (("settings", "long", "note"), 5),
        (("block", 0), 9),
        (("block", 0, "seeds"), 11),
        (("block", 0, "seeds", 1), 13),
        (("block", 1), 16),
        (("block", 1, "dataset"), 17),
        (("block", 1, "protocol", "name"), 18),
        (("block", 1, "models", 0), 21),
        (("block", 1, "models", 1, "settings", "epochs"), 23),
        (("block", 1, "models", 2, "model"), 23),
        (("block", 1, "models", 3, "settings", "user_tower", 1), 26),
        (("block", 1, "block", "made", "a"), 29),
        (("block", 1, "models", 0, "settings", "epochs"), 21),
        (("block", 7), 9),
        (("block", 0, "missing"), 9),
        (("nothing", "at", "all"), None),
    ],
)
def test_a_place_has_the_line_in_which_it_begins(place, line):
    assert line_of(TEXT, place) == line


@pytest.mark.parametrize("n", [0, 1, 5, 40])
def test_lines_that_say_nothing_move_it_and_change_nothing_else(n):
    assert line_of("\n# nothing\n" * n + TEXT, ("block", 1, "models", 0)) == 21 + 2 * n


def test_what_would_take_too_long_has_no_line(monkeypatch):
    """Within a text of many lines no part of a file can be read, so that each of its lines is tried in vain."""
    n_read = []

    def loads(text):
        n_read.append(len(text))
        return tomllib.loads(text)

    monkeypatch.setattr(lines, "MOST_CHARACTERS", 100_000)
    monkeypatch.setattr(lines, "tomllib", SimpleNamespace(loads=loads, TOMLDecodeError=tomllib.TOMLDecodeError))
    text = 'text = """\n' + "a\n" * 3_000 + '"""\nlast = 1\n'
    assert line_of(text, ("last",)) is None
    assert sum(n_read) < 120_000
    assert line_of(TEXT, ("block", 1, "models", 0)) == 21


PLAIN = "true nan -inf -1 0 1.5 1_000 1979-05-27 07:32:00 1979-05-27T07:32:00Z [] [[[1]]] [nan] {} {a=1} 'x' ''"
VALUES = (*PLAIN.split(), "9" * 26, "0x" + "f" * 5_000, '"\\u0000"', '"\\u001b[31m"')


def mutations(text, rng):
    """The text with one of its values, names or lines made another."""
    rows = text.split("\n")
    at = rng.randrange(len(rows))
    kind = rng.randrange(5)
    if kind == 0 and "=" in rows[at]:
        cuts = [i for i, sign in enumerate(rows[at]) if sign == "="]
        cut = rng.choice(cuts)
        ends = [i for i in range(cut + 1, len(rows[at])) if rows[at][i] in ",}]"] + [len(rows[at])]
        rows[at] = f"{rows[at][: cut + 1]} {rng.choice(VALUES)}{rows[at][rng.choice(ends[:2]) :]}"
    elif kind == 1:
        del rows[at]
    elif kind == 2:
        rows.insert(at, rng.choice(rows))
    elif kind == 3 and rows[at]:
        place = rng.randrange(len(rows[at]))
        rows[at] = rows[at][:place] + rng.choice('={}[],"#\x00 é\t.') + rows[at][place + 1 :]
    else:
        other = rng.randrange(len(rows))
        rows[at], rows[other] = rows[other], rows[at]
    return "\n".join(rows)


@pytest.mark.parametrize("name", ["quick", "ann", "twotower"])
def test_of_a_suite_that_is_changed_at_random_nothing_leaves_but_a_sentence(name, tmp_path):
    rng = random.Random(name)  # noqa: S311 - of a test
    text, path = (suites.FOLDER / f"{name}.toml").read_text(encoding="utf-8"), tmp_path / "own.toml"
    refused = 0
    for _ in range(150):
        path.write_text(mutations(text, rng), encoding="utf-8")
        try:
            suites.load(str(path))
        except InputError as error:
            refused += 1
            said = str(error)
            assert said.startswith(str(path))
            assert "\n" not in said
            assert len(said) < 900
    assert refused > 30


keys = st.sampled_from(["title", "settings", "sweeps", "block", "models", "model", "dataset", "protocol", "indexes"])
leaf = st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates() | st.times()
trees = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=20
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.dictionaries(keys, trees, max_size=4))
def test_whatever_a_file_holds_it_is_a_suite_or_refused(content):
    from benchmarks.suites import reading

    with contextlib.suppress(InputError):
        reading._suite("own", content)


@pytest.mark.parametrize("name", suites.names())
def test_the_public_ones_can_be_found_line_by_line(name):
    text = (suites.FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    content, rows = tomllib.loads(text), text.split("\n")
    for i, block in enumerate(content["block"]):
        assert rows[line_of(text, ("block", i)) - 1] == "[[block]]"
        for j, row in enumerate(block.get("models", [])):
            assert f'model = "{row["model"]}"' in rows[line_of(text, ("block", i, "models", j)) - 1]
