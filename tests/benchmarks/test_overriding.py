"""Options in the place of what suites say: what they change, what they leave, and what is said of it."""

import dataclasses
import itertools
import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.registry import FAMILIES
from benchmarks import protocols, specs, suites
from benchmarks.cli import parser
from benchmarks.cli.options import overrides
from benchmarks.protocols.base import METRICS
from benchmarks.specs.base import settings as settings_of
from benchmarks.suites import Asked, Block, IndexRow, ModelRow, asked
from benchmarks.suites.asked import Setting
from benchmarks.suites.overriding import complete, difference, override
from benchmarks.suites.rows import SEEN
from datasets import vectors
from datasets.errors import InputError

PROTOCOL = {
    "name": "time-split",
    "train_until": 0.8,
    "validation_until": 0.9,
    "per": "user",
    "unknown_users": "drop",
    "period": "test",
    "ks": [5, 10],
    "primary_metric": "recall@10",
}
BLOCK = Block(
    "shop",
    PROTOCOL,
    (
        ModelRow("popularity"),
        ModelRow("popularity", {"variant": "filtered", "filter_seen": True}),
        ModelRow("als", {"variant": "narrow", "embedding_dim": 8}),
        ModelRow("mf-bpr", {"variant": "short", "epochs": 2}),
        ModelRow("mf-bpr", {"variant": "long", "epochs": 9}, timed=False),
    ),
    indexes=(IndexRow("exact"),),
)
MADE_UP = Block(
    "vectors-2k",
    {"name": "search", "k": 50, "primary_metric": "index_recall@50"},
    models=(),
    indexes=(IndexRow("exact"),),
    vectors=vectors.Settings(n_items=2_000, dim=8),
)
PUBLISHED = [block for name in suites.names() for block in suites.load(name).blocks]
TRAINED = [block for block in PUBLISHED if block.vectors is None]


def variants(blocks):
    return [(row.model, row.variant) for block in blocks for row in block.models]


