"""What a setting can be: of every spec and protocol, each field in turn."""

import copy
import dataclasses
import datetime as dt
import math
import pickle
import re
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from backends.registry import FAMILIES
from benchmarks import negatives, protocols, specs
from benchmarks.settings import (
    Count,
    Name,
    NonNegative,
    Positive,
    Seed,
    SettingError,
    Share,
    check,
    make,
    shown,
)
from datasets.errors import InputError

COMMON = {"period": "test", "ks": (5, 10), "primary_metric": "recall@5"}
PROTOCOLS = {
    "time-split": {
        **COMMON,
        "train_until": 0.8,
        "validation_until": 0.9,
        "per": "user",
        "unknown_users": "drop",
    },
    "next-item": {**COMMON, "train_until": "2011-10-09", "validation_until": "2011-11-09", "per": "session"},
    "user-split": COMMON,
    "sequence-split": COMMON,
    "leave-k-out": {**COMMON, "k": 1},
}
FIELDS = [
    *((model, {}, field.name) for model in FAMILIES for field in dataclasses.fields(specs.make(model, {}))),
    *(
        (name, given, field.name)
        for name, given in PROTOCOLS.items()
        for field in dataclasses.fields(protocols.PROTOCOLS[name])
    ),
]
NEVER = [
    math.nan,
    math.inf,
    -math.inf,
    -1,
    -1.0,
    10**26,
    10**5_000,
    1e300,
    "",
    "no\nsuch",
    "x" * 5_000,
    " ",
    "\x1b[31m",
    [],
    [[1]],
    [True],
    {},
    dt.date(2011, 10, 9),
    dt.time(1),
    b"bytes",
    object(),
]
"""What no field takes. `None` is a cut that is left out; a flag takes true, a list of names a list."""


def made(name, settings):
    return specs.make(name, settings) if name in FAMILIES else protocols.make({"name": name, **settings})


@pytest.mark.parametrize(("name", "given", "field"), FIELDS, ids=lambda value: value if isinstance(value, str) else "")
class TestEveryField:
    def test_what_it_never_is(self, name, given, field):
        for value in NEVER:
            if field.endswith("_tower") and value == []:
                continue  # a tower without layers
            if field == "min_rating" and value == -1:
                continue  # some rate from -10 to 10
            with pytest.raises(SettingError) as error:
                made(name, {**given, field: value})
            assert field in str(error.value)
            assert name in str(error.value)
            assert "expected" in str(error.value)
            assert "\n" not in str(error.value)
            assert len(str(error.value)) < 500

    def test_true_is_no_number_and_a_number_no_flag(self, name, given, field):
        value = getattr(made(name, given), field)
        for other in (1, 0, 1.0, "true") if isinstance(value, bool) else (True, False):
            with pytest.raises(SettingError, match=rf"{field} is {other!r}, expected"):
                made(name, {**given, field: other})

    def test_a_spec_made_in_python_is_held_to_the_same(self, name, given, field):
        whole = made(name, given)
        with pytest.raises(SettingError, match=f"{field} is nan, expected"):
            dataclasses.replace(whole, **{field: math.nan})


@pytest.mark.parametrize("name", [*FAMILIES, *PROTOCOLS])
class TestWhole:
    def test_it_is_of_its_types_and_can_be_copied(self, name):
        whole = made(name, PROTOCOLS.get(name, {}))
        hash(whole)
        for again in (copy.deepcopy(whole), pickle.loads(pickle.dumps(whole)), dataclasses.replace(whole)):  # noqa: S301
            assert again == whole

    def test_a_setting_that_there_is_not_has_a_near_one(self, name):
        field = "variant" if name in FAMILIES else "period"
        with pytest.raises(SettingError, match=rf"has no setting '{field}s', .*\(did you mean '{field}'\?\)"):
            made(name, {**PROTOCOLS.get(name, {}), f"{field}s": 1})

    @pytest.mark.parametrize("given", [None, 5, "epochs", [1], {1: 2}, {(1,): 2}])
    def test_settings_that_are_no_table(self, name, given):
        with pytest.raises(SettingError, match="expected"):
            specs.make(name, given) if name in FAMILIES else protocols.make(given)


