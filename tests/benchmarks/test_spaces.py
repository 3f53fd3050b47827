"""Search spaces as a suite writes them: what is drawn, and what is refused before anything runs."""

import pytest

from benchmarks import suites
from benchmarks.settings import SettingError
from benchmarks.suites import ModelRow, spaces
from benchmarks.suites.spaces import Choice, Range, WholeRange
from datasets.errors import InputError

SUITE = """
[searches.small]
learning_rate = {{ low = 0.001, high = 0.1, log = true }}
epochs = {{ low = 1, high = 3 }}

[[block]]
dataset = "synthetic-tiny"
protocol = {{ name = "leave-k-out", k = 1, period = "test", ks = [5], primary_metric = "recall@5" }}
models = [{{ model = "mf-bpr", search = {search} }}]
"""


def axes(model="sasrec", settings=None, **space):
    return spaces.axes(model, settings or {}, space)


class TestAxes:
    def test_a_list_is_a_choice_and_a_table_a_range_of_whole_numbers_where_the_setting_is_one(self):
        made = axes(
            learning_rate={"low": 1e-4, "high": 1e-2, "log": True},
            n_blocks={"low": 1, "high": 3},
            dropout={"low": 0, "high": 0.5},
            embedding_dim=[32, 64],
            filter_seen=[True, False],
        )
        assert made == {
            "learning_rate": Range(1e-4, 1e-2, True),
            "n_blocks": WholeRange(1, 3),
            "dropout": Range(0.0, 0.5),
            "embedding_dim": Choice((32, 64)),
            "filter_seen": Choice((True, False)),
        }

    def test_only_a_finite_space_has_a_number_of_settings(self):
        finite = axes(n_blocks={"low": 2, "high": 4}, filter_seen=[True, False])
        assert spaces.n_settings(finite.values()) == 6
        assert spaces.n_settings(axes(dropout={"low": 0, "high": 0.5}).values()) is None

    @pytest.mark.parametrize(
        ("axis", "inside", "outside"),
        [
            (Range(0.5, 2.0), [0.5, 1, 2.0], [0.4, 2.1, float("nan"), "1", True]),
            (WholeRange(1, 3), [1, 3], [0, 4]),
            (Choice((1, "a", True)), [1, "a", True], [1.0, False, "b", 2]),
        ],
    )
    def test_what_can_be_drawn_is_within(self, axis, inside, outside):
        assert all(spaces.is_within(axis, value) for value in inside)
        assert not any(spaces.is_within(axis, value) for value in outside)

    @pytest.mark.parametrize(
        ("space", "message"),
        [
            ({"learning_rat": [1.0, 2.0]}, "no setting 'learning_rat'.*did you mean 'learning_rate'"),
            ({"epochs": {"low": 1, "high": 2.5}}, "epochs: a range: high is 2.5, expected a whole number"),
            ({"epochs": 3}, "epochs is 3, expected a list of values, or a table"),
            ({"epochs": {"low": 0, "high": 3}}, "epochs is 0, expected a whole number from 1"),
            ({"dropout": {"low": 0.0, "high": 0.5, "log": True}}, "low is 0.0, expected more than 0"),
            ({"dropout": {"low": 0.5, "high": 0.2}}, "high is 0.2, expected more than low, which is 0.5"),
            ({"dropout": {"low": 0.1, "high": 0.95}}, "dropout is 0.95, expected a number from 0 to 0.9"),
            ({"dropout": {"from": 0.1}}, "a range has no setting 'from'"),
            ({"dropout": {"low": 0.1}}, "the setting 'high' is missing"),
            ({"dropout": [0.1]}, "expected a list of two or more values"),
            ({"dropout": [0.1, 0.1]}, "expected each of them once"),
            ({"n_heads": [1, 3]}, "n_heads is 3"),
            ({"variant": ["a", "b"]}, "variant is the name of a row"),
        ],
    )
    def test_what_cannot_be_drawn_is_refused_where_it_stands(self, space, message):
        with pytest.raises(SettingError, match=message) as error:
            ModelRow("sasrec", {"embedding_dim": 64}, search=space)
        assert error.value.place[:2] == ("search", next(iter(space)))


class TestSuite:
    def test_a_row_names_a_table_of_the_suite(self, tmp_path):
        path = tmp_path / "own.toml"
        path.write_text(SUITE.format(search='"small"'), encoding="utf-8")
        (block,) = suites.load(str(path)).blocks
        assert spaces.axes("mf-bpr", {}, block.models[0].search) == {
            "learning_rate": Range(0.001, 0.1, True),
            "epochs": WholeRange(1, 3),
        }

    def test_an_unknown_table_is_refused_with_its_line(self, tmp_path):
        path = tmp_path / "own.toml"
        path.write_text(SUITE.format(search='"smal"'), encoding="utf-8")
        with pytest.raises(InputError, match=r"own\.toml, line 9: unknown search 'smal'.*did you mean 'small'"):
            suites.load(str(path))

    def test_runs_do_not_look_at_it(self):
        plain, searched = ModelRow("mf-bpr"), ModelRow("mf-bpr", search={"epochs": [1, 2]})
        assert (plain.variant, plain.settings) == (searched.variant, searched.settings)