def refusal(call, *arguments):
    with pytest.raises(InputError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


class TestNothingChanges:
    def test_without_options(self):
        made = override(PUBLISHED, Asked())
        assert made.blocks == tuple(PUBLISHED)
        assert made.said == ()

    @given(st.sampled_from(TRAINED), st.data())
    @settings(max_examples=40, deadline=None)
    def test_where_options_say_what_is_there(self, block, data):
        row = data.draw(st.sampled_from(block.models))
        described = protocols.described(protocols.make(block.protocol))
        ks, metric = described.pop("ks"), described.pop("primary_metric")
        spec = settings_of(specs.make(row.model, row.settings))
        undecided = {SEEN} if block.is_by_data(row) else set()  # to set it is to decide it
        settable = [name for name in specs.settable(row.model) if name not in undecided]
        names = data.draw(st.lists(st.sampled_from(settable), unique=True))
        alone = dataclasses.replace(block, models=(row,))
        made = override(
            [alone],
            Asked(
                protocol=data.draw(st.sampled_from([{}, described])),
                ks=tuple(data.draw(st.permutations(ks))),
                metric=data.draw(st.sampled_from(["", metric])),
                settings=tuple(Setting(row.model, name, spec[name]) for name in names),
            ),
        )
        assert made == ((alone,), ())

    def test_in_made_up_vectors(self):
        made = override([BLOCK, MADE_UP], Asked(ks=(7,)))
        assert made.blocks[1] is MADE_UP
        assert list(made.blocks[0].protocol["ks"]) == [7]


class TestOrder:
    @given(st.data())
    @settings(max_examples=40, deadline=None)
    def test_that_of_options_and_of_their_values_does_not_matter(self, data):
        options = [
            Setting("", "epochs", 3),
            Setting("mf-bpr", "epochs", 4),
            Setting("", "filter_seen", True),
            Setting("als", "embedding_dim", 16),
            Setting("mf-bpr", "l2", 0),
        ]
        chosen = data.draw(st.lists(st.sampled_from(options), unique=True))
        ks = data.draw(st.lists(st.integers(1, 30), unique=True, max_size=4))
        again = Asked(ks=tuple(data.draw(st.permutations(ks))), settings=tuple(data.draw(st.permutations(chosen))))
        first = Asked(ks=tuple(ks), settings=tuple(chosen))
        assert override([BLOCK], again).blocks == override([BLOCK], first).blocks
        assert set(override([BLOCK], again).said) == set(override([BLOCK], first).said)

    def test_what_is_said_of_a_model_goes_before_what_is_said_of_all(self):
        for options in itertools.permutations([Setting("", "epochs", 3), Setting("mf-bpr", "epochs", 4)]):
            (made,) = override([BLOCK], Asked(settings=options)).blocks
            assert {row.settings["epochs"] for row in made.models if row.model == "mf-bpr"} == {4}

    def test_the_same_setting_twice_is_refused(self):
        said = refusal(lambda: Asked(settings=(Setting("als", "iterations", 1), Setting("als", "iterations", 2))))
        assert said == "--set als.iterations=1: it is set twice, expected one value; leave one of them out."


class TestProtocol:
    def test_it_replaces_the_blocks_and_keeps_its_ks_and_its_metric(self):
        made = override([BLOCK], Asked(protocol=asked.protocol("leave-one-out")))
        (block,) = made.blocks
        assert protocols.make(block.protocol) == protocols.make(
            {"name": "leave-k-out", "k": 1, "period": "test", "ks": [5, 10], "primary_metric": "recall@10"}
        )
        assert block.models == BLOCK.models
        assert made.said == (
            "protocol: leave-k-out period=test min_items=5 k=1, in place of time-split period=test train_until=0.8 "
            "validation_until=0.9 per=user unknown_users=drop",
        )

    @pytest.mark.parametrize("name", asked.PROTOCOLS)
    def test_each_can_be_asked_for_by_its_name_alone(self, name):
        made = asked.protocol(name)
        assert protocols.make({**made, "ks": [5], "primary_metric": "recall@5"}).period == "test"

    def test_leave_one_out_is_leave_k_out(self):
        assert asked.protocol("leave-one-out") == asked.protocol("leave-k-out:k=1") == asked.protocol("leave-k-out")
        assert asked.protocol("leave-one-out:min_items=3")["min_items"] == 3

    def test_settings_are_written_as_in_toml_and_words_and_dates_plainly(self):
        text = "time-split:train_until=2011-10-09,validation_until=2011-11-09T12:00:00,per=session"
        made = asked.protocol(text + ",period=validation")
        assert (made["train_until"], made["validation_until"]) == ("2011-10-09", "2011-11-09T12:00:00")
        assert (made["per"], made["period"], made["unknown_users"]) == ("session", "validation", "drop")
        assert asked.protocol("user-split:shares=[0.6, 0.2, 0.2],min_items=3")["shares"] == [0.6, 0.2, 0.2]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("leave-on-out", "unknown protocol, expected one of time-split, user-split"),
            ("leave-on-out", "(did you mean 'leave-one-out'?)"),
            ("", "unknown protocol"),
            (
                "leave-k-out:min_item=3",
                "no setting 'min_item', expected one of equal_times, k, ks, min_items, min_rating, period",
            ),
            ("leave-k-out:min_item=3", "(did you mean 'min_items'?); correct it."),
            ("leave-k-out:k=0", "k is 0, expected a whole number from 1 to 2,147,483,647; correct it."),
            ("leave-k-out:k=two", "k is 'two', expected a whole number"),
            ("leave-k-out:3", "'3' is no setting, expected each once as setting=value"),
            ("leave-k-out:k=1,k=2", "'k=2' is no setting, expected each once"),
            ("leave-k-out:k=1,", "k is '1,', expected a whole number"),
            ("leave-k-out:ks=[1]", "ks is not set here, expected it in --k; move it there."),
            ("user-split:primary_metric=x", "expected it in --metric"),
            ("leave-one-out:k=2", "k is 1 in leave-one-out; give leave-k-out:k=2."),
            ("time-split:per=usr", "per is 'usr', expected one of session, user"),
        ],
    )
    def test_what_cannot_be_is_refused(self, text, message):
        said = refusal(asked.protocol, text)
        assert said.startswith(f"--protocol {text}: ")
        assert message in said
        assert "suite" not in said


class TestJudgement:
    def test_ks_and_metric(self):
        made = override([BLOCK], Asked(ks=(50, 10, 50), metric="ndcg@20"))
        assert made.blocks[0].protocol["ks"] == [10, 20, 50]
        assert made.blocks[0].protocol["primary_metric"] == "ndcg@20"
        assert made.said == ("K: 10, 20, 50, in place of 5, 10", "primary metric: ndcg@20, in place of recall@10")

    def test_the_suites_metric_goes_to_the_largest_k_where_its_own_is_not_asked_for(self):
        (block,) = override([BLOCK], Asked(ks=(3, 7))).blocks
        assert block.protocol["primary_metric"] == "recall@7"
        (block,) = override([BLOCK], Asked(ks=(10, 50))).blocks
        assert block.protocol["primary_metric"] == "recall@10"

    @pytest.mark.parametrize("name", METRICS)
    def test_every_metric_can_be_primary(self, name):
        assert asked.metric(f"{name}@7") == f"{name}@7"
        assert asked.metric(f"{name}@07") == f"{name}@7"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("ndgc@10", "(did you mean 'ndcg'?)"),
            ("ndcg", "write ndcg@10."),
            ("ndcg@0", "K from 1 to 100,000"),
            ("ndcg@1e3", "K from 1"),
            ("recall@" + "9" * 5_000, "K from 1"),
            ("", "unknown metric"),
        ],
    )
    def test_what_is_no_metric_is_refused(self, text, message):
        assert message in refusal(asked.metric, text)

    def test_they_are_of_data_sets_alone(self):
        for given_ in (Asked(ks=(3,)), Asked(metric="ndcg@3"), Asked(protocol=asked.protocol("user-split"))):
            assert "only made-up vectors are searched" in refusal(override, [MADE_UP], given_)


