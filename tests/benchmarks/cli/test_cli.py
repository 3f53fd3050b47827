import dataclasses
import json
import re
import subprocess
import sys
import tomllib

import msgspec
import pytest
from record_lines import record

import datasets
from backends.ann import INDEXES
from backends.registry import BACKENDS, FAMILIES, FRAMEWORKS
from benchmarks import cli, specs, suites
from benchmarks.cli import listing, run
from benchmarks.harness import environment, executors, store
from benchmarks.metrics import PER_QUERY
from datasets import archives

FINE, WRONG_INPUT = 0, 2
DAY = 86_400


SUITE = """
[[block]]
dataset = "{shop}"
throughput = ["eager", "compiled"]
item_maps = true
models = [{ model = "popularity" }, { model = "mf-bpr", settings = { variant = "small", epochs = 2 } }]
indexes = [
    { name = "exact" },
    { name = "faiss-flat" },
    { name = "annoy", query = [{ search_k = 5 }, { search_k = 9 }] },
]

[block.protocol]
name = "time-split"
train_until = 0.8
validation_until = 0.9
per = "user"
unknown_users = "drop"
period = "test"
ks = [5]
primary_metric = "recall@5"
"""


def table(*, timestamps=True):
    """20 users with 10 rows each, one a day."""
    head = "user_id,item_id,timestamp" if timestamps else "user_id,item_id"
    rows = [(user, (user * 3 + day * day) % 15, day * DAY + user) for day in range(10) for user in range(20)]
    return "\n".join([head, *(",".join(map(str, row if timestamps else row[:2])) for row in rows)]) + "\n"


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text(table(), encoding="utf-8")
    return str(path)


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch):
    def refuse(*_):
        raise AssertionError("a worker was started")

    monkeypatch.setattr(executors, "run", refuse)


