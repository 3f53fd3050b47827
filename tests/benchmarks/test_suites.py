import pytest

from backends.registry import FAMILIES
from benchmarks import suites
from benchmarks.suites import Block, IndexRow, ModelRow
from datasets import vectors
from datasets.errors import InputError

PROTOCOL = '{ name = "time-split", train_until = 0.8 }'


VECTORS = "[[block]]\nvectors = {{ n_items = 2_000, dim = 8 }}\n{extra}\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="own.toml"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write


def block(extra="", models='[{ model = "mf-bpr" }]', dataset="synthetic-tiny"):
    return f'[[block]]\ndataset = "{dataset}"\nprotocol = {PROTOCOL}\nmodels = {models}\n{extra}\n'


class TestLoad:
    def test_the_names_are_those_of_the_files(self):
        assert suites.names() == sorted(path.stem for path in suites.FOLDER.glob("*.toml"))
        assert {suites.DEFAULT, suites.OWN_DATA, "doctor", "online-retail"} <= set(suites.names())

    @pytest.mark.parametrize("name", suites.names())
    def test_a_public_suite_has_a_title_and_known_models(self, name):
        suite = suites.load(name)
        assert suite.name == name
        assert suite.title
        assert {row.model for made in suite.blocks for row in made.models} <= set(FAMILIES)

    def test_a_base_is_what_rows_have_in_common(self, write):
        suite = suites.load(
            write(
                "[settings.long]\nepochs = 9\nks = [1, 2]\n"
                + block(
                    models='[{ model = "als", base = "long" }, '
                    '{ model = "mf-bpr", base = "long", settings = { epochs = 3 } }, { model = "popularity" }]'
                )
            )
        )
        assert suite.blocks[0].models == (
            ModelRow("als", {"epochs": 9, "ks": [1, 2]}),
            ModelRow("mf-bpr", {"epochs": 3, "ks": [1, 2]}),
            ModelRow("popularity"),
        )

    def test_a_base_that_there_is_not(self, write):
        with pytest.raises(InputError, match="unknown base 'short', expected one of long; correct it in the suite"):
            suites.load(write("[settings.long]\nepochs = 9\n" + block(models='[{ model = "als", base = "short" }]')))

    def test_a_sweep_is_what_blocks_have_in_common(self, write):
        sweeps = '[sweeps]\nfew = [{ name = "exact" }, { name = "annoy", query = [{ search_k = 9 }] }]\n'
        suite = suites.load(write(sweeps + block('indexes = "few"') + block('indexes = "few"')))
        assert [made.indexes for made in suite.blocks] == [
            (IndexRow("exact"), IndexRow("annoy", ({},), ({"search_k": 9},)))
        ] * 2

    def test_a_sweep_that_there_is_not(self, write):
        with pytest.raises(InputError, match="unknown sweep 'all', expected one of few; correct it in the suite"):
            suites.load(write("[sweeps]\nfew = []\n" + block('indexes = "all"')))

    def test_made_up_vectors_stand_in_place_of_data_and_models(self, write):
        (made,) = suites.load(write(VECTORS.format(extra='indexes = [{ name = "exact" }]\nseeds = [4]'))).blocks
        assert made == Block(
            dataset="vectors-2k",
            protocol={"name": "search", "k": 50, "primary_metric": "index_recall@50"},
            models=(),
            indexes=(IndexRow("exact"),),
            seeds=(4,),
            vectors=vectors.Settings(n_items=2_000, dim=8),
        )

    def test_made_up_vectors_are_searched_for_as_many_as_the_block_says(self, write):
        (made,) = suites.load(write(VECTORS.format(extra='protocol = { name = "search", k = 7 }'))).blocks
        assert made.protocol == {"name": "search", "k": 7, "primary_metric": "index_recall@7"}

    def test_everything_that_is_written_is_read(self, write):
        suite = suites.load(
            write(
                'title = "T"\n'
                + block(
                    'seeds = [1, 2]\nbackends = ["jax", "torch"]\nmodes = ["eager"]\n'
                    'throughput = ["compiled"]\nitem_maps = true\n'
                    'indexes = [{ name = "exact" }, { name = "annoy", build = [{ n_trees = 4 }] }]',
                    models='[{ model = "als" }, { model = "mf-bpr", settings = { epochs = 3 }, modes = ["compiled"] }]',
                )
            )
        )
        assert (suite.name, suite.title) == ("own", "T")
        assert suite.blocks == (
            Block(
                dataset="synthetic-tiny",
                protocol={"name": "time-split", "train_until": 0.8},
                models=(ModelRow("als"), ModelRow("mf-bpr", {"epochs": 3}, ("compiled",))),
                indexes=(IndexRow("exact"), IndexRow("annoy", ({"n_trees": 4},), ({},))),
                seeds=(1, 2),
                backends=("jax", "torch"),
                modes=("eager",),
                throughput=("compiled",),
                item_maps=True,
            ),
        )

    def test_what_is_left_out_has_defaults(self, write):
        (made,) = suites.load(write(block())).blocks
        assert (made.indexes, made.seeds, made.modes, made.throughput) == ((), (0,), ("eager", "compiled"), ())
        assert made.item_maps is False
        assert suites.load(write(block())).title == "own"

    @pytest.mark.parametrize(("wrong", "nearest"), [("qick", "quick"), ("online_retail", "online-retail")])
    def test_an_unknown_name_gets_the_nearest_and_the_list(self, wrong, nearest):
        with pytest.raises(InputError) as error:
            suites.load(wrong)
        assert f"unknown suite {wrong!r}" in str(error.value)
        assert f"did you mean {nearest!r}?" in str(error.value)
        assert all(name in str(error.value) for name in suites.names())

    def test_a_name_like_no_other_gets_the_list_only(self):
        with pytest.raises(InputError) as error:
            suites.load("xyzzy")
        assert "did you mean" not in str(error.value)
        assert "quick" in str(error.value)

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(InputError, match=r"unknown suite '.*missing\.toml'"):
            suites.load(str(tmp_path / "missing.toml"))

    def test_a_folder_is_no_file(self, tmp_path):
        (tmp_path / "folder.toml").mkdir()
        with pytest.raises(InputError, match="unknown suite"):
            suites.load(str(tmp_path / "folder.toml"))

    @pytest.mark.parametrize(
        "text",
        [
            "title = ",
            "",
            'title = "no block"',
            "block = 3",
            "block = [1]",
            '[[block]]\ndataset = "synthetic-tiny"\n',
            block("unknown = 1"),
            block(models='["mf-bpr"]'),
            block(models='[{ name = "mf-bpr" }]'),
            block(models='[{ model = "mf-bpr", seting = 1 }]'),
            block('indexes = [{ name = "exact", k = 3 }]'),
            block("seeds = 3"),
            "[[block]]\nvectors = { items = 3 }\n",
            "[[block]]\nvectors = { dim = 3 }\n",
            "[[block]]\nvectors = 3\n",
            block("throughput = true"),
            b"title = \xff\xfe",
        ],
    )
    def test_a_file_that_is_no_suite_is_named(self, write, text):
        path = write(text)
        with pytest.raises(InputError) as error:
            suites.load(path)
        assert f"{path} is not a suite" in str(error.value)
        assert "compare it with quick.toml" in str(error.value)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (block('modes = ["eagr"]'), "unknown mode 'eagr', expected one of eager, compiled"),
            (block(models='[{ model = "als", modes = ["fast"] }]'), "unknown mode 'fast'"),
            (block('throughput = ["lazy"]'), "unknown mode 'lazy'"),
            (block('backends = ["jaxx"]'), "unknown backend 'jaxx', expected one of torch"),
            (block('backends = ["classic"]'), "unknown backend 'classic', expected one of torch"),
            (block("vectors = { n_items = 9 }"), "made-up vectors has dataset, models, expected protocol, seeds and"),
            (VECTORS.format(extra="item_maps = true"), "made-up vectors has item_maps, expected protocol, seeds and"),
            (
                VECTORS.format(extra='protocol = { name = "time-split" }'),
                "the protocol of made-up vectors is .*time-sp",
            ),
            (VECTORS.format(extra="protocol = { k = 0 }"), "the protocol of made-up vectors is .*'k': 0"),
            (VECTORS.format(extra="protocol = { ks = [5] }"), "the protocol of made-up vectors is .*'ks'"),
            ("[[block]]\nvectors = { n_items = 0 }\n", "n_items of made-up vectors is 0; give a whole number from 1"),
            (VECTORS.format(extra="seeds = [-1]"), "-1 is no seed"),
            (block("seeds = [-1]"), "-1 is no seed"),
            (block('seeds = ["a"]'), "'a' is no seed"),
            (block('item_maps = "no"'), "item_maps is 'no', expected true or false"),
            (block('indexes = [{ name = "fais-ivf" }]'), "unknown index 'fais-ivf', expected one of exact"),
            (block('indexes = [{ name = "annoy", build = [{ trees = 1 }] }]'), "'trees' is no parameter"),
            (block('indexes = [{ name = "annoy", query = [{ search_k = 0 }] }]'), "search_k is 0"),
            (block(models='[{ model = "als" }, { model = "als", settings = { epochs = 2 } }]'), "2 rows of als"),
        ],
    )
    def test_what_would_fail_in_every_cell_is_refused_at_once(self, write, content, message):
        with pytest.raises(InputError, match=message):
            suites.load(write(content))

    def test_two_variants_of_a_model_may_stand_side_by_side(self, write):
        models = '[{ model = "als" }, { model = "als", settings = { variant = "tuned" } }, { model = "mf-bpr" }]'
        (made,) = suites.load(write(block(models=models))).blocks
        assert len(made.models) == 3