class TestSettings:
    def test_a_row_that_has_changed_says_so(self):
        made = override([BLOCK], Asked(settings=(Setting("als", "iterations", 3), Setting("als", "embedding_dim", 8))))
        assert variants(made.blocks)[2] == ("als", "narrow, iterations=3")
        assert made.said == ("als (narrow): iterations=3, in place of 15",)

    def test_of_all_models_that_have_it_and_in_which_it_is_free(self):
        made = override([BLOCK], Asked(settings=(Setting("", "epochs", 5),)))
        assert variants(made.blocks) == [
            ("popularity", "seen-kept"),
            ("popularity", "filtered"),
            ("als", "narrow"),
            ("mf-bpr", "short, epochs=5"),
        ]

    def test_rows_that_become_the_same_are_one(self):
        made = override([BLOCK], Asked(settings=(Setting("mf-bpr", "epochs", 5),)))
        assert made.said[-1] == "mf-bpr: 2 rows have become the same, so 1 of them is left out"
        assert [row.timed for row in made.blocks[0].models if row.model == "mf-bpr"] == [True]

    @pytest.mark.parametrize("rows", [BLOCK.models[:2], BLOCK.models[1::-1]])
    def test_of_rows_that_become_the_same_the_one_that_is_as_it_was_stays(self, rows):
        block = dataclasses.replace(BLOCK, models=rows)
        made = override([block], Asked(settings=(Setting("popularity", "filter_seen", True),)))
        assert variants(made.blocks) == [("popularity", "filtered")]

    def test_rows_that_were_the_same_before_stay(self):
        rows = (ModelRow("als"), ModelRow("als", {"variant": "again"}))
        made = override([dataclasses.replace(BLOCK, models=rows)], Asked(settings=(Setting("als", "iterations", 2),)))
        assert variants(made.blocks) == [("als", "as_published, iterations=2"), ("als", "again, iterations=2")]

    def test_rows_whose_variants_have_no_room_for_all_that_has_changed_are_told_apart(self):
        rows = tuple(ModelRow("als", {"variant": f"{'a' * 190} {end}"}) for end in ("one", "two"))
        block = dataclasses.replace(BLOCK, models=rows)
        made = override([block], Asked(settings=(Setting("als", "iterations", 2), Setting("als", "embedding_dim", 3))))
        one, two = (variant for _, variant in variants(made.blocks))
        assert (len(one), len(two)) == (200, 200)
        assert one[:188] == two[:188] == "a" * 188
        assert one != two

    def test_a_variant_may_be_named(self):
        given_ = (Setting("als", "variant", "mine"), Setting("als", "iterations", 3))
        assert variants(override([BLOCK], Asked(settings=given_)).blocks)[2] == ("als", "mine")
        said = refusal(override, [BLOCK], Asked(settings=(Setting("mf-bpr", "variant", "mine"),)))
        assert said.startswith("--set variant=mine: several rows of mf-bpr would have it")

    def test_models_that_are_not_run_are_left_alone(self):
        made = override([BLOCK], Asked(models=("als",), settings=(Setting("", "filter_seen", True),)))
        assert variants(made.blocks)[0] == ("popularity", "seen-kept")
        assert variants(made.blocks)[2] == ("als", "narrow, filter_seen=true")

    def test_what_sets_nothing_is_refused(self):
        said = refusal(override, [BLOCK], Asked(settings=(Setting("sasrec", "length", 3),)))
        assert said.startswith(
            "--set sasrec.length=3: sasrec is not among the models of this run, which are popularity"
        )
        said = refusal(override, [BLOCK], Asked(models=("als",), settings=(Setting("", "epochs", 3),)))
        assert "a model with the setting 'epochs' is not among the models of this run, which are als" in said

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("mf-bpr.l2=tru", "mf-bpr: l2 is 'tru', expected a number from 0 to 1e+09; correct it."),
            ("mf-bpr.epochs=-1", "epochs is -1, expected a whole number from 1"),
            ("mf-bpr.epochs=1.5", "epochs is 1.5, expected a whole number"),
            ("filter_seen=1", "filter_seen is 1, expected true or false"),
        ],
    )
    def test_values_are_held_to_the_type_of_their_field(self, text, message):
        said = refusal(override, [BLOCK], Asked(settings=(asked.setting(text),)))
        assert said.startswith(f"--set {text}: ")
        assert message in said
        assert "suite" not in said

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("sasrec.lenght=3", "sasrec has no setting 'lenght', expected one of batch_size"),
            ("sasrec.lenght=3", "(did you mean 'length'?)"),
            ("lenght=3", "no model has the setting 'lenght', expected one of activation"),
            ("sasrek.length=3", "(did you mean 'sasrec'?)"),
            ("mf_bpr.l2=1", "(did you mean 'mf-bpr'?)"),
            ("popularity.epochs=2", "popularity has no setting 'epochs', expected one of filter_seen, variant"),
            ("length", "expected MODEL.FIELD=VALUE or FIELD=VALUE"),
            ("=3", "expected MODEL.FIELD=VALUE"),
            ("sasrec.=3", "expected MODEL.FIELD=VALUE"),
        ],
    )
    def test_what_is_no_setting_is_refused(self, text, message):
        assert message in refusal(asked.setting, text)

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("gru4rec.pooling=mean", "mean"),
            ("gru4rec.pooling='mean'", "mean"),
            ("gru4rec.variant=one = two", "one = two"),
            ("gru4rec.variant=1\nx = 2", "1\nx = 2"),
            ("gru4rec.learning_rate=1e-3", 0.001),
            ("gru4rec.normalised=false", False),
        ],
    )
    def test_values_are_written_as_in_toml_and_words_plainly(self, text, value):
        assert asked.setting(text).value == value