@pytest.fixture
def say(capsys):
    """Calls the command line; gives its exit code, what it printed and what it complained about."""

    def say(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return say


@pytest.fixture
def complaint(say):
    """The one sentence with which a call is refused."""

    def complaint(*arguments):
        code, out, err = say(*arguments)
        assert (code, out) == (WRONG_INPUT, "")
        assert err.startswith("error: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err

    return complaint


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["fly"], "'fly'"),
            (["run", "--sped", "3"], "--sped"),
            (["run", "--models", "mf-bqr"], "'mf-bqr'"),
            (["run", "--models"], "--models"),
            (["run", "--backends", "mxnet"], "'mxnet'"),
            (["run", "--indexes", "hnsw"], "'hnsw'"),
            (["run", "--seeds", "-1"], "-1"),
            (["run", "--k", "0"], "'0' is not a whole number from 1"),
            (["run", "--seeds", "1.5"], "'1.5' is not a whole number from 0"),
            (["run", "--seeds", "²"], "'²' is not a whole number from 0"),
            (["run", "--seeds", "٣"], "'٣' is not a whole number from 0"),
            (["run", "--threads", "0"], "'0' is not a whole number from 1 to 4,096"),
            (["run", "--threads", "9" * 5000], "is not a whole number from 1 to 4,096"),
            (["agree", "--jobs", "4097"], "'4097' is not a whole number from 1 to 4,096"),
            (["run", "--threads", "two"], "'two' is not a whole number from 1"),
            (["run", "--timeout", "0"], "'0' is not a number of seconds above 0"),
            (["run", "--timeout", "nan"], "'nan' is not a number of seconds above 0"),
            (["run", "--timeout", "inf"], "'inf' is not a number of seconds above 0 and up to 604,800, a week"),
            (["run", "--timeout", "1e9"], "'1e9' is not a number of seconds above 0 and up to 604,800, a week"),
            (["run", "--timeout", "soon"], "'soon' is not a number of seconds above 0"),
            (["run", "--timeout", "1e300"], "'1e300' is not a number of seconds above 0"),
            (["run", "--seeds", "9" * 26], "is not a whole number from 0 to 9,223,372,036,854,775,807"),
            (["run", "--seeds", "9" * 5_000], "is not a whole number from 0 to 9,223,372,036,854,775,807"),
            (["run", "--threads", "1000000"], "'1000000' is not a whole number from 1 to 4,096"),
            (["run", "--device", "tpu"], "'tpu'"),
            (["run", "--mode", "fast"], "'fast'"),
            (["agree", "--backends", "classic"], "'classic'"),
            (["agree", "--suite", "quick"], "--suite"),
            (["report", "here"], "unexpected argument 'here'"),
            (["run", "--suite", ""], "--suite: '' names nothing"),
            (["run", "--datasets", " "], "--datasets: ' ' names nothing"),
            (["run", "--results", ""], "--results: '' names nothing"),
            (["audit", "--train", "", "--test", ""], "--train: '' names nothing"),
            (["compare", "", "."], "A: '' names nothing"),
            (["run", "--k", "100001"], "'100001' is not a whole number from 1 to 100,000"),
            (["list", "--results"], "--results"),
        ],
    )
    def test_the_value_is_named_and_where_help_is(self, complaint, arguments, named):
        said = complaint(*arguments)
        assert named in said
        assert "--help` lists the options" in said

    @pytest.mark.parametrize(
        ("option", "known"), [("--models", FAMILIES), ("--backends", BACKENDS), ("--indexes", INDEXES)]
    )
    def test_what_there_is_instead_is_listed(self, complaint, option, known):
        said = complaint("run", option, "nonsense")
        assert f"unknown name 'nonsense', expected one of {', '.join(known)}; " in said

    def test_the_help_that_is_named_is_the_commands(self, complaint):
        assert "`python -m benchmarks run --help`" in complaint("run", "--threads", "0")

    def test_the_help_that_is_named_for_an_unknown_command_is_that_of_all(self, complaint):
        assert "`python -m benchmarks --help`" in complaint("fly")

    @pytest.mark.parametrize(
        ("arguments", "suggestion"),
        [
            (["pepare"], "'prepare'"),
            (["run", "--model", "mf_bpr"], "'mf-bpr'"),
            (["run", "--models", "bpr"], "'mf-bpr'"),
            (["run", "--backends", "PyTorch"], "'torch'"),
            (["agree", "--backends", "tf"], "'tensorflow'"),
            (["run", "--indexes", "hnsw"], "'hnswlib' or 'faiss-hnsw'"),
            (["run", "--device", "cuda"], "'gpu'"),
            (["run", "--sed", "3"], "'--seeds'"),
            (["run", "--suite", "twotowr"], "'twotower'"),
            (["prepare", "--datasets", "movielens"], "'ml-1m', 'ml-100k' or 'ml-20m'"),
        ],
    )
    def test_what_was_probably_meant_is_suggested(self, complaint, arguments, suggestion, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)  # results that nobody asked for go nowhere
        assert f"(did you mean {suggestion}?)" in complaint(*arguments)

    @pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["agree", "--help"]])
    def test_help_is_not_an_error(self, arguments, capsys):
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        assert end.value.code == 0
        assert "usage: python -m benchmarks" in capsys.readouterr().out

    def test_a_bare_call_prints_the_help(self, say):
        code, out, err = say()
        assert (code, err) == (FINE, "")
        assert out.startswith("usage: python -m benchmarks [-h] [--version] COMMAND")

    def test_the_version_names_the_commit_and_python(self, capsys):
        with pytest.raises(SystemExit) as end:
            cli.main(["--version"])
        assert end.value.code == 0
        project = tomllib.loads((environment.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert re.fullmatch(
            rf"recallbench {project['version']}, (no git commit|commit \w{{12}}.*), Python 3[.\d]+\n",
            capsys.readouterr().out,
        )


class TestWrongInput:
    @pytest.mark.parametrize("command", ["run", "prepare"])
    def test_an_unknown_suite(self, complaint, command, results):
        said = complaint(command, "--suite", "qick", "--results", results)
        assert "unknown suite 'qick'" in said
        assert "did you mean 'quick'?" in said

    @pytest.mark.parametrize("command", ["run", "prepare"])
    def test_an_unknown_data_set(self, complaint, command, results):
        said = complaint(command, "--datasets", "online-retial", "--results", results)
        assert "unknown data set 'online-retial' (did you mean 'online-retail'?)" in said

    def test_a_suites_name_is_no_data_set(self, complaint, results):
        assert "unknown data set 'doctor'" in complaint("prepare", "--datasets", "doctor", "--results", results)

    def test_a_data_set_that_the_suite_does_not_have(self, complaint, shop, results):
        said = complaint("run", "--suite", "quick", "--datasets", shop, "--results", results)
        assert f"'quick' has no block for {shop!r}" in said

    @pytest.mark.parametrize("prefix", ["", "file:"])
    @pytest.mark.parametrize("command", ["run", "prepare"])
    def test_a_file_that_is_not_there(self, complaint, command, prefix, tmp_path, results):
        said = complaint(command, "--datasets", f"{prefix}{tmp_path / 'missing.csv'}", "--results", results)
        assert f"{tmp_path / 'missing.csv'} does not exist" in said

    def test_a_file_without_rows(self, complaint, tmp_path, results):
        (tmp_path / "empty.csv").write_text("user_id,item_id,timestamp\n", encoding="utf-8")
        assert "empty.csv" in complaint("run", "--datasets", tmp_path / "empty.csv", "--results", results)

    def test_a_split_by_time_of_data_without_timestamps(self, complaint, tmp_path, results):
        path = tmp_path / "timeless.csv"
        path.write_text(table(timestamps=False), encoding="utf-8")
        said = complaint("run", "--datasets", f"file:{path}", "--protocol", "time-split", "--results", results)
        assert f"file:{path} has no timestamps" in said
        assert "add a column timestamp to the data, or take leave-one-out, for which the order of the file is" in said

    def test_a_file_that_is_no_suite(self, complaint, tmp_path, results):
        (tmp_path / "own.toml").write_text("[[block]\n", encoding="utf-8")
        assert "own.toml is not a suite" in complaint("run", "--suite", tmp_path / "own.toml", "--results", results)

    @pytest.mark.parametrize(
        ("model", "message"),
        [
            ('{ model = "mf-bqr" }', "unknown model 'mf-bqr'"),
            ('{ model = "mf-bpr", settings = { epoch = 3 } }', "mf-bpr has no setting 'epoch'"),
        ],
    )
    def test_a_suite_with_a_model_that_there_is_not(self, complaint, shop, tmp_path, model, message):
        suite = tmp_path / "own.toml"
        text = SUITE.replace("{shop}", shop).replace('{ model = "popularity" }', model)
        suite.write_text(text, encoding="utf-8")
        assert message in complaint("run", "--suite", suite, "--results", tmp_path / "results")

    def test_options_that_nothing_fits(self, complaint, tmp_path, results):
        made_up = '[[block]]\nvectors = { n_items = 60, dim = 2 }\nindexes = [{ name = "exact" }]\n'
        (tmp_path / "vectors.toml").write_text(made_up, encoding="utf-8")
        said = complaint("run", "--suite", tmp_path / "vectors.toml", "--models", "als", "--results", results)
        assert "no cell fits these options" in said

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            (["--protocol", "leave-on-out"], "did you mean 'leave-one-out'?"),
            (["--metric", "ndgc@10"], "did you mean 'ndcg'?"),
            (["--set", "gru4rec.learning_rat=1"], "did you mean 'learning_rate'?"),
            (["--set", "gru4rek.learning_rate=1"], "did you mean 'gru4rec'?"),
            (["--set", "gru4rec.learning_rate=0"], "learning_rate is 0, expected a number from 1e-30 to 1e+09"),
            (["--set", "als.iterations=1", "als.iterations=2"], "it is set twice"),
            (["--set", "length=3", "--models", "als"], "is not among the models of this run, which are als"),
            (["--datasets", "vectors-100k", "--k", "3"], "only made-up vectors are searched here"),
            (["--datasets", "x" * 5000], "--datasets: a block: dataset is 'xxx"),
            (["--set", "als.filter_seen=" + "9" * 3000], "9: als: filter_seen is 999"),
            (["--datasets", "vectors-100k", "--set", "epochs=3"], "only made-up vectors are searched here"),
        ],
    )
    def test_options_that_cannot_be(self, complaint, shop, results, options, named):
        data = [] if "--datasets" in options else ["--datasets", shop]
        said = complaint("run", *data, *options, "--results", results)
        assert named in said
        assert "in the suite" not in said
        assert not results.exists()

    def test_a_report_without_records(self, complaint, results):
        assert f"there are no records at {results / store.FILE_NAME}" in complaint("report", "--results", results)

    def test_a_report_of_what_are_no_records(self, complaint, results):
        results.mkdir()
        (results / store.FILE_NAME).write_text("{}\n", encoding="utf-8")
        assert "records.jsonl, line 1 is not a record" in complaint("report", "--results", results)

    @pytest.mark.parametrize("command", ["run", "prepare", "report"])
    def test_results_that_are_a_file(self, complaint, command, shop, tmp_path):
        (tmp_path / "file").touch()
        options = [] if command == "report" else ["--datasets", shop]
        assert str(tmp_path / "file") in complaint(command, *options, "--results", tmp_path / "file")

    def test_a_folder_in_which_another_run_writes(self, complaint, shop, results):
        with store.locked(results):
            assert "another run is writing" in complaint("run", "--datasets", shop, "--results", results)

    def test_debug_shows_where_it_happened(self, say, results):
        code, _, err = say("run", "--suite", "qick", "--results", results, "--debug")
        assert code == WRONG_INPUT
        assert err.startswith("Traceback (most recent call last):")
        assert "suites/__init__.py" in err
        assert err.splitlines()[-1].startswith("error: unknown suite 'qick'")


