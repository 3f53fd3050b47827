import dataclasses
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from backends.registry import BACKENDS, FAMILIES, FRAMEWORKS, Family, Unsupported
from benchmarks import suites
from benchmarks.harness import environment, item_map, plan
from benchmarks.harness.groups import TURNS, groups, stages
from benchmarks.harness.plan import Cell, Options, Prepared, cells
from benchmarks.harness.prepare import prepare
from benchmarks.suites import Asked, Block, IndexRow, ModelRow, asked
from benchmarks.suites.asked import Setting
from benchmarks.suites.overriding import override
from datasets import vectors
from datasets.errors import InputError

PROTOCOL = {
    "name": "time-split",
    "train_until": 0.8,
    "validation_until": 0.9,
    "per": "user",
    "unknown_users": "drop",
    "period": "test",
    "ks": [5],
    "primary_metric": "recall@5",
}
PREPARED = Prepared("shop", PROTOCOL, Path("unused"), {"dataset": "d1", "split": "s1"}, ())
IVF = IndexRow("faiss-ivf", ({"nlist": 4}, {"nlist": 8}), ({"nprobe": 1}, {"nprobe": 2}, {"nprobe": 4}))
BLOCK = Block(
    dataset="shop",
    protocol=PROTOCOL,
    models=(
        ModelRow("oracle"),
        ModelRow("popularity"),
        ModelRow("item-cf"),
        ModelRow("als"),
        ModelRow("mf-bpr", {"epochs": 2}),
        ModelRow("mf-bpr", {"variant": "long", "epochs": 9}, ("compiled",)),
    ),
    indexes=(IndexRow("exact"), IVF),
    seeds=(3, 4),
    throughput=("eager", "compiled"),
)


def planned(block=BLOCK, prepared=PREPARED, **options):
    return cells(block, prepared, Options(**options))


def tally(made):
    return Counter(cell.kind for cell in made)


class TestCells:
    def test_how_many_there_are(self):
        made = planned()
        trained = Counter((c.model, c.variant, c.seed) for c in made if c.kind == "train")
        assert trained == {
            (model, variant, seed): n
            for seed in (3, 4)
            for model, variant, n in [
                ("oracle", "true-probabilities", 1),
                ("popularity", "seen-kept", 1),
                ("item-cf", "as_published", 1),
                ("als", "as_published", 1),
                ("mf-bpr", "as_published", 8),
                ("mf-bpr", "long", 4),
            ]
        }
        assert tally(made) == {"train": 32, "throughput": 16, "index": 3 * (1 + 6)}

    def test_what_they_are_in_a_public_suite(self):
        (block,) = suites.load("doctor").blocks
        assert tally(planned(block)) == {"train": 8}
        (block,) = suites.load("quick").blocks
        assert tally(planned(block))["train"] == 4 + 2 * 8

    def test_training_comes_first_then_throughput_then_indexes(self):
        kinds = [cell.kind for cell in planned()]
        assert kinds == sorted(kinds, key=["train", "throughput", "index"].index)

    def test_throughput_is_of_frameworks_and_of_one_seed(self):
        timed = [cell for cell in planned() if cell.kind == "throughput"]
        assert {cell.backend for cell in timed} == set(FRAMEWORKS)
        assert {cell.seed for cell in timed} == {3}

    def test_throughput_is_measured_where_the_block_says_so(self):
        assert "throughput" not in tally(planned(dataclasses.replace(BLOCK, throughput=())))

    @pytest.mark.parametrize("mode", ["eager", "compiled"])
    def test_throughput_is_measured_in_its_own_modes_whatever_is_trained(self, mode):
        made = planned(dataclasses.replace(BLOCK, throughput=(mode,)))
        assert {(cell.variant, cell.mode) for cell in made if cell.kind == "throughput"} == {
            ("as_published", mode),
            ("long", mode),
        }

    def test_a_row_can_be_left_out_of_throughput(self):
        untimed = (*BLOCK.models[:-1], dataclasses.replace(BLOCK.models[-1], timed=False))
        made = planned(dataclasses.replace(BLOCK, models=untimed))
        assert {cell.variant for cell in made if cell.kind == "throughput"} == {"as_published"}
        assert tally(made)["train"] == tally(planned())["train"]

    def test_indexes_search_the_first_cell_of_each_variant_that_has_vectors(self):
        made = planned()
        trained = {cell.key: cell for cell in made if cell.kind == "train"}
        sources = [trained[key] for key in dict.fromkeys(c.inputs["source"] for c in made if c.kind == "index")]
        assert [(c.model, c.variant, c.backend, c.mode, c.seed) for c in sources] == [
            ("als", "as_published", "classic", "eager", 3),
            ("mf-bpr", "as_published", "torch", "eager", 3),
            ("mf-bpr", "long", "torch", "compiled", 3),
        ]

    def test_an_index_is_swept_over_every_build_and_query(self):
        swept = [cell.index for cell in planned(models=("als",)) if cell.kind == "index"]
        assert swept == [{"name": "exact", "build": {}, "query": {}}] + [
            {"name": "faiss-ivf", "build": {"nlist": nlist}, "query": {"nprobe": nprobe}}
            for nlist in (4, 8)
            for nprobe in (1, 2, 4)
        ]

    def test_a_cell_carries_the_whole_spec(self):
        cell = next(cell for cell in planned() if cell.model == "mf-bpr")
        assert cell.settings["epochs"] == 2
        assert cell.settings["batch_size"] == 15_000
        assert cell.variant == "as_published"

    def test_inputs_name_data_and_versions_and_of_what_is_timed_the_machine(self):
        for cell in planned():
            assert (cell.inputs["dataset"], cell.inputs["split"]) == ("d1", "s1")
            is_timed = cell.kind in {"throughput", "index"}
            assert cell.inputs.get("machine") == (environment.machine().id if is_timed else None)
            assert cell.inputs["versions"] == environment.versions(cell.backend)
            assert {"python", "numpy"} <= set(cell.inputs["versions"])
            assert ("indexes" in cell.inputs) == (cell.kind == "index")

    def test_the_adapter_is_the_registrys(self):
        for cell in planned():
            assert cell.adapter == FAMILIES[cell.model].adapters[cell.backend]

    def test_an_unknown_setting_is_refused_when_planning(self):
        with pytest.raises(InputError, match="mf-bpr has no setting 'epoch'"):
            planned(dataclasses.replace(BLOCK, models=(ModelRow("mf-bpr", {"epoch": 2}),)))