class TestForDatasets:
    def test_nothing_said_is_the_default_suite(self):
        assert suites.for_datasets((), None) == list(suites.load(suites.DEFAULT).blocks)

    def test_a_suite_alone_is_all_its_blocks(self):
        assert suites.for_datasets((), "online-retail") == list(suites.load("online-retail").blocks)

    def test_data_sets_choose_among_a_suites_blocks(self, write):
        suite = write(block() + block(dataset="online-retail") + block(dataset="synthetic-small"))
        chosen = suites.for_datasets(("synthetic-small", "synthetic-tiny"), suite)
        assert [made.dataset for made in chosen] == ["synthetic-tiny", "synthetic-small"]

    def test_a_data_set_that_the_suite_does_not_have(self):
        with pytest.raises(InputError) as error:
            suites.for_datasets(("synthetic-small", "online-retail"), "quick")
        assert "'quick' has no block for 'online-retail', only for synthetic-small" in str(error.value)
        assert "leave --suite out" in str(error.value)

    def test_a_data_set_has_the_suite_of_its_name(self):
        assert suites.for_datasets(("online-retail",), None) == list(suites.load("online-retail").blocks)

    @pytest.mark.parametrize("size", ["tiny", "small", "medium", "large"])
    def test_synthetic_data_have_the_default_suite(self, size):
        (made,) = suites.for_datasets((f"synthetic-{size}",), None)
        (default,) = suites.load(suites.DEFAULT).blocks
        assert made.dataset == f"synthetic-{size}"
        assert (made.models, made.protocol, made.indexes) == (default.models, default.protocol, default.indexes)

    @pytest.mark.parametrize(("dataset", "n_items"), [("vectors-100k", 100_000), ("vectors-1m", 1_000_000)])
    def test_made_up_vectors_have_the_suites_that_search_them(self, dataset, n_items):
        (made,) = suites.for_datasets((dataset,), None)
        assert (made.dataset, made.vectors.n_items) == (dataset, n_items)

    def test_made_up_vectors_that_no_suite_searches(self):
        with pytest.raises(InputError, match="no suite searches 'vectors-7', only vectors-100k, vectors-1m; write one"):
            suites.for_datasets(("vectors-7",), None)

    def test_a_suites_made_up_vectors_are_chosen_by_their_name(self, write):
        suite = write(block() + VECTORS.format(extra=""))
        assert [made.dataset for made in suites.for_datasets(("vectors-2k",), suite)] == ["vectors-2k"]

    @pytest.mark.parametrize("dataset", ["file:shop.csv", "shop.csv", "/data/shop.parquet", "unheard-of"])
    def test_other_data_have_the_suite_made_for_them(self, dataset):
        (made,) = suites.for_datasets((dataset,), None)
        (own,) = suites.load(suites.OWN_DATA).blocks
        assert made.dataset == dataset
        assert (made.models, made.protocol) == (own.models, own.protocol)

    @pytest.mark.parametrize("name", ["quick", "doctor", "own-data"])
    def test_a_suites_name_is_no_data_set(self, name):
        """It stays what was asked for, so that reading it fails, instead of becoming the suite's own data."""
        (made,) = suites.for_datasets((name,), None)
        assert made.dataset == name

    def test_several_data_sets_each_bring_their_own(self):
        chosen = suites.for_datasets(("shop.csv", "online-retail"), None)
        assert [made.dataset for made in chosen] == ["shop.csv", "online-retail"]
