"""Commands: the suite that a record comes from is found, and what the command asks for holds the record's cell."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from made_records import changed, mutated, record, tried

from benchmarks import protocols, suites
from benchmarks.cli import parser
from benchmarks.cli.options import overrides
from benchmarks.harness.plan import Options, Prepared, cells
from benchmarks.suites import Block, ModelRow
from reports.tables import reproduce
from reports.tables.reproduce import commands


def planned(suite, options=None):
    """Every cell of a suite, beside the record that it would leave."""
    for block in suites.load(suite).blocks:
        prepared = prepared_for(block)
        for cell in cells(block, prepared, options or Options()):
            if cell.refusal is None:
                yield cell, left_by(cell)


def prepared_for(block):
    made_up = block.vectors is not None
    described = block.protocol if made_up else protocols.described(protocols.make(block.protocol))
    return Prepared(block.dataset, described, Path("folder"), {"dataset": "d", "split": "s"}, ())


def left_by(cell):
    settings = {**cell.settings, "protocol": cell.protocol, "primary_metric": cell.protocol["primary_metric"]}
    found_out = {"n_items": 9, "dim": 4, "n_queries": 3} if cell.kind == "index" else {}
    settings = found_out | settings
    names = ("kind", "model", "variant", "backend", "mode", "device", "threads", "dataset", "seed")
    made = {name: getattr(cell, name) for name in names}
    settings = json.loads(json.dumps(settings))
    return record(**made, protocol=cell.protocol["name"], settings=settings, index=cell.index)


def cells_of(command):
    """What the command line makes of a command."""
    given = parser().parse_args(shlex.split(command.removeprefix("python -m benchmarks ")))
    options = Options(
        models=tuple(given.models),
        backends=tuple(given.backends),
        indexes=tuple(given.indexes),
        seeds=tuple(given.seeds),
        modes=(given.mode,) if given.mode else (),
        device=given.device,
        threads=given.threads,
    )
    for block in suites.chosen(tuple(given.datasets), given.suite, overrides(given)).blocks:
        yield from cells(block, prepared_for(block), options)


@pytest.mark.parametrize("suite", [name for name in suites.names() if name not in {"doctor", "own-data"}])
def test_the_command_of_a_cell_runs_that_cell(suite):
    by_key = {cell.key: made for cell, made in planned(suite)}
    found = commands(list(by_key.values()))
    assert {whole for whole, _ in found.whole} == {f"python -m benchmarks run --suite {suite}"}
    keys = {command: {cell.key for cell in cells_of(command)} for command in set(found.of_cell.values())}
    for key, made in by_key.items():
        assert key in keys[found.of_cell[made.cell]]


def test_seeds_threads_and_devices_of_ones_own_are_asked_for():
    options = Options(models=("mf-bpr",), backends=("jax",), modes=("compiled",), seeds=(7,), device="gpu", threads=4)
    made = [made for cell, made in planned("quick", options) if cell.kind == "train"]
    (command,) = commands(made).of_cell.values()
    assert command == (
        "python -m benchmarks run --suite quick --models mf-bpr --backends jax --mode compiled --seeds 7 --threads 4 "
        "--device gpu"
    )


def test_a_suite_of_somebodys_own_is_not_guessed():
    (made, *_) = (made for _, made in planned("quick") if made.model == "mf-bpr")
    other = changed(made, settings={**made.settings, "learning_rate": 0.5})
    assert commands([other]).of_cell == {made.cell: ""}
    assert commands([other]).whole == (("", 1),)


def test_vectors_that_no_suite_searches_are_of_ones_own():
    settings = {"n_items": 77, "dim": 8, "primary_metric": "index_recall@50", "protocol": {"name": "search", "k": 50}}
    index = {"name": "exact", "build": {}, "query": {}}
    made = record(kind="index", model="made-up-vectors", dataset="vectors-77", settings=settings, index=index)
    assert commands([made]).of_cell == {made.cell: ""}


def test_a_field_that_a_spec_has_got_since_is_no_difference():
    (made, *_) = (made for _, made in planned("quick") if made.model == "mf-bpr")
    older = {name: value for name, value in made.settings.items() if name != "filter_seen"}
    assert commands([changed(made, settings=older)]).of_cell[made.cell]


def test_a_setting_that_a_protocol_has_got_since_is_no_difference():
    (made, *_) = (made for _, made in planned("sequences") if made.model == "lstm")
    older = {name: value for name, value in made.settings["protocol"].items() if name != "ask_first"}
    other = {**older, "per": "user"}
    found = [
        commands([changed(made, settings={**made.settings, "protocol": protocol})]).of_cell[made.cell]
        for protocol in (made.settings["protocol"], older, other)
    ]
    assert found[0] == found[1] != found[2]


def test_a_setting_that_a_suite_has_changed_since_is_one():
    (made, *_) = (made for _, made in planned("own-sessions") if made.model == "gru4rec")
    older = {name: value for name, value in made.settings["protocol"].items() if name != "ask_first"}
    known, other = (
        commands([changed(made, settings={**made.settings, "protocol": protocol})]).of_cell[made.cell]
        for protocol in (made.settings["protocol"], older)
    )
    assert "--suite own-sessions" in known
    assert "--suite own-sessions --models" not in other


def test_ones_own_file_is_named_by_its_data_set():
    block, *_ = suites.for_datasets(("file:my rows.csv",), None)
    (cell, *_) = (cell for cell in cells(block, prepared_for(block), Options()) if cell.model == "als")
    (command,) = commands([left_by(cell)]).of_cell.values()
    assert command == "python -m benchmarks run --datasets 'file:my rows.csv' --models als"


@pytest.mark.parametrize("decided", [True, False])
@pytest.mark.parametrize("options", ["", "--protocol leave-one-out ", "--set als.filter_seen=true "])
def test_what_the_data_decide_is_asked_for_only_where_it_was_set(decided, options):
    given = parser().parse_args(shlex.split(f"run --datasets file:my.csv --models als {options}"))
    block = suites.chosen(("file:my.csv",), None, overrides(given)).blocks[0]
    prepared = replace(prepared_for(block), filter_seen=decided)
    (cell, *_) = cells(block, prepared, Options(models=("als",)))
    (command,) = commands([left_by(cell)]).of_cell.values()
    assert command.split(" --models")[0].startswith("python -m benchmarks run --datasets file:my.csv")
    assert ("filter_seen" in command) == ("filter_seen" in options)
    assert cell.settings["filter_seen"] == (decided or "filter_seen" in options)
    assert ("--protocol leave-one-out" in command) or "--protocol" not in options or "leave" in block.protocol["name"]


OPTIONS = [
    "--datasets file:my.csv --models als --set als.filter_seen=false",
    "--datasets file:my.csv --protocol leave-one-out --models sasrec popularity --backends torch",
    "--datasets file:my.csv --k 10 --metric ndcg@10 --set gru4rec.epochs=2 gru4rec.pooling=mean gru4rec.trains_on=cuts",
    "--datasets ml-1m --protocol user-split:shares=[0.6,0.2,0.2] --models item-cf --indexes hnswlib",
    "--datasets synthetic-tiny --protocol time-split:train_until=0.7,period=validation --set mf-bpr.epochs=1",
    "--suite sequences --set length=10 --models sasrec gru4rec",
    "--suite twotower --protocol leave-one-out --metric ndcg@10",
    "--suite quick --set filter_seen=true",
    "--suite quick --models als --indexes hnswlib --k 7",
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_command_of_a_cell_that_options_made_runs_that_cell(options):
    made = {cell.key: left_by(cell) for cell in cells_of(f"run {options}") if cell.refusal is None}
    found = commands(list(made.values()))
    keys = {command: {cell.key for cell in cells_of(command)} for command in set(found.of_cell.values())}
    for key, left in made.items():
        assert key in keys[found.of_cell[left.cell]]


def test_the_suite_of_most_records_is_preferred():
    """Popularity alone stands in many suites; beside other records it is of theirs."""
    made = [made for _, made in planned("twotower-search")]
    assert len(commands(made).whole) == 1


def test_climbs_and_injected_bugs_have_their_own_command():
    bug = {"bug": "b", "mode": "eager", "due": "loss", "broke": "loss", "caught": True}
    climb = record(kind="agreement", model="lstm", backend="jax", mode="compiled", seed=1, hashes={"repeat": "1"})
    injected = record(kind="agreement", model="lstm", backend="jax", settings={"bugs": [bug]})
    found = commands([climb, injected])
    assert found.of_cell[climb.cell] == (
        "python -m benchmarks agree --models lstm --backends jax --mode compiled --seeds 1 --repeats 2"
    )
    assert found.of_cell[injected.cell] == "python -m benchmarks agree --bugs --models lstm --backends jax"
    assert dict(found.whole) == {"python -m benchmarks agree": 1, "python -m benchmarks agree --bugs": 1}


def test_mutants_have_the_command_of_their_file_or_of_their_sample():
    path = "backends/torch/a file.py"
    whole = mutated(path, "error")
    settings = {**whole.settings, "variant": "sample", "sample": 200, "sample_seed": "abc; ls"}
    drawn = mutated(path, "error", variant="sample", settings=settings)
    found = commands([whole, drawn])
    assert found.of_cell[whole.cell] == f"python -m benchmarks mutate '{path}'"
    sample = "python -m benchmarks mutate --sample 200 --seed 'abc; ls'"
    assert found.of_cell[drawn.cell] == sample
    assert dict(found.whole) == {"python -m benchmarks mutate": 1, sample: 1}


SEARCH = {"learning_rate": {"low": 0.0003, "high": 0.03, "log": True}, "n_blocks": {"low": 1, "high": 3}}
LEAVE_ONE_OUT = {"name": "leave-k-out", "k": 1, "period": "test", "ks": [5, 10], "primary_metric": "ndcg@10"}


@pytest.fixture
def searched_suite(monkeypatch):
    """The one published suite, in which one row of sasrec has a search."""
    row = ModelRow("sasrec", {"variant": "mine"}, search=SEARCH)
    others = (ModelRow("sasrec", {"variant": "theirs"}), ModelRow("gru4rec", {"variant": "mine"}))
    block = Block("synthetic-tiny", LEAVE_ONE_OUT, (row, *others), modes=("eager",))
    monkeypatch.setattr(suites, "names", lambda: ["some-searches"])
    monkeypatch.setattr(reproduce, "_blocks", lambda _: (block,))
    return block


def trial_of(number=1, **changes):
    space = {name: {"values": None, "log": False, **axis} for name, axis in SEARCH.items()}
    protocol = protocols.described(protocols.make({**LEAVE_ONE_OUT, **changes.pop("protocol", {})}))
    made = {"dataset": "synthetic-tiny", "protocol": "leave-k-out", "variant": "mine", "space": space}
    settings = {"primary_metric": "ndcg@10", "protocol": {**protocol, "period": "validation"}}
    drawn = {"learning_rate": 0.001 * number, "n_blocks": 2}
    return tried(number, 0.1, metrics={"ndcg@10": 0.1}, settings=settings, **{**made, "drawn": drawn, **changes})


@pytest.mark.usefixtures("searched_suite")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"backend": "jax"}, " --backend jax"),
        ({"seed": 3}, " --seed 3"),
        ({"mode": "compiled", "threads": 2}, " --mode compiled --threads 2"),
    ],
)
def test_a_trial_is_made_anew_by_its_search(changes, words):
    made = trial_of(**changes)
    found = commands([made])
    assert found.of_cell[made.cell] == f"python -m benchmarks tune --suite some-searches --models sasrec{words}"
    assert found.whole == ((found.of_cell[made.cell], 1),)
    given = parser().parse_args(shlex.split(found.of_cell[made.cell].removeprefix("python -m benchmarks ")))
    assert (given.models, given.backend, given.seed) == (["sasrec"], made.backend, made.seed)


def test_a_search_on_data_of_ones_own_is_made_anew_without_a_suite(searched_suite, monkeypatch):
    monkeypatch.setattr(suites, "names", list)
    monkeypatch.setattr(reproduce, "_general", lambda dataset: (replace(searched_suite, dataset=dataset),))
    (command,) = commands([trial_of(dataset="file:shop.csv")]).of_cell.values()
    assert command == "python -m benchmarks tune --datasets file:shop.csv --models sasrec"


@pytest.mark.usefixtures("searched_suite")
def test_a_search_of_more_trials_than_usual_says_how_many():
    made = [trial_of(1), trial_of(21), trial_of(5, seed=1)]
    found = commands(made).of_cell
    given = [parser().parse_args(shlex.split(found[one.cell].removeprefix("python -m benchmarks "))) for one in made]
    assert [one.trials for one in given] == [21, 21, 20]


def test_of_a_suite_of_several_data_sets_only_the_trials_own_is_searched(searched_suite, monkeypatch):
    other = replace(searched_suite, dataset="synthetic-small")
    monkeypatch.setattr(reproduce, "_blocks", lambda _: (other, searched_suite))
    (command,) = commands([trial_of()]).of_cell.values()
    assert "--suite some-searches --datasets synthetic-tiny --models sasrec" in command


@pytest.mark.usefixtures("searched_suite")
@pytest.mark.parametrize(
    "changes",
    [
        {"model": "gru4rec"},
        {"variant": "theirs"},
        {"variant": "nobody's"},
        {"dataset": "synthetic-small"},
        {"protocol": {"k": 2}},
        {"space": {"n_blocks": {"values": [1, 2]}}},
    ],
    ids=str,
)
def test_a_search_that_no_published_suite_has_is_not_guessed(changes):
    assert set(commands([trial_of(**changes)]).of_cell.values()) == {""}