class TestOptions:
    def test_models(self):
        assert {cell.model for cell in planned(models=("als", "oracle"))} == {"als", "oracle"}

    def test_backends_and_the_baselines_that_every_table_has(self):
        made = planned(backends=("jax",))
        assert {cell.backend for cell in made} == {"jax", "classic"}
        assert {cell.backend for cell in made if cell.kind == "throughput"} == {"jax"}

    def test_the_baselines_alone(self):
        assert {cell.backend for cell in planned(backends=("classic",))} == {"classic"}

    def test_indexes(self):
        made = planned(indexes=("exact",))
        assert [cell.index["name"] for cell in made if cell.kind == "index"] == ["exact"] * 3
        assert tally(made)["train"] == tally(planned())["train"]

    def test_seeds(self):
        made = planned(seeds=(7, 8, 9))
        assert {cell.seed for cell in made if cell.kind == "train"} == {7, 8, 9}
        assert {cell.seed for cell in made if cell.kind != "train"} == {7}

    @pytest.mark.parametrize("mode", ["eager", "compiled"])
    def test_modes_leave_out_no_baseline(self, mode):
        made = planned(modes=(mode,))
        assert {cell.mode for cell in made if BACKENDS[cell.backend].trains} == {mode}
        assert {"oracle", "popularity", "als"} <= {cell.model for cell in made}

    def test_a_rows_modes_are_its_own_unless_modes_are_asked_for(self):
        trained = {cell.mode for cell in planned() if cell.variant == "long" and cell.kind == "train"}
        assert trained == {"compiled"}
        assert {cell.mode for cell in planned(modes=("eager",)) if cell.variant == "long"} == {"eager"}

    def test_on_the_gpu_what_has_no_gpu_stays_on_the_cpu(self):
        devices = {cell.backend: cell.device for cell in planned(device="gpu")}
        assert devices == {**dict.fromkeys(FRAMEWORKS, "gpu"), "classic": "cpu"}
        assert {cell.device for cell in planned()} == {"cpu"}

    def test_threads(self):
        assert {cell.threads for cell in planned(threads=5)} == {5}

    def test_options_that_nothing_fits(self):
        assert planned(models=("mf-logloss",)) == []