@pytest.mark.parametrize("model", [None, 5, ["als"], "", "alss", {}])
def test_what_is_no_model_and_no_protocol(model):
    with pytest.raises(SettingError, match="unknown model"):
        specs.make(model, {})
    with pytest.raises(SettingError, match="unknown protocol"):
        protocols.make({"name": model})


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("mf-bpr", {"epochs": -1}, "mf-bpr: epochs is -1, expected a whole number from 1 to 2,147,483,647"),
        ("mf-bpr", {"epochs": 0}, "epochs is 0"),
        ("mf-bpr", {"learning_rate": -1.0}, r"learning_rate is -1\.0, expected a number from 1e-30 to 1e\+09"),
        ("mf-bpr", {"filter_seen": "no"}, "filter_seen is 'no', expected true or false"),
        ("gru4rec", {"patience": 1.5}, "patience is 1.5, expected a whole number from 0"),
        ("gru4rec", {"embedding_dim": 0}, "embedding_dim is 0, expected a whole number from 1 to 65,536"),
        ("gru4rec", {"pooling": "max"}, "pooling is 'max', expected one of last, mean"),
        ("gru4rec", {"epsilon": 1e-46}, "epsilon is 1e-46, expected"),
        ("popularity", {"epochs": 2}, "epochs is 2, expected 1, since it passes over the rows once"),
        ("oracle", {"epochs": 1}, "epochs is 1, expected 0, since it learns nothing"),
        (
            "sasrec",
            {"embedding_dim": 10, "n_heads": 3},
            "n_heads is 3, expected a divisor of embedding_dim, which is 10",
        ),
        ("als", {"variant": "a\u202eb"}, "variant is .*, expected one line of text"),
        ("als", {"variant": "tuned "}, "variant is 'tuned ', expected one line of text"),
        ("dssm", {"user_features": []}, "user_features is .*, expected a list of one or more names"),
        ("dssm", {"user_features": ["user", "user"]}, "user_features is .*, expected each of them once"),
        (
            "dssm",
            {"user_features": ["item"]},
            "user_features is .*, expected none of item, which the other tower reads",
        ),
        ("dssm", {"item_features": ["item", "history"]}, "item_features is .*, expected none of user, history"),
        ("dssm", {"user_tower": [64, 32]}, "user's tower ends in 32 columns and the item's in 64"),
        ("dssm", {"user_tower": []}, "user's tower ends in 128 columns and the item's in 64"),
        ("dssm", {"batch_norm": True, "batch_size": 1}, "batch_size is 1, expected 2 or more, which batch_norm needs"),
        ("dssm", {"form": "in-batch", "batch_size": 1}, "batch_size is 1, expected 2 or more, which the form in-batch"),
        ("dssm", {"form": "triplet", "log_q": True}, "log_q is True, expected false where the form is triplet"),
        ("youtube-dnn", {"embedding_dim": 32}, "user's tower ends in 16 columns and the item's in 32"),
        ("youtube-dnn", {"history_length": 0}, "history_length is 0 and the user's features are user, gender"),
    ],
)
def test_a_spec_that_cannot_be(model, settings, message):
    with pytest.raises(SettingError, match=message):
        specs.make(model, settings)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("time-split", {"train_until": "now"}, "train_until is 'now', expected a date in quotes"),
        ("time-split", {"train_until": "2011"}, "train_until is '2011', expected a date in quotes"),
        ("time-split", {"train_until": "2011-02-30"}, "train_until is '2011-02-30', expected a date in quotes"),
        (
            "time-split",
            {"train_until": 0.95},
            "validation_until is 0.9, expected nothing earlier than train_until, which",
        ),
        ("next-item", {"test_until": "2011-11-01"}, "test_until is '2011-11-01', expected nothing earlier than valid"),
        ("leave-k-out", {"k": True}, "k is True, expected a whole number from 1"),
        (
            "leave-k-out",
            {"ks": [5, 10**9]},
            "ks is .*, expected a list of one or more lengths that rise, from 1 to 100,000",
        ),
        ("user-split", {"shares": [0.5, 0.5]}, "shares is .*, expected three numbers above 0 that add up to 1"),
    ],
)
def test_a_protocol_that_cannot_be(name, changes, message):
    with pytest.raises(SettingError, match=message):
        protocols.make({"name": name, **PROTOCOLS[name], **changes})


