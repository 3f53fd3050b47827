"""Lines about cells, splits and audits name what they are about, so that no two of a suite are alike."""

import dataclasses
import itertools

import pytest

from benchmarks import cli, protocols, suites
from benchmarks.harness import run
from benchmarks.harness.plan import Options, Prepared, cells, lines, refuse_alike
from benchmarks.suites import Block, ModelRow, rows
from datasets import vectors
from datasets.errors import InputError

CUT = {
    "name": "time-split",
    "train_until": 0.8,
    "validation_until": 0.9,
    "per": "user",
    "unknown_users": "drop",
    "period": "test",
    "ks": (5, 10),
    "primary_metric": "recall@10",
}
LEAVE_ONE_OUT = {"name": "leave-k-out", "k": 1, "period": "test", "ks": (5,), "primary_metric": "recall@5"}
OTHERS = [
    {**CUT, "train_until": 0.7},
    {**CUT, "train_until": "2011-10-09"},
    {**CUT, "validation_until": 0.85},
    {**CUT, "test_until": 0.95},
    {**CUT, "per": "session"},
    {**CUT, "unknown_users": "popular"},
    {**CUT, "period": "validation"},
    {**CUT, "ks": (5, 10, 20)},
    {**CUT, "primary_metric": "recall@5"},
    LEAVE_ONE_OUT,
    {**LEAVE_ONE_OUT, "k": 2},
    {**LEAVE_ONE_OUT, "min_items": 6},
    {"name": "user-split", **{name: LEAVE_ONE_OUT[name] for name in ("period", "ks", "primary_metric")}},
]


class TestProtocols:
    def test_what_is_as_it_is_by_default_is_not_said(self):
        (block,) = suites.load("quick").blocks
        described = protocols.described(protocols.make(block.protocol))
        cuts = "time-split train_until=0.8 validation_until=0.9 per=user unknown_users=drop"
        assert protocols.in_words(described) == f"{cuts} test@5,10,20,50 by recall_micro@20"
        settings = {**OTHERS[-1], "shares": (0.6, 0.2, 0.2)}
        assert protocols.in_words(settings) == "user-split shares=0.6,0.2,0.2 test@5 by recall@5"

    def test_every_setting_makes_a_difference(self):
        words = [protocols.in_words(protocols.described(protocols.make(settings))) for settings in [CUT, *OTHERS]]
        assert len(set(words)) == len(words)

    def test_search_of_made_up_vectors(self):
        assert protocols.in_words(rows.SEARCH | {"primary_metric": "r@50"}) == "search k=50 by r@50"


def planned(*blocks):
    """The cells of all blocks, whatever their data set is cut into."""
    made = []
    for number, block in enumerate(blocks):
        protocol = protocols.described(protocols.make(block.protocol)) if block.vectors is None else block.protocol
        prepared = Prepared(block.dataset, protocol, run.Path(f"{number}"), {"split": str(protocol)}, ())
        made += cells(block, prepared, Options())
    return made


def of_model(settings, protocol=CUT, dataset="shop"):
    return Block(dataset, protocol, models=(ModelRow("mf-bpr", settings),), modes=("eager",), item_maps=True)