class TestKeys:
    def test_every_cell_has_its_own(self):
        made = planned()
        assert len({cell.key for cell in made}) == len(made)

    def test_what_is_asked_for_twice_is_done_once(self):
        made = planned(dataclasses.replace(BLOCK, indexes=BLOCK.indexes * 2))
        assert len({cell.key for cell in made}) == len(made)

    def test_seeds_asked_for_twice_are_run_once(self):
        assert [cell.key for cell in planned(seeds=(3, 3))] == [cell.key for cell in planned(seeds=(3,))]

    def test_planning_again_gives_the_same(self):
        assert [cell.key for cell in planned()] == [cell.key for cell in planned()]

    def test_it_is_sixteen_hex_digits(self):
        assert all(len(cell.key) == 16 and int(cell.key, 16) >= 0 for cell in planned())

    @pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Cell) if f.compare])
    def test_every_field_changes_it(self, field):
        cell = next(cell for cell in planned() if cell.kind == "index")
        value = getattr(cell, field)
        other = {**value, "another": 1} if isinstance(value, dict) else value * 2
        assert dataclasses.replace(cell, **{field: other}).key != cell.key

    def test_everything_that_a_result_depends_on_changes_it(self, monkeypatch):
        def key(prepared=PREPARED, settings=None, **options):
            row = ModelRow("mf-bpr", settings or {})
            return planned(dataclasses.replace(BLOCK, models=(row,)), prepared, **options)[0].key

        keys = [
            key(),
            key(settings={"learning_rate": 0.1}),
            key(settings={"variant": "other"}),
            key(dataclasses.replace(PREPARED, dataset="other")),
            key(dataclasses.replace(PREPARED, protocol={**PROTOCOL, "per": "session"})),
            key(dataclasses.replace(PREPARED, hashes={"dataset": "d2", "split": "s1"})),
            key(dataclasses.replace(PREPARED, hashes={"dataset": "d1", "split": "s2"})),
            key(seeds=(5,)),
            key(threads=2),
            key(device="gpu"),
            key(modes=("compiled",)),
            key(backends=("jax",)),
        ]
        monkeypatch.setattr(environment, "versions", lambda _: {"torch": "9.9"})
        keys.append(key())
        assert len(set(keys)) == len(keys)

    def test_the_machine_tells_what_is_timed_apart_and_nothing_else(self, monkeypatch):
        before = planned()
        another = msgspec.structs.replace(environment.machine(), id="another")
        monkeypatch.setattr(environment, "machine", lambda: another)
        same = {cell.kind: cell.key == there.key for cell, there in zip(before, planned(), strict=True)}
        assert same == {"train": True, "throughput": False, "index": False}

    def test_where_the_files_are_and_notes_do_not(self):
        moved = dataclasses.replace(PREPARED, folder=Path("elsewhere"), notes=("a note",))
        assert [cell.key for cell in planned(prepared=moved)] == [cell.key for cell in planned()]

    def test_the_order_of_settings_does_not(self):
        cell = planned()[0]
        backwards = {
            field: dict(reversed(getattr(cell, field).items())) for field in ("settings", "protocol", "inputs")
        }
        assert dataclasses.replace(cell, **backwards).key == cell.key

    def test_an_index_cell_depends_on_the_training_whose_vectors_it_searches(self, monkeypatch):
        def key(**changes):
            block = dataclasses.replace(BLOCK, models=(ModelRow("als", changes),))
            return planned(block)[-1].key

        before = key()
        assert key(iterations=3) != before
        monkeypatch.setattr(environment, "index_versions", lambda: {"annoy": "9.9"})
        assert key() != before


WITH_MAPS = dataclasses.replace(BLOCK, item_maps=True)