class TestList:
    def test_everything_that_can_be_named_is_there(self, say):
        code, out, err = say("list")
        assert (code, err) == (FINE, "")
        for names in (FAMILIES, BACKENDS, INDEXES, datasets.DATASETS, suites.names(), ["time-split"]):
            assert all(name in out for name in names)

    def test_as_json(self, say):
        code, out, err = say("list", "--json")
        assert (code, err) == (FINE, "")
        listed = json.loads(out)
        assert list(listed) == ["models", "backends", "datasets", "indexes", "protocols", "metrics", "suites"]
        assert list(listed["models"]) == list(FAMILIES)
        assert listed["models"]["mf-bpr"]["backends"] == dict.fromkeys(FRAMEWORKS, "native")
        assert listed["models"]["mf-bpr"]["settings"] == dataclasses.asdict(specs.make("mf-bpr", {}))
        assert listed["backends"]["classic"]["modes"] == ["eager"]
        assert set(listed["datasets"]) == set(datasets.DATASETS)
        assert listed["datasets"]["online-retail"]["origin"] == "download"
        assert listed["indexes"]["faiss-ivf"]["build"] == {"nlist": 64}
        assert listed["indexes"]["faiss-ivf"]["query"] == {"nprobe": 8}
        assert listed["suites"]["quick"]["what"] == suites.load("quick").title

    def test_a_section_alone(self, say):
        code, out, err = say("list", "metrics", "indexes")
        assert (code, err) == (FINE, "")
        assert [line for line in out.splitlines() if line and line[0] != " "] == ["indexes", "metrics"]

    def test_every_model_has_a_line_on_what_it_is_and_its_settings(self, say, monkeypatch):
        monkeypatch.setenv("COLUMNS", "80")
        code, out, _ = say("list", "models")
        assert code == FINE
        assert max(map(len, out.splitlines())) <= 80
        assert "SASRec (Kang and McAuley 2018)" in out
        assert out.count("settings: ") == len(FAMILIES)

    def test_every_metric_and_index_is_described(self):
        assert set(listing.METRICS) == {*PER_QUERY, "coverage"}
        assert set(listing.INDEX_WORDS) <= set(INDEXES)

    def test_an_unknown_section_gets_the_nearest(self, complaint):
        assert "(did you mean 'models'?)" in complaint("list", "model")