class TestWritten:
    @given(
        st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(st.characters(codec="utf-8"))
        | st.lists(st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")))
    )
    def test_what_is_written_is_read_again(self, value):
        option = Setting("als", "variant", value).option.removeprefix("--set ")
        read = asked.setting(option).value
        assert read == value
        assert type(read) is type(value)

    def test_settings_of_every_model_come_back(self):
        for model in FAMILIES:
            spec = settings_of(specs.make(model, {}))
            for name in specs.settable(model):
                option = Setting(model, name, spec[name]).option.removeprefix("--set ")
                value = asked.setting(option).value
                assert settings_of(specs.make(model, {name: value})) == spec


class TestWords:
    """Options as they are printed, in the command that measures a cell again."""

    def read(self, words):
        given_ = parser().parse_args(["run", *shlex.split(" ".join(words))])
        return overrides(given_)

    @pytest.mark.parametrize("text", [*asked.PROTOCOLS, "leave-k-out:k=2", "user-split:shares=[0.6, 0.2, 0.2]"])
    def test_they_are_read_again(self, text):
        protocol = protocols.described(protocols.make({**asked.protocol(text), "ks": [1], "primary_metric": "map@1"}))
        rest = {name: value for name, value in protocol.items() if name not in asked.JUDGED}
        setting = Setting("gru4rec", "variant", "a b, c=d")
        made = Asked(protocol=rest, ks=(5, 9), metric="map@9", settings=(setting,))
        again = self.read(made.words)
        assert (again.ks, again.metric, again.settings) == (made.ks, made.metric, made.settings)
        assert protocols.make({**again.protocol, "ks": [1], "primary_metric": "map@1"}) == protocols.make(protocol)

    def test_what_is_so_by_itself_is_left_out(self):
        rest = {"name": "leave-k-out", "period": "test", "min_items": 5, "k": 1}
        assert Asked(protocol=rest).words == ["--protocol leave-k-out"]
        assert Asked(protocol={**rest, "k": 2}).words == ["--protocol leave-k-out:k=2"]
        assert Asked().words == []

    @given(st.data())
    @settings(max_examples=25, deadline=None)
    def test_a_difference_makes_one_row_the_other(self, data):
        block, other = data.draw(st.sampled_from(TRAINED)), data.draw(st.sampled_from(TRAINED))
        row, wanted = data.draw(st.sampled_from(block.models)), data.draw(st.sampled_from(other.models))
        if row.model != wanted.model:
            wanted = row
        spec = settings_of(specs.make(wanted.model, wanted.settings))
        options = difference(block, row, other.protocol, spec)
        (made,) = override([dataclasses.replace(block, models=(row,))], self.read(options.words)).blocks
        assert protocols.make(made.protocol) == protocols.make(other.protocol)
        (reached,) = made.models
        assert {**settings_of(specs.make(reached.model, reached.settings)), "variant": ""} == {**spec, "variant": ""}


class TestTold:
    def test_blocks_that_come_to_the_same_tell_their_rows_apart(self):
        other = dataclasses.replace(
            BLOCK,
            protocol={**PROTOCOL, "per": "session"},
            models=(ModelRow("mf-bpr", {"variant": "short", "epochs": 3}),),
        )
        made = override([BLOCK, other], Asked(protocol=asked.protocol("leave-one-out")))
        assert variants(made.blocks)[-1] == ("mf-bpr", "short, epochs=3")

    def test_rows_that_come_to_stand_in_several_blocks_are_counted(self):
        other = dataclasses.replace(BLOCK, protocol={**PROTOCOL, "per": "session"}, models=BLOCK.models[:2])
        made = override([BLOCK, other], Asked(protocol=asked.protocol("leave-one-out")))
        assert made.said[-1] == "2 of the rows now stand in another block too and run once"
        assert "another block" not in " ".join(override([BLOCK, BLOCK], Asked(ks=(3,))).said)


class TestComplete:
    def published(self):
        return {"one": [BLOCK], "two": [BLOCK]}

    def test_a_model_that_a_suite_lacks_comes_with_its_defaults(self):
        made = complete([BLOCK, MADE_UP], Asked(models=("item-cf", "als")), {"": "mine"}, self.published)
        assert made.blocks[0].models == (*BLOCK.models, ModelRow("item-cf"))
        assert made.blocks[1] is MADE_UP
        (said,) = made.said
        assert said.startswith("item-cf: not in the suite mine, so it runs with its defaults: ")
        assert "n_neighbours=50, user_weighted=false" in said

    def test_which_suites_have_it_is_said(self):
        bare = dataclasses.replace(BLOCK, models=(ModelRow("popularity"),))
        (said,) = complete([bare], Asked(models=("als",)), {"": "mine"}, self.published).said
        assert said.startswith("als: not in the suite mine (one and two have it), so it runs with its defaults: ")
        assert "embedding_dim=128, regularization=1e-06" in said

    def test_it_is_enough_that_one_block_of_a_suite_has_it(self):
        other = dataclasses.replace(BLOCK, dataset="other", models=(ModelRow("item-cf"),))
        assert complete([BLOCK, other], Asked(models=("item-cf",)), {"": "mine"}, self.published).said == ()

    def test_but_every_data_set_that_is_named_has_it(self):
        other = dataclasses.replace(BLOCK, dataset="other", models=(ModelRow("item-cf"),))
        made = complete([other, BLOCK], Asked(models=("item-cf",)), {"shop": "mine", "other": "mine"}, self.published)
        assert made.blocks == (other, dataclasses.replace(BLOCK, models=(*BLOCK.models, ModelRow("item-cf"))))

    def test_an_index_too(self):
        made = complete([BLOCK, MADE_UP], Asked(indexes=("annoy", "exact")), {"": "mine"}, self.published)
        assert [[row.name for row in block.indexes] for block in made.blocks] == [["exact", "annoy"]] * 2
        assert made.said == ("annoy: not in the suite mine, so it runs with its defaults: n_trees=10, search_k=-1",)

    def test_backends_that_a_suite_does_not_train_with_are_said(self):
        few = dataclasses.replace(BLOCK, backends=("jax",))
        made = complete([few], Asked(backends=("torch", "jax")), {"": "mine"}, self.published)
        assert made == ((few,), ("mine: trains with jax; here it trains with torch and jax",))
        for backends in ((), ("jax",), ("classic",)):
            assert complete([few], Asked(backends=backends), {"": "mine"}, self.published).said == ()


class TestChosen:
    def test_own_data_under_leave_one_out_with_a_model_that_its_suite_lacks(self):
        made = suites.chosen(
            ("file:shop.csv",), None, Asked(protocol=asked.protocol("leave-one-out"), models=("mind", "popularity"))
        )
        assert {block.protocol["name"] for block in made.blocks} == {"leave-k-out"}
        assert all(variants([block])[-1] == ("mind", "softmax") for block in made.blocks)
        assert made.said[0].startswith(
            "mind: not in the suite own-data (ann, leave-one-out and sequences have it), so it runs"
        )

    @pytest.mark.parametrize("suite", suites.names())
    def test_without_options_it_is_the_suite(self, suite):
        assert suites.chosen((), suite, Asked()) == (tuple(suites.for_datasets((), suite)), ())