class TestMaps:
    def test_they_are_made_where_the_block_says_so_and_change_no_other_cell(self):
        *others, first, second, third = planned(WITH_MAPS)
        assert [cell.kind for cell in (first, second, third)] == ["map"] * 3
        assert [cell.key for cell in others] == [cell.key for cell in planned()]
        assert "map" not in tally(planned())

    def test_they_show_what_indexes_search(self):
        made = planned(WITH_MAPS)
        sources = {kind: {c.inputs["source"] for c in made if c.kind == kind} for kind in ("index", "map")}
        assert sources["map"] == sources["index"]
        trained = {cell.key: cell for cell in made if cell.kind == "train"}
        for cell in (cell for cell in made if cell.kind == "map"):
            same = ("model", "settings", "backend", "mode", "device", "threads", "seed", "dataset", "protocol", "index")
            source = trained[cell.inputs["source"]]
            assert all(getattr(cell, name) == getattr(source, name) for name in same)

    def test_a_map_depends_on_the_training_and_on_the_library(self, monkeypatch):
        def key(**changes):
            return planned(dataclasses.replace(WITH_MAPS, models=(ModelRow("als", changes),)))[-1].key

        before = key()
        assert key() == before
        assert key(iterations=3) != before
        monkeypatch.setattr(item_map, "versions", lambda: {"scikit-learn": "0.0"})
        assert key() != before

    def test_each_is_a_group_of_its_own_that_is_not_timed_and_comes_last(self):
        made = groups(planned(WITH_MAPS))
        assert [(len(group.cells), group.turns, group.cells[0].kind) for group in made[-3:]] == [(1, 0, "map")] * 3
        assert made[:-3] == groups(planned())


MADE_FROM = vectors.Settings(n_items=2_000, dim=8)
SEARCH = {"name": "search", "k": 50, "primary_metric": "index_recall@50"}
OF_VECTORS = Block("vectors-2k", SEARCH, models=(), indexes=(IndexRow("exact"), IVF), seeds=(3, 4), vectors=MADE_FROM)
DRAWN = Prepared("vectors-2k", SEARCH, Path("results/vectors/f1"), {"dataset": "v1"}, ())


class TestMadeUpVectors:
    def test_every_setting_of_every_index_searches_them_once(self):
        made = planned(OF_VECTORS, DRAWN)
        assert [cell.index["name"] for cell in made] == ["exact"] + ["faiss-ivf"] * 6
        for cell in made:
            assert (cell.kind, cell.model, cell.variant) == ("index", plan.MADE_UP, "8-d, 2,000 items")
            assert (cell.backend, cell.mode, cell.device, cell.seed) == ("classic", "eager", "cpu", 3)
            assert (cell.dataset, cell.protocol, cell.refusal) == ("vectors-2k", SEARCH, None)
            assert cell.inputs["source"] == "f1"
            assert {"n_items": 2_000, "dim": 8, "n_queries": 1_000, "seed": 0}.items() <= cell.settings.items()

    def test_options_choose_among_them(self):
        assert len(planned(OF_VECTORS, DRAWN, indexes=("exact",))) == 1
        assert len(planned(OF_VECTORS, DRAWN, backends=("jax",))) == 7
        assert planned(OF_VECTORS, DRAWN, models=("als",)) == []
        assert {cell.seed for cell in planned(OF_VECTORS, DRAWN, seeds=(9,))} == {9}
        assert {cell.threads for cell in planned(OF_VECTORS, DRAWN, threads=2)} == {2}

    def test_the_key_holds_what_they_are_made_from(self):
        def key(prepared=DRAWN, **options):
            return planned(OF_VECTORS, prepared, **options)[0].key

        keys = {
            key(),
            key(dataclasses.replace(DRAWN, hashes={"dataset": "v2"})),
            key(dataclasses.replace(DRAWN, protocol={**SEARCH, "k": 10})),
            key(dataclasses.replace(DRAWN, dataset="vectors-3k")),
            key(threads=2),
        }
        assert len(keys) == 5
        assert key() == key(dataclasses.replace(DRAWN, notes=("a note",)))

    def test_they_are_one_group_in_which_every_build_is_one_process(self):
        (group,) = groups(planned(OF_VECTORS, DRAWN))
        assert (group.turns, [len(process) for process in group.processes]) == (TURNS["index"], [1, 3, 3])


