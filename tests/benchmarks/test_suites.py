import gzip

import pandas as pd
import pytest

from backends.registry import FAMILIES
from benchmarks import suites
from benchmarks.suites import Block, IndexRow, ModelRow
from datasets import vectors
from datasets.errors import InputError

PROTOCOL = '{ name = "user-split", period = "test", ks = [5], primary_metric = "recall@5" }'


INDEXED = 'indexes = [{ name = "exact" }]\n'
VECTORS = (
    "[[block]]\nvectors = {{ n_items = 2_000, dim = 8 }}\n"
    + INDEXED.replace("{", "{{").replace("}", "}}")
    + "{extra}\n"
)


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
                "[settings.long]\nepochs = 9\nlearning_rate = 1\n"
                + block(
                    models='[{ model = "mf-logloss", base = "long" }, '
                    '{ model = "mf-bpr", base = "long", settings = { epochs = 3 } }, { model = "popularity" }]'
                )
            )
        )
        assert suite.blocks[0].models == (
            ModelRow("mf-logloss", {"epochs": 9, "learning_rate": 1}),
            ModelRow("mf-bpr", {"epochs": 3, "learning_rate": 1}),
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
        (made,) = suites.load(write(VECTORS.format(extra="seeds = [4]"))).blocks
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
                protocol={"name": "user-split", "period": "test", "ks": [5], "primary_metric": "recall@5"},
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
        ("content", "line", "message"),
        [
            (
                block('modes = ["eagr"]'),
                5,
                "a block: modes is ['eagr'], expected a list of one or more, each one of eager, compiled",
            ),
            (
                block("modes = []"),
                5,
                "a block: modes is [], expected a list of one or more, each one of eager, compiled",
            ),
            (block('throughput = ["lazy"]'), 5, "throughput is ['lazy'], expected a list, each one of eager, compiled"),
            (block("throughput = true"), 5, "throughput is True, expected a list"),
            (block(models='[{ model = "als", modes = ["fast"] }]'), 4, "a row of models: modes is ['fast']"),
            (block('backends = ["jaxx"]'), 5, "unknown backend 'jaxx', expected one of torch, paddle, tensorflow, jax"),
            (block('backends = ["classic"]'), 5, "unknown backend 'classic', expected one of torch"),
            (block('backends = ["jax", "jax"]'), 5, "backends is ('jax', 'jax'), expected each of them once"),
            (
                block("vectors = { n_items = 9 }"),
                2,
                "a block of made-up vectors has no setting 'dataset', expected one",
            ),
            (
                VECTORS.format(extra="item_maps = true"),
                4,
                "made-up vectors has no setting 'item_maps', expected one of",
            ),
            (
                VECTORS.format(extra='protocol = { name = "time-split" }'),
                4,
                "name is 'time-split', expected one of search",
            ),
            (VECTORS.format(extra="protocol = { k = 0 }"), 4, "k is 0, expected a whole number from 1 to 100,000"),
            (VECTORS.format(extra="protocol = { k = 2_001 }"), 4, "k is 2001, but there are only 2000 vectors to find"),
            (
                VECTORS.format(extra="protocol = { ks = [5] }"),
                4,
                "made-up vectors has no setting 'ks', expected one of k",
            ),
            (
                "[[block]]\nvectors = { n_items = 0 }\n",
                2,
                "n_items of made-up vectors is 0; give a whole number from 1",
            ),
            (
                "[[block]]\nvectors = { n_items = 99 }\n",
                1,
                "a block of made-up vectors has no indexes, so that nothing",
            ),
            ("[[block]]\nvectors = { items = 3 }\n", 2, "vectors has no setting 'items', expected one of dim, n_items"),
            ("[[block]]\nvectors = { dim = 3 }\n", 2, "vectors: the setting 'n_items' is missing"),
            ("[[block]]\nvectors = 3\n", 2, "vectors is 3, expected a table of settings"),
            (
                VECTORS.format(extra="seeds = [-1]"),
                4,
                "a block: seeds is [-1], expected a list of one or more, each a whole",
            ),
            (
                block("seeds = [-1]"),
                5,
                "seeds is [-1], expected a list of one or more, each a whole number from 0 to 9,223",
            ),
            (block('seeds = ["a"]'), 5, "seeds is ['a'], expected"),
            (block("seeds = 3"), 5, "seeds is 3, expected"),
            (block("seeds = [1, 1]"), 5, "seeds is (1, 1), expected each of them once"),
            (block(f"seeds = [{'9' * 26}]"), 5, f"seeds is [{'9' * 26}], expected"),
            (block('item_maps = "no"'), 5, "a block: item_maps is 'no', expected true or false"),
            (block("unknown = 1"), 5, "a block has no setting 'unknown', expected one of backends, dataset"),
            (block("mode = 1"), 5, "(did you mean 'modes'?)"),
            (block('indexes = "none"'), 5, "unknown sweep 'none', expected a list, since there is no table [sweeps]"),
            (
                block('indexes = [{ name = "exact", k = 3 }]'),
                5,
                "a row of indexes has no setting 'k', expected one of build",
            ),
            (block('indexes = [{ name = "fais-ivf" }]'), 5, "unknown index 'fais-ivf', expected one of exact"),
            (block('indexes = [{ name = "annoy", build = [{ trees = 1 }] }]'), 5, "'trees' is no parameter"),
            (
                block('indexes = [{ name = "annoy", build = [] }]'),
                5,
                "build is [], expected a list of one or more tables",
            ),
            (
                block('indexes = [{ name = "annoy", query = [{ search_k = 0 }] }]'),
                5,
                "search_k is 0; give a whole number",
            ),
            (block('indexes = [{ name = "faiss-ivf", build = [{ nlist = true }] }]'), 5, "nlist is True; give a whole"),
            (
                block('indexes = [\n{ name = "exact" },\n{ name = "faiss-fastscan", query = [{ nprobe = 65 }] },\n]'),
                7,
                "nprobe is 65, but there are only 64 lists (nlist); give an nprobe of at most 64",
            ),
            (
                VECTORS.format(extra="")
                .replace("exact", "faiss-ivf")
                .replace('" }', '", build = [{ nlist = 2_001 }] }'),
                3,
                "nlist is 2001, but there are only 2000 vectors",
            ),
            (
                block(models='[{ model = "als" }, { model = "als", settings = { embedding_dim = 2 } }]'),
                4,
                "two rows of als have the variant 'as_published'; give each its own",
            ),
            (
                block(models='[{ model = "als" }, { model = "als", settings = { variant = "as_published" } }]'),
                4,
                "two rows of als have the variant 'as_published'",
            ),
            (block(models="[]"), 4, "a block has no models, so that nothing is run"),
            (block(models="7"), 4, "models is 7, expected a list of tables"),
            (block(models='["mf-bpr"]'), 4, "a row of models is 'mf-bpr', expected a table"),
            (block(models='[{ name = "mf-bpr" }]'), 4, "a row of models has no setting 'name', expected one of model"),
            (
                block(models='[{ model = "mf-bpr", seting = 1 }]'),
                4,
                "has no setting 'seting', expected one of model, modes",
            ),
            (block(models='[{ model = "mf-bqr" }]'), 4, "(did you mean 'mf-bpr'?)"),
            (
                block(models='[\n{ model = "als" },\n{ model = "mf-bpr", settings = { epochs = -1 } }]'),
                6,
                "mf-bpr: epochs is -1, expected a whole number from 1 to 2,147,483,647; correct it in the suite",
            ),
            (
                "[settings.long]\nepochs = 1\nl2 = nan\n\n" + block(models='[{ model = "mf-bpr", base = "long" }]'),
                3,
                "mf-bpr: l2 is nan, expected a number from 0 to 1e+09",
            ),
            (
                block().replace("[5]", "[5, 5]"),
                3,
                "user-split: ks is (5, 5), expected a list of one or more lengths that",
            ),
            (block().replace("user-split", "user-spit"), 3, "unknown protocol 'user-spit', expected one of time-split"),
            ('[[block]]\ndataset = "synthetic-tiny"\n', 1, "models is missing, expected a list of tables"),
            ("block = 3", 1, "block is 3, expected one or more tables [[block]]"),
            ("block = [1]", 1, "a block is 1, expected a table"),
            ("title = 5\n" + block(), 1, "a suite: title is 5, expected one line of text"),
            (
                "titel = 5\n" + block(),
                1,
                "a suite has no setting 'titel', expected one of block, searches, settings, sweeps, title",
            ),
            ("settings = 5\n" + block(), 1, "settings is 5, expected a table"),
            ("settings.a = 5\n" + block(), 1, "settings.a is 5, expected a table"),
            ("sweeps.a = 5\n" + block(), 1, "a is 5, expected a list of tables"),
            (block("seeds = 2011-10-09"), 5, "seeds is 2011-10-09, expected"),
        ],
    )
    def test_what_cannot_be_is_refused_with_its_line(self, write, content, line, message):
        path = write(content)
        with pytest.raises(InputError) as error:
            suites.load(path)
        assert str(error.value).startswith(f"{path}, line {line}: ")
        assert message in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("title = ", "is not a suite: Invalid value (at end of document)"),
            ("a = 1\nb = = 2", "is not a suite: Invalid value (at line 2, column 5)"),
            (b"title = 'a'\ntitel = '\xff\xfe'", "is not a suite: line 2 is not UTF-8"),
            ("a = " + "[" * 5_000, "is not a suite: its tables are nested too deeply"),
            ("a = " + "1" * 5_000, "is not a suite: one of its numbers is too long"),
            ("a" + ".a" * 40 + " = 1", "is not a suite: its tables are nested too deeply"),
            ("title = 1\n[x . 'é'" + '. "a"' * 40 + "]", "is not a suite: its tables are nested too deeply"),
            ("#" * (1 << 20) + "\n", "is not a suite: it has more than 1,048,576 bytes"),
            ("", "block is missing, expected one or more tables [[block]]"),
            ('title = "no block"', "block is missing, expected one or more tables [[block]]"),
            ("block = []", "the suite is empty, expected one or more tables [[block]]"),
        ],
    )
    def test_a_file_that_is_no_suite_is_named(self, write, text, message):
        path = write(text)
        with pytest.raises(InputError) as error:
            suites.load(path)
        assert str(path) in str(error.value)
        assert message in str(error.value)
        assert len(str(error.value)) < 600

    def test_a_mark_of_byte_order_and_line_ends_of_windows_are_read_over(self, write):
        plain = suites.load(write(block()))
        assert suites.load(write(("\ufeff" + block()).replace("\n", "\r\n"))) == plain

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
        with pytest.raises(
            InputError, match="no suite searches 'vectors-7', only vectors-100k, vectors-1m, vectors-20k; write one"
        ):
            suites.for_datasets(("vectors-7",), None)

    def test_a_suites_made_up_vectors_are_chosen_by_their_name(self, write):
        suite = write(block() + VECTORS.format(extra=""))
        assert [made.dataset for made in suites.for_datasets(("vectors-2k",), suite)] == ["vectors-2k"]

    @pytest.mark.parametrize("dataset", ["file:shop.csv", "shop.csv", "/data/shop.parquet", "unheard-of"])
    def test_other_data_have_the_suite_made_for_them(self, dataset):
        blocks = suites.for_datasets((dataset,), None)
        assert {made.dataset for made in blocks} == {dataset}
        assert [made.protocol["name"] for made in blocks] == ["time-split", "leave-k-out"]
        of_suite = suites.load(suites.OWN_DATA).blocks
        assert [(made.models, made.protocol) for made in blocks] == [(own.models, own.protocol) for own in of_suite]

    @pytest.mark.parametrize("header", ["user_id,item_id", "session_id,item_id", "user_id,item_id,rating"])
    def test_a_file_without_times_is_not_split_by_time(self, tmp_path, header):
        path = tmp_path / "untimed.csv"
        path.write_text(header + "\n1,2,3\n")
        made = suites.chosen((f"file:{path}",), None, suites.Asked())
        assert [block.protocol["name"] for block in made.blocks] == ["leave-k-out"]
        assert made.said == (
            f"file:{path}: no column timestamp, so the order of the file is taken for that of time, and there is no "
            "split by time",
        )

    @pytest.mark.parametrize(
        ("header", "suite"),
        [
            ("SessionId\tItemId\tTime", suites.OWN_SESSIONS),
            ("session_id,item_id", suites.OWN_DATA),
            ("user_id,item_id,timestamp", suites.OWN_DATA),
            ("user_id,session_id,item_id,timestamp", suites.OWN_DATA),
            ("nothing,that,is,known", suites.OWN_DATA),
            ("", suites.OWN_DATA),
        ],
    )
    def test_files_of_sessions_have_a_suite_of_their_own(self, tmp_path, header, suite):
        (tmp_path / "events.csv").write_text(header + "\n1,2,3,4\n" * bool(header))
        assert suites.suite_of(f"file:{tmp_path}/events.csv") == suites.suite_of(f"{tmp_path}/events.csv") == suite

    @pytest.mark.parametrize("packed", [False, True])
    def test_so_do_parquet_files_and_packed_ones(self, tmp_path, packed):
        file = tmp_path / "events"
        pd.DataFrame({"session_id": [1], "item_id": [2], "timestamp": [3]}).to_parquet(file)
        if packed:
            file.write_bytes(gzip.compress(file.read_bytes()))
        assert suites.suite_of(f"file:{file}") == suites.OWN_SESSIONS

    @pytest.mark.parametrize("name", ["quick", "doctor", "own-data"])
    def test_a_suites_name_is_no_data_set(self, name):
        """It stays what was asked for, so that reading it fails, instead of becoming the suite's own data."""
        assert {made.dataset for made in suites.for_datasets((name,), None)} == {name}

    def test_several_data_sets_each_bring_their_own(self):
        chosen = suites.for_datasets(("shop.csv", "online-retail"), None)
        assert [made.dataset for made in chosen] == ["shop.csv", "shop.csv", "online-retail"]