def test_a_feature_of_the_data_may_decide_a_towers_width():
    """Its column may be dense, of one number, or sparse, of an embedding: known once the data are there."""
    spec = specs.make("dssm", {"user_features": ["age"], "user_tower": [], "item_tower": [1]})
    assert spec.user_features == ("age",)


def test_samplers_are_those_that_there_are():
    assert set(typing.get_args(negatives.Distribution)) == set(negatives.DISTRIBUTIONS)


class TestValues:
    def test_what_is_equal_is_written_alike(self):
        one, other = (specs.make("mf-bpr", {"learning_rate": rate, "l2": l2}) for rate, l2 in ((1, -0.0), (1.0, 0)))
        assert repr(one) == repr(other)
        assert (type(one.learning_rate), math.copysign(1, one.l2)) == (float, 1)

    def test_lists_become_tuples(self):
        assert specs.make("dssm", {"user_tower": [8, 4], "item_tower": [4]}).user_tower == (8, 4)

    @pytest.mark.parametrize("given", [{8, 4}, frozenset((8, 4)), {8: 4}.keys()])
    def test_a_set_which_has_no_order_is_no_list(self, given):
        with pytest.raises(SettingError, match=r"user_tower is .*, expected a list"):
            specs.make("dssm", {"user_tower": given, "item_tower": (4,)})

    @pytest.mark.parametrize("sign", ["\ud800", "\u00ad", "\u3164", "\ufe0f", "\U000e0041", "\u202e"])
    def test_a_name_has_nothing_that_nobody_sees(self, sign):
        with pytest.raises(SettingError, match=r"variant is .*, expected one line of text"):
            specs.make("als", {"variant": f"a{sign}b"})

    def test_the_message_is_short_whatever_was_given(self):
        assert len(shown("x" * 10**6)) < 100
        assert shown(10**5_000) == "a int too long to print"
        assert shown(dt.date(2011, 10, 9)) == "2011-10-09"


@dataclass(frozen=True)
class Made:
    """One field of each kind."""

    count: Count = 1
    seed: Seed = 0
    positive: Positive = 1.0
    penalty: NonNegative = 0.0
    share: Share = 0.5
    flag: bool = False
    word: Literal["a", "b"] = "a"
    name: Name = "x"
    counts: tuple[Count, ...] = ()
    either: Annotated[str | float, "no bounds"] = "x"
    optional: Count | None = None
    table: typing.Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        check(self, "made")


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=5)
    | st.dates()
    | st.times()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@hypothesis(derandomize=True, deadline=None, max_examples=400)
@given(st.sampled_from([field.name for field in dataclasses.fields(Made)]), anything)
def test_whatever_is_given_is_of_its_type_or_refused(field, value):
    try:
        found = getattr(make(Made, {field: value}, "made"), field)
    except InputError:
        return
    kinds = {"count": int, "seed": int, "positive": float, "penalty": float, "share": float, "flag": bool, "word": str}
    assert type(found) is kinds.get(field, type(found))
    if isinstance(found, float) and field != "either":
        assert 0 <= found <= 1e9


def test_a_metric_that_there_is_not_gets_the_nearest():
    with pytest.raises(SettingError, match=re.escape("as in precision@5 (did you mean 'ndcg'?); correct it")):
        protocols.make({"name": "leave-k-out", "k": 1, **COMMON, "primary_metric": "ndgc@5"})