class TestBackends:
    def test_a_block_names_the_frameworks_that_train(self):
        made = planned(dataclasses.replace(BLOCK, backends=("jax",)))
        assert {cell.backend for cell in made} == {"jax", "classic"}

    def test_those_of_the_command_line_stand_in_their_place(self):
        made = planned(dataclasses.replace(BLOCK, backends=("jax",)), backends=("torch",))
        assert {cell.backend for cell in made} == {"torch", "classic"}

    def test_all_of_them_train_unless_some_are_named(self):
        assert [cell.key for cell in planned(dataclasses.replace(BLOCK, backends=FRAMEWORKS))] == [
            cell.key for cell in planned()
        ]


@pytest.fixture
def without_torch(monkeypatch):
    adapters = {**FAMILIES["mf-bpr"].adapters, "torch": Unsupported("no such operator")}
    changed = {**FAMILIES, "mf-bpr": Family(FAMILIES["mf-bpr"].spec, adapters)}
    monkeypatch.setattr(plan, "FAMILIES", changed)


@pytest.mark.usefixtures("without_torch")
class TestRefusal:
    def test_what_cannot_work_is_planned_with_its_reason(self):
        made = planned()
        assert {cell.refusal for cell in made if cell.model == "mf-bpr" and cell.backend == "torch"} == {
            "no such operator"
        }
        assert {cell.refusal for cell in made if cell.backend != "torch"} == {None}
        assert tally(made) == {"train": 32, "throughput": 16, "index": 21}

    def test_its_vectors_are_not_searched(self):
        searched = {(c.model, c.variant): c.backend for c in planned() if c.kind == "index"}
        assert searched == {
            ("als", "as_published"): "classic",
            ("mf-bpr", "as_published"): "paddle",
            ("mf-bpr", "long"): "paddle",
        }

    def test_the_reason_is_not_part_of_the_key(self):
        refused = next(cell for cell in planned() if cell.refusal)
        assert dataclasses.replace(refused, refusal=None).key == refused.key

    def test_there_is_no_adapter_to_run(self):
        with pytest.raises(AssertionError):
            _ = next(cell for cell in planned() if cell.refusal).adapter


class TestGroups:
    def test_every_cell_is_in_one_group(self):
        made = planned()
        assert Counter(cell.key for group in groups(made) for cell in group.cells) == Counter(c.key for c in made)

    def test_trainings_are_alone_and_first(self):
        made = groups(planned())
        single = [group for group in made if group.cells[0].kind == "train"]
        assert made[: len(single)] == single
        assert all(len(group.cells) == 1 and group.turns == 0 for group in single)
        assert [g.cells[0].key for g in single] == [cell.key for cell in planned() if cell.kind == "train"]

    def test_throughput_is_by_turns_among_backends_of_one_model_and_settings(self):
        timed = [group for group in groups(planned()) if group.cells[0].kind == "throughput"]
        assert [(len(group.processes), group.turns) for group in timed] == [
            (8, TURNS["throughput"]),
            (8, TURNS["throughput"]),
        ]
        for group in timed:
            assert all(len(process) == 1 for process in group.processes)
            assert len({(cell.model, repr(cell.settings), cell.dataset) for cell in group.cells}) == 1
            assert {cell.backend for cell in group.cells} == set(FRAMEWORKS)

    def test_two_data_sets_are_not_timed_against_each_other(self):
        other = planned(prepared=dataclasses.replace(PREPARED, dataset="other"))
        timed = [group for group in groups([*planned(), *other]) if group.cells[0].kind == "throughput"]
        assert sorted(len(group.processes) for group in timed) == [8, 8, 8, 8]

    def test_indexes_over_the_same_vectors_are_by_turns_each_built_once(self):
        searched = [group for group in groups(planned()) if group.cells[0].kind == "index"]
        assert [group.turns for group in searched] == [TURNS["index"]] * 3
        for group in searched:
            assert len({cell.inputs["source"] for cell in group.cells}) == 1
            assert [(p[0].index["name"], p[0].index["build"], len(p)) for p in group.processes] == [
                ("exact", {}, 1),
                ("faiss-ivf", {"nlist": 4}, 3),
                ("faiss-ivf", {"nlist": 8}, 3),
            ]
            for process in group.processes:
                assert len({repr(cell.index["build"]) for cell in process}) == 1

    def test_what_reads_vectors_comes_after_all_trainings_of_all_blocks(self):
        first, second = planned(), planned(prepared=dataclasses.replace(PREPARED, dataset="other"))
        one, other = stages([(PREPARED, first), (PREPARED, second)])
        kinds = [[group.cells[0].kind for group, _ in stage] for stage in (one, other)]
        n_trained = sum(cell.kind == "train" for cell in (*first, *second))
        assert kinds[0][:n_trained] == ["train"] * n_trained
        assert set(kinds[0][n_trained:]) <= {"throughput"}
        assert set(kinds[1]) <= {"index", "map"}
        assert kinds[1] == sorted(kinds[1])
        keys = [cell.key for stage in (one, other) for group, _ in stage for cell in group.cells]
        assert sorted(keys) == sorted(cell.key for cell in (*first, *second))

    def test_nothing_planned_is_no_group(self):
        assert groups([]) == []