class TestPrepare:
    def test_data_are_cut_once_and_described(self, say, shop, results):
        code, out, err = say("prepare", "--datasets", shop, "--results", results)
        assert (code, err) == (FINE, "")
        assert "200 interactions, 20 users, 10 items" in out
        splits = sorted((results / "splits").iterdir())
        assert len(splits) == len(suites.load(suites.OWN_DATA).blocks)
        written = {path: path.stat().st_mtime_ns for split in splits for path in split.iterdir()}
        assert len(written) > 20
        assert say("prepare", "--datasets", shop, "--results", results)[0] == FINE
        assert {path: path.stat().st_mtime_ns for split in splits for path in split.iterdir()} == written
        assert sorted((results / "splits").iterdir()) == splits

    def test_a_block_for_which_data_are_too_few_is_left_out_where_another_is_not(
        self, say, complaint, tmp_path, results
    ):
        path = tmp_path / "pairs.csv"
        rows = "".join(f"{user},{day},{day * DAY + user}\n" for user in range(9) for day in range(4))
        path.write_text("user_id,item_id,timestamp\n" + rows, encoding="utf-8")
        code, out, err = say("prepare", "--datasets", path, "--results", results)
        assert code == FINE
        assert "time-split: test: 4 rows are asked for" in out
        few = "leave-k-out leaves 0 training rows, 0 validation and 0 test queries, expected some of each"
        assert few in err
        assert "Nothing is run for that." in err
        given = ("--protocol", "leave-one-out", "--results", results)
        assert few in complaint("run", "--datasets", path, *given)

    def test_without_timestamps_the_order_of_the_file_is_taken(self, say, tmp_path, results):
        path = tmp_path / "timeless.csv"
        path.write_text(table(timestamps=False), encoding="utf-8")
        code, out, err = say("prepare", "--datasets", path, "--results", results)
        assert (code, err) == (FINE, "")
        assert "there are no timestamps, so the order of the file is taken for that of time" in out
        assert "time-split" not in out
        code, out, _ = say("run", "--datasets", path, "--results", results, "--dry-run")
        assert code == FINE
        assert "no column timestamp, so the order of the file is taken for that of time" in out
        assert " · leave-k-out · " in out

    def test_what_becomes_of_the_rows_is_said_and_a_warning_names_a_protocol_that_helps(self, say, results, tmp_path):
        rows = [(user, item, (item + 9 * user) * DAY) for user in range(20) for item in range(8)]  # each comes once
        rows += [(0, 3, 20 * 9 * DAY + 1), (0, 4, 17 * 9 * DAY)]
        path = tmp_path / "visits.csv"
        path.write_text("user_id,item_id,timestamp\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows), encoding="utf-8")
        _, out, err = say("prepare", "--datasets", path, "--results", results)
        place = "file:visits.csv, time-split: "
        assert place + "train: 129 rows train, of 17 users and 8 items\n" in out
        assert (
            place + "test: 1 of 17 rows are asked for (5.9%), of 1 user and 1 item; left out 16 of 2 users and 8 items "
            "(user without training rows)\n"
        ) in out
        assert err == (
            f"warning: {place}only 1 of 17 test rows are asked for (6%), 16 of 2 users are left out (user without "
            "training rows); --protocol leave-one-out asks for 20 rows of 20 users.\n"
        )
        given = ["run", "--datasets", path, "--results", results, "--dry-run", "--quiet", "--models", "popularity"]
        assert err == say(*given)[2]
        assert say(*given, "--protocol", "leave-one-out")[2] == ""

    def test_quiet_says_nothing(self, say, shop, results):
        assert say("prepare", "--datasets", shop, "--results", results, "--quiet") == (FINE, "", "")


def finished(cell, wall_s):
    """The record of a planned cell."""
    machine = msgspec.structs.asdict(environment.machine())
    return record(**cell.described() | {"timings": {"wall_s": wall_s}, "hashes": {}, "machine": machine})


class TestDryRun:
    @pytest.fixture
    def arguments(self, shop, results, tmp_path):
        (tmp_path / "own.toml").write_text(SUITE.replace("{shop}", shop), encoding="utf-8")
        chosen = ["--models", "mf-bpr", "--backends", "torch", "jax", "--indexes", "exact", "annoy", "--mode", "eager"]
        return ["run", "--suite", tmp_path / "own.toml", *chosen, "--results", results, "--dry-run"]

    def test_the_cells_are_listed_and_nothing_is_run(self, say, arguments, results):
        code, out, err = say(*arguments)
        assert (code, err) == (FINE, "")
        *cells, last = out.splitlines()
        assert [line.partition(" · ")[0] for line in cells] == ["train"] * 2 + ["throughput"] * 2 + ["index"] * 3 + [
            "map"
        ]
        assert "train · mf-bpr (small) · torch · eager · file:shop.csv · time-split · seed 0  time not known" in cells
        assert any("annoy search_k=9" in line for line in cells)
        # Models are trained on nothing like this file in the published records; maps are drawn of any vectors.
        assert re.fullmatch(r"map · mf-bpr .* · seed 0  (\d+ s to \d+ (s|min)|up to \d+ s)", cells[-1])
        assert re.fullmatch(r"8 cells, .* without \d that are like nothing recorded yet", last)
        assert not (results / store.FILE_NAME).exists()
        assert sorted(path.name for path in results.iterdir()) == [".lock", "splits"]

    def test_data_that_are_not_here_are_not_downloaded_and_their_cells_are_listed(self, say, results, monkeypatch):
        monkeypatch.delenv("RECALLBENCH_DATA", raising=False)
        monkeypatch.setattr(archives, "download", lambda *_, **__: pytest.fail("it downloads"))
        given = ["--datasets", "ml-100k", "online-retail", "--models", "popularity", "--results", results]
        code, out, _ = say("run", *given, "--dry-run")
        assert code == FINE
        *lines, last = out.splitlines()
        assert {
            f"{name} is not on this machine: `run` downloads it first" for name in ("ml-100k", "online-retail")
        } <= {*lines}
        assert any(line.startswith("train · popularity") and "ml-100k" in line for line in lines)
        assert re.match(r"\d+ cells, ", last)

    def test_what_is_finished_is_said_to_be(self, say, arguments, results, monkeypatch):
        planned = []
        plan = run.plan

        def spy(*given, **named):
            planned.extend(plan(*given, **named))
            return planned

        monkeypatch.setattr(run, "plan", spy)
        say(*arguments)
        timed = planned[0][1][2]
        store.append(results, [finished(timed, 33.0)])
        before = (results / store.FILE_NAME).read_bytes()
        planned.clear()
        _, out, _ = say(*arguments)
        assert out.splitlines()[2] == f"{timed.describe(briefly=True)}  finished"
        assert sum(line.endswith("finished") for line in out.splitlines()) == 1
        planned.clear()
        _, forced, _ = say(*arguments, "--force")
        assert forced.splitlines()[2] == f"{timed.describe(briefly=True)}  25 s to 43 s"
        assert (results / store.FILE_NAME).read_bytes() == before

    def test_a_training_whose_vectors_are_gone_is_not_finished(self, say, arguments, results, monkeypatch):
        planned = []
        plan = run.plan
        monkeypatch.setattr(run, "plan", lambda *given, **named: planned.extend(plan(*given, **named)) or planned)
        say(*arguments)
        trained = planned[0][1][0]
        store.append(results, [finished(trained, 33.0)])
        planned.clear()
        _, out, err = say(*arguments)
        assert out.splitlines()[0] == f"{trained.describe(briefly=True)}  25 s to 43 s"
        assert "are not what their hashes say" in err

    def test_options_take_the_place_of_what_the_suite_says_and_that_is_said_once(self, say, shop, results):
        chosen = ["--models", "mind", "popularity", "--backends", "torch", "--indexes", "exact", "--k", 5, 7]
        given = [*chosen, "--protocol", "leave-one-out", "--metric", "ndcg@9", "--set", "mind.epochs=1", "length=8"]
        code, out, err = say("run", "--datasets", shop, *given, "--set", "filter_seen=true", "--results", results,
                             "--dry-run")  # fmt: skip
        assert (code, err) == (FINE, "")
        *said, popular, trained, timed, searched, last = out.splitlines()
        assert popular.startswith("train · popularity (seen-filtered) · classic · eager · file:shop.csv · leave-k-out")
        variant = "mind (softmax, epochs=1, filter_seen=true, length=8)"
        for kind, cell in (("train", trained), ("throughput", timed), ("index", searched)):
            assert cell.startswith(f"{kind} · {variant} · torch · compiled · ")
        assert last.startswith("4 cells")
        first = "mind: not in the suite own-data (ann, leave-one-out and sequences have it), so it runs with its "
        assert said[0].startswith(first)
        assert said[1].startswith("protocol: leave-k-out period=test min_items=5 k=1, in place of time-split ")
        assert said[2:4] == [
            "K: 5, 7, 9, in place of 5, 10, 20, 50",
            "primary metric: ndcg@9, in place of recall_micro@20",
        ]
        assert len(said) == len(set(said)) == 11

    def test_with_json_nothing_else_is_on_stdout_and_quiet_says_nothing(self, say, shop, results):
        given = ["run", "--datasets", shop, "--models", "als", "--k", 7, "--results", results, "--dry-run"]
        _, out, err = say(*given, "--json")
        assert "K: 7, in place of 5, 10, 20, 50" in err
        assert "K: 7" not in out
        _, out, err = say(*given, "--quiet")
        assert "K: 7" not in out + err

    def test_seeds_and_threads_reach_the_plan(self, say, arguments):
        _, out, _ = say(*arguments, "--seeds", 5, 6, "--threads", 2)
        assert {line.rpartition("seed ")[2].partition(" ")[0] for line in out.splitlines()[:-1]} == {"5", "6"}


def test_the_module_ends_with_the_exit_code_and_loads_no_framework(tmp_path):
    code = (
        "import sys; from benchmarks.cli import main; code = main(sys.argv[1:]); "
        f"print([name for name in {[*FRAMEWORKS, 'faiss', 'annoy', 'hnswlib', 'usearch']} if name in sys.modules]); "
        "sys.exit(code)"
    )
    (tmp_path / "shop.csv").write_text(table(), encoding="utf-8")
    dry = ["run", "--datasets", tmp_path / "shop.csv", "--results", tmp_path / "results", "--dry-run", "--quiet"]
    seen = subprocess.run([sys.executable, "-c", code, *dry], capture_output=True, text=True, check=True, timeout=60)
    assert seen.stdout.splitlines()[-1] == "[]"
    command = [sys.executable, "-m", "benchmarks", "run", "--models", "x"]
    wrong = subprocess.run(command, capture_output=True, text=True, check=False)
    assert wrong.returncode == WRONG_INPUT
    assert wrong.stderr.startswith("error: ")