class TestCells:
    def test_no_two_blocks_on_one_data_set_have_a_line_in_common(self):
        made = planned(*(of_model({}, protocol) for protocol in [CUT, *OTHERS]))
        lines = [cell.describe() for cell in made]
        assert len(set(lines)) == len({cell.key for cell in made}) == len(made)
        refuse_alike(made)

    @pytest.mark.parametrize("name", suites.names())
    def test_no_public_suite_is_refused(self, name):
        made = planned(*suites.load(name).blocks)
        refuse_alike(made)
        assert len({cell.describe() for cell in made}) == len({cell.key for cell in made})

    def test_what_stands_in_several_blocks_is_planned_once(self, monkeypatch):
        prepared = Prepared("shop", CUT, run.Path("unused"), {"dataset": "d", "split": "s"}, ())
        monkeypatch.setattr(run, "prepare_all", lambda blocks, *_, **__: [(block, prepared) for block in blocks])
        once, again = run.plan([of_model({}), of_model({})], Options(), run.Path("results"), None)
        assert once[1] == cells(of_model({}), prepared, Options())
        assert again[1] == []

    def test_a_protocol_whose_name_tells_it_is_told_by_that(self):
        made = planned(of_model({}), of_model({}, LEAVE_ONE_OUT), of_model({}, {**LEAVE_ONE_OUT, "k": 2}))
        shown = lines(made)
        assert sum(" · time-split · " in line for line in shown.values()) == sum(
            " time-split" in s for s in shown.values()
        )
        assert all(" · leave-k-out k=" in line for line in shown.values() if "leave-k-out" in line)
        assert len(set(shown.values())) == len(shown) == len({cell.key for cell in made})

    def test_settings_that_differ_under_one_variant_are_refused(self):
        alike = planned(of_model({}), of_model({"epochs": 3, "learning_rate": 0.5}))
        with pytest.raises(InputError) as refusal:
            refuse_alike(alike)
        assert str(refusal.value) == (
            "two rows of the suite are both mf-bpr (as_published) on shop under time-split, but differ in epochs, "
            "learning_rate; give each a variant of its own."
        )
        refuse_alike(planned(of_model({}), of_model({"epochs": 3, "variant": "brief"})))
        refuse_alike(planned(of_model({}), of_model({"epochs": 3}, LEAVE_ONE_OUT)))
        refuse_alike(planned(of_model({}), of_model({"epochs": 3}, dataset="another")))
        refuse_alike(planned(of_model({}), of_model({})))  # asked for twice, run once

    def test_so_are_two_draws_of_vectors_of_one_name(self):
        drawn = vectors.Settings(n_items=2_000, dim=8)
        found = {"primary_metric": "index_recall@50", **rows.SEARCH}
        blocks = [
            Block("vectors-2k", found, models=(), indexes=(suites.IndexRow("exact"),), vectors=made_from)
            for made_from in (drawn, dataclasses.replace(drawn, seed=1))
        ]
        with pytest.raises(InputError, match=r"on vectors-2k under search, but differ in seed"):
            refuse_alike(planned(*blocks))


BLOCK = """
[[block]]
dataset = "{path}"
models = [{{ model = "popularity" }}]
protocol = {{ name = "leave-k-out", k = {k}, period = "{period}", ks = [1], primary_metric = "recall@1" }}
"""


@pytest.fixture
def call(tmp_path, capsys):
    """Calls a command on a suite of four blocks on one data set; gives its exit code and what it said."""
    path = tmp_path / "shop.csv"
    rows = [f"u{user},i{(user + day) % 7},{day}" for day in range(9) for user in range(5)]
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n", encoding="utf-8")
    asked = itertools.product((1, 2), ("validation", "test"))
    suite = "".join(BLOCK.format(path=path, k=k, period=period) for k, period in asked)

    def call(command, *options, more=""):
        (tmp_path / "own.toml").write_text(suite + more, encoding="utf-8")
        code = cli.main([command, "--suite", str(tmp_path / "own.toml"), *options])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return call


class TestCommands:
    def test_prepare(self, call, tmp_path):
        code, out, _ = call("prepare", "--results", str(tmp_path / "results"))
        assert code == 0
        assert len(set(out)) == len(out)
        assert sum("45 interactions" in line for line in out) == 1  # of the data, whatever they are cut into
        assert sum(", leave-k-out k=2 validation@1 by recall@1: " in line for line in out) == 2

    def test_run(self, call, tmp_path):
        code, out, _ = call("run", "--dry-run", "--results", str(tmp_path / "results"))
        assert code == 0
        assert len(set(out)) == len(out) == 4 + 1
        assert sum(" · leave-k-out k=2 validation@1 by recall@1 · " in line for line in out) == 1

    def test_run_refuses_what_nobody_could_tell_apart_before_anything_runs(self, call, tmp_path):
        again = BLOCK.format(path=tmp_path / "shop.csv", k=1, period="test")
        again = again.replace('"popularity"', '"popularity", settings = { filter_seen = true, variant = "seen-kept" }')
        code, out, err = call("run", "--results", str(tmp_path / "results"), more=again)
        assert (code, out) == (2, [])
        assert "are both popularity (seen-kept)" in err
        assert "differ in filter_seen" in err