CUT = "time-split train_until=0.8 validation_until=0.9 per=user unknown_users=drop test@5 by recall@5"


def test_a_cell_is_described_by_what_tells_it_apart():
    words = {cell.describe() for cell in planned(WITH_MAPS)}
    assert len(words) == len(planned(WITH_MAPS))
    assert f"map · als (as_published) · classic · eager · shop · {CUT} · seed 3" in words
    assert f"train · mf-bpr (long) · jax · compiled · shop · {CUT} · seed 4" in words
    searched = "index · als (as_published) · classic · eager · faiss-ivf nlist=4 nprobe=2"
    assert f"{searched} · shop · {CUT} · seed 3" in words


class TestWhatTheDataDecide:
    ROWS = (
        ModelRow("als"),
        ModelRow("popularity", {"variant": "seen-kept", "filter_seen": False}),
        ModelRow("item-cf"),
    )

    @pytest.mark.parametrize("decided", [True, False])
    def test_rows_that_do_not_say_whether_known_items_are_left_out(self, decided):
        block = Block("shop", PROTOCOL, self.ROWS, filter_seen="by data")
        made = cells(block, dataclasses.replace(PREPARED, filter_seen=decided), Options())
        seen = {cell.model: cell.settings["filter_seen"] for cell in made}
        assert seen == {"als": decided, "popularity": False, "item-cf": decided}

    def test_elsewhere_they_have_their_defaults(self):
        made = cells(Block("shop", PROTOCOL, self.ROWS), dataclasses.replace(PREPARED, filter_seen=True), Options())
        assert {cell.model: cell.settings["filter_seen"] for cell in made}["als"] is False

    @pytest.mark.parametrize(("given", "seen"), [(True, True), (False, False)])
    def test_what_is_set_wins_even_where_it_is_the_default(self, given, seen):
        block = Block("shop", PROTOCOL, self.ROWS, filter_seen="by data")
        made = override([block], Asked(settings=(Setting("als", "filter_seen", given),)))
        assert made.said == (f"als (as_published): filter_seen={str(given).lower()}, in place of what the data say",)
        planned = cells(made.blocks[0], dataclasses.replace(PREPARED, filter_seen=not given), Options())
        assert {cell.model: cell.settings["filter_seen"] for cell in planned} == {
            "als": seen, "popularity": False, "item-cf": not given,
        }  # fmt: skip

    @pytest.mark.parametrize(("n_items", "leaves_out"), [(10, True), (3, False)])
    def test_training_rows_that_repeat_decide(self, tmp_path, n_items, leaves_out):
        path = tmp_path / "shop.csv"
        rows = "".join(f"{user},{day % n_items},{day * 86_400}\n" for user in range(5) for day in range(10))
        path.write_text("user_id,item_id,timestamp\n" + rows, encoding="utf-8")
        protocol = {**asked.protocol("leave-one-out"), "ks": [5], "primary_metric": "recall@5"}
        block = Block(f"file:{path}", protocol, self.ROWS, filter_seen="by data")
        prepared = prepare(block, tmp_path / "results", None)
        assert prepared.filter_seen is leaves_out
        assert prepared.choice in prepared.said[-1]
        assert prepared.notes[-1] == prepared.said[-1]
        share = "0.0%" if leaves_out else "62.5%"
        assert f"{share} of the training rows repeat an item of the same user" in prepared.choice
        assert prepare(dataclasses.replace(block, filter_seen="as set"), tmp_path / "results", None).choice == ""
