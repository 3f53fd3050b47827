"""The contract's promises, checked for one backend in a process of its own; prints {check: null or what failed}.

`test_adapters.py` starts it once a backend, since two frameworks cannot meet in one process.
"""

import dataclasses
import functools
import importlib
import json
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse

from backends.contract import UnavailableError
from backends.registry import BACKENDS, FAMILIES
from benchmarks import specs
from benchmarks.agreement import climbs, ladder_data, reference
from benchmarks.harness.evaluation import answers

N_STEPS = 3  # a call of `train`; there are two calls, so that what has to outlive a call shows
SAME = 1e-6  # of losses of a few units and parameters below 2: ten times what float32 resolves
CLOSE = 1e-5  # the ladder's limit for a trajectory; eager and compiled sum in another order

Arrays = dict[str, np.ndarray]


def families(backend: str) -> list[str]:
    """The families that take gradient steps and that the registry gives an adapter of this backend."""
    return [name for name, family in FAMILIES.items() if isinstance(family.adapters.get(backend), str)]


def ladder_spec(family: str) -> Any:
    """The family at the ladder's size, in the form that learns best."""
    return type(specs.make(family, {})).for_ladder()[0]


@dataclass
class Run:
    """What one training was given and what it left behind.

    Attributes:
        given: the parameters that it was handed, as they are afterwards.
        batches: its calls' batches, as they are afterwards.
        at_start: a copy of what the fresh state exported.
        exported: the same export itself, as it is after the training.
        losses: one array a call.
        parameters: the export of the trained state.
    """

    given: Arrays
    batches: list[Arrays]
    at_start: Arrays
    exported: Arrays
    losses: list[np.ndarray]
    parameters: Arrays


class Subject:
    """One adapter in one mode, with the ladder's small problem to train on.

    Compiling takes seconds a state and shape: checks of compiled mode share two trainings, in calls of one shape.
    """

    def __init__(self, backend: str, family: str, mode: str) -> None:
        self.adapter = importlib.import_module(FAMILIES[family].adapters[backend])
        self.mode = mode
        self.spec = ladder_spec(family)
        self.data = ladder_data.problem()
        chunk = reaching_the_last_row(next(self.spec.batches(self.data, ("adapter checks",), 1)), self.data.n_items)
        self.calls = [{name: values[i : i + N_STEPS] for name, values in chunk.items()} for i in (0, N_STEPS)]
        self.batches = [batch for call in self.calls for batch in reference.steps(call)]

    @functools.cached_property
    def start(self) -> Arrays:
        """The initial parameters; zeros are replaced, so that a parameter that is lost shows."""
        drawn = reference.start(climbs.to_the_end(self.spec))
        return {name: value if value.any() else np.full_like(value, 0.25) for name, value in drawn.items()}

    @functools.cached_property
    def learnt(self) -> Arrays:
        return {name: value for name, value in self.start.items() if name not in self.spec.unlearnt}

    def fresh(self, device: str = "cpu") -> Any:
        return self.adapter.init(self.spec, copied(self.start), device, self.mode)

    @functools.cached_property
    def whole(self) -> Run:
        """All steps, in two calls."""
        return self.run(self.mode, self.calls)

    def run(self, mode: str, calls: list[Arrays]) -> Run:
        given, batches, losses = copied(self.start), [copied(call) for call in calls], []
        state = self.adapter.init(self.spec, given, "cpu", mode)
        exported = self.adapter.export(state)
        at_start = copied(exported)
        for call in batches:
            state, found = self.adapter.train(state, call)
            losses.append(found)
        return Run(given, batches, at_start, exported, losses, self.adapter.export(state))

    @functools.cached_property
    def truth(self) -> tuple[list[float], reference.Trajectory]:
        """The reference's losses over the same steps, and where they lead it."""
        truth = reference.Trajectory(self.spec, self.start)
        return [truth.step(batch) for batch in self.batches], truth

    def users(self, state: Any, users: np.ndarray) -> np.ndarray:
        """Vectors of these users, asked for as the harness asks."""
        return answers(self.spec, partial(self.adapter.embed_users, state), ladder_data.asked(self.data, users))

    @property
    def everybody(self) -> np.ndarray:
        return np.arange(self.data.n_users, dtype=np.int32)


def reaching_the_last_row(chunk: Arrays, n_items: int) -> Arrays:
    """The chunk, the last item in each of its batches: past it a compiler reads without a word."""
    chunk = copied(chunk)
    if "history" in chunk:
        chunk["history"][:, 0, 0] = n_items
    else:
        chunk["positive" if "positive" in chunk else "item"][:, 0] = n_items - 1
    return chunk


def copied(arrays: Arrays) -> Arrays:
    return {name: np.array(value) for name, value in arrays.items()}


def expect(holds: Any, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def expect_arrays(found: Arrays, expected: Arrays) -> None:
    for name, value in found.items():
        expect(isinstance(value, np.ndarray), f"{name} is no array but {type(value).__name__}")
        expect(value.dtype == expected[name].dtype, f"{name} is {value.dtype}, expected {expected[name].dtype}")


def expect_equal(found: Arrays, expected: Arrays, tolerance: float, what: str) -> None:
    expect(set(found) == set(expected), f"{what}: {sorted(found)}, expected {sorted(expected)}")
    for name, value in expected.items():
        expect(found[name].shape == value.shape, f"{what}: {name} has shape {found[name].shape}")
        difference = float(np.max(np.abs(found[name].astype(np.float64) - value)))
        expect(difference <= tolerance, f"{what}: {name} is {difference:.2e} away, allowed {tolerance:g}")


def expect_losses(found: list[np.ndarray], expected: Any, tolerance: float) -> None:
    difference = np.abs(np.concatenate(found).astype(np.float64) - expected) / np.abs(expected)
    step = int(difference.argmax())
    expect(difference[step] <= tolerance, f"the loss of step {step + 1} is {difference[step]:.2e} away")


def export_gives_back_what_init_was_given(subject: Subject) -> None:
    expect_arrays(subject.whole.at_start, subject.start)
    expect_equal(subject.whole.at_start, subject.start, 0.0, "export(init(p))")


def export_is_a_copy(subject: Subject) -> None:
    state = subject.fresh()
    exported = subject.adapter.export(state)
    for value in exported.values():
        np.asarray(value)[...] = 7.0
    expect_equal(subject.adapter.export(state), subject.start, 0.0, "after the export was written to")


def an_export_stays_when_training_goes_on(subject: Subject) -> None:
    expect_equal(subject.whole.exported, subject.start, 0.0, "an export from before the steps")


def the_callers_parameters_are_not_written_to(subject: Subject) -> None:
    expect_equal(subject.whole.given, subject.start, 0.0, "the caller's parameters after the steps")


def the_callers_parameters_are_not_kept(subject: Subject) -> None:
    given = copied(subject.start)
    state = subject.adapter.init(subject.spec, given, "cpu", subject.mode)
    for value in given.values():
        value[...] = 7.0
    expect_equal(subject.adapter.export(state), subject.start, 0.0, "after the caller wrote to their own arrays")


def the_callers_batches_are_not_written_to(subject: Subject) -> None:
    for found, expected in zip(subject.whole.batches, subject.calls, strict=True):
        expect_equal(found, expected, 0.0, "the caller's batches after training")


def losses_are_float32_one_a_step(subject: Subject) -> None:
    for losses in subject.whole.losses:
        expect(losses.dtype == np.float32, f"losses are {losses.dtype}")
        expect(losses.shape == (N_STEPS,), f"losses have shape {losses.shape}")


def losses_are_taken_before_the_update(subject: Subject) -> None:
    """Each step's loss is the reference's at the parameters that the steps before it led to."""
    expected, _ = subject.truth
    apart = np.max(np.abs(np.diff(expected)) / np.abs(expected[1:]))
    expect(apart > 10 * CLOSE, "these batches do not tell one step's loss from the next")
    expect_losses(subject.whole.losses, np.array(expected), CLOSE)


def training_moves_every_parameter_that_is_learnt(subject: Subject) -> None:
    for name, value in subject.learnt.items():
        moved = np.max(np.abs(subject.whole.parameters[name] - value))
        expect(moved > 100 * SAME, f"{name} stays where it was")


def what_is_not_learnt_is_carried_or_stays(subject: Subject) -> None:
    """Constants do not move; state is what the reference's last step left, and not what the start was."""
    _, truth = subject.truth
    carried = subject.spec.carried(truth.parameters, subject.batches[-1]) if subject.spec.unlearnt else {}
    for name in subject.spec.unlearnt:
        found, start = {name: subject.whole.parameters[name]}, {name: subject.start[name]}
        if name in carried:
            expect_equal(found, {name: truth.parameters[name]}, CLOSE, "carried")
            expect(np.max(np.abs(found[name] - start[name])) > 100 * CLOSE, f"{name} stays where it was")
        else:
            expect_equal(found, start, 0.0, "a constant")


def one_call_of_many_steps_equals_many_calls_of_one(subject: Subject) -> None:
    one_by_one = [{name: values[None] for name, values in batch.items()} for batch in subject.batches]
    stepwise = subject.run(subject.mode, one_by_one)
    expect_losses(stepwise.losses, np.concatenate(subject.whole.losses), SAME)
    expect_equal(stepwise.parameters, subject.whole.parameters, SAME, "parameters")


def two_runs_are_identical_to_the_bit(subject: Subject) -> None:
    again = subject.run(subject.mode, subject.calls)
    expect(np.array_equal(again.losses, subject.whole.losses), "losses differ")
    expect_equal(again.parameters, subject.whole.parameters, 0.0, "parameters")


def compiled_equals_eager(subject: Subject) -> None:
    eager = subject.run("eager", subject.calls)
    expect_losses(subject.whole.losses, np.concatenate(eager.losses), CLOSE)
    expect_equal(subject.whole.parameters, eager.parameters, CLOSE, "parameters")


def users_come_in_the_order_asked_for_with_repeats(subject: Subject) -> None:
    """Users of whom enough is known: those of whom nothing is known share a vector."""
    state = subject.fresh()
    known = subject.everybody[subject.data.stop - subject.data.start > 2]
    asked = known[[5, 0, 5, -1, 2, -1]]
    everybody = subject.users(state, subject.everybody)
    found = subject.users(state, asked)
    expect(found.dtype == np.float32, f"vectors are {found.dtype}")
    expect(np.isfinite(everybody).all(), "not finite")
    difference = np.abs(found[:, None] - everybody[known]).reshape(len(found), len(known), -1).max(2)
    expect(np.array_equal(known[difference.argmin(1)], asked), "not those who were asked for, in that order")
    expect(difference.min(1).max() <= CLOSE, f"{difference.min(1).max():.2e} away from the vectors of everybody")
    expect(np.sort(difference, 1)[:, 1].min() > 10 * CLOSE, "users share a vector: the order cannot be told")


def items_come_as_the_whole_catalogue(subject: Subject) -> None:
    state = subject.fresh()
    items = subject.adapter.embed_items(state)
    users = subject.users(state, subject.everybody[:3])
    expect(items.dtype == np.float32, f"vectors are {items.dtype}")
    expect(items.shape == (subject.data.n_items, users.shape[-1]), f"shape {items.shape}, users {users.shape}")


def scores_are_the_specs(subject: Subject) -> None:
    """Inner products of users and items rank as the reference's do, folded biases included."""
    state, asked = subject.fresh(), ladder_data.asked(subject.data, subject.everybody)
    found = subject.users(state, asked.user) @ subject.adapter.embed_items(state).T
    users = answers(subject.spec, partial(subject.spec.user_vectors, subject.start), asked)
    expected = users @ subject.spec.item_vectors(subject.start).T
    expect(found.shape == expected.shape, f"scores have shape {found.shape}")
    expect(np.max(np.abs(found - expected)) <= CLOSE, f"scores are {np.max(np.abs(found - expected)):.2e} apart")


def gradients_have_the_names_and_shapes_of_what_is_learnt(subject: Subject) -> None:
    found = subject.adapter.gradients(subject.fresh(), subject.batches[0])
    expect_arrays(found, subject.start)
    described = {name: value.shape for name, value in found.items()}
    expected = {name: value.shape for name, value in subject.learnt.items()}
    expect(described == expected, f"{described}, expected {expected}")


def gradients_leave_the_state_alone(subject: Subject) -> None:
    state = subject.fresh()
    first, second = (subject.adapter.gradients(state, subject.batches[0]) for _ in range(2))
    expect_equal(second, first, 0.0, "asked for twice")
    expect_equal(subject.adapter.export(state), subject.start, 0.0, "parameters after the gradients")


def the_last_row_is_reached_and_no_other(subject: Subject) -> None:
    """A batch of nothing but the last user and the last item, as int32, moves their rows alone."""
    last = {name: subject.data.n_users - 1 if name == "user" else subject.data.n_items - 1 for name in subject.calls[0]}
    batch = {
        name: np.full_like(values, last[name]) if values.dtype == np.int32 else values
        for name, values in subject.batches[0].items()
    }
    for name, rows in rows_moved_by(subject, batch).items():
        expect(rows == [len(subject.start[name]) - 1], f"{name}: rows {rows} moved")


def the_last_row_is_reached_and_where_a_path_leads_from_it(subject: Subject) -> None:
    """A batch of the last user, who has the last item and not the first, moves what is so many edges away at most."""
    n_users, n_items = subject.data.n_users, subject.data.n_items
    ids = {"user": n_users - 1, "positive": n_items - 1, "negative": 0}
    edges = (subject.start["edge_weight"] > 0, (subject.start["edge_to"], subject.start["edge_from"]))
    graph = scipy.sparse.csr_array(edges, (n_users + n_items, n_users + n_items))
    is_reached = np.isin(np.arange(n_users + n_items), [n_users - 1, n_users, n_users + n_items - 1])
    for _ in range(subject.spec.n_layers):
        is_reached |= graph @ is_reached
    expected = {"user_embedding": is_reached[:n_users], "item_embedding": is_reached[n_users:]}
    batch = {name: np.full_like(values, ids[name]) for name, values in subject.batches[0].items()}
    for name, rows in rows_moved_by(subject, batch).items():
        expect(rows == np.flatnonzero(expected[name]).tolist(), f"{name}: rows {rows} moved")


def the_last_row_is_reached_and_padding_is_not(subject: Subject) -> None:
    """A batch of histories of the last item alone, which is the target too: the rest of each history is padding."""
    batch = {name: np.full_like(values, name == "keep") for name, values in subject.batches[0].items()}
    batch["user"] += subject.data.n_users - 1
    batch["history"][:, 0] = subject.data.n_items
    if "length" in batch:
        batch["length"] += 1
    if "item" in batch:  # against others in the batch, of which there must be some
        batch["item"][0] += subject.data.n_items - 1
    elif "length" in batch:
        batch["target"] += subject.data.n_items - 1
    elif "target" in batch:  # several a row, numbered as histories are
        batch["target"][:, 0] = subject.data.n_items
    moved = rows_moved_by(subject, batch)
    if "encoder_embedding" in moved:  # of an autoencoder's items, which are numbered from 0; what is had is the target
        expect(moved["encoder_embedding"] == [subject.data.n_items - 1], f"rows {moved['encoder_embedding']} moved")
        return
    of_items = [name for name in moved if len(subject.start[name]) == subject.data.n_items + 1]
    expect("item_embedding" in of_items, f"tables of items are {of_items}")
    for name in of_items:
        expect(0 not in moved[name], f"{name}: padding moved")
        expect(subject.data.n_items in moved[name], f"{name}: the last row did not move")


def rows_moved_by(subject: Subject, batch: Arrays) -> dict[str, list[int]]:
    """The rows of each parameter that is learnt, and has any, that one step on a batch moves."""
    call = {name: values[None] for name, values in batch.items()}
    run = subject.run(subject.mode, [call])
    expect(np.isfinite(run.losses).all(), f"loss {run.losses}")
    moved = {name: run.parameters[name] != value for name, value in subject.learnt.items() if value.ndim}
    return {name: np.flatnonzero(rows.reshape(len(rows), -1).any(1)).tolist() for name, rows in moved.items()}


def a_gradient_of_zeros_is_clipped_to_zeros(subject: Subject) -> None:
    """There is one item, which is what comes next: the loss is zero, and so is its slope. Nothing is divided by it."""
    spec = dataclasses.replace(subject.spec, clip_norm=0.5)
    start = {name: value[:2] if "item" in name else value for name, value in subject.start.items()}
    call = {name: np.minimum(values, 1) for name, values in subject.calls[0].items()}
    call["target"] = np.zeros_like(call["target"])
    state, losses = subject.adapter.train(subject.adapter.init(spec, copied(start), "cpu", subject.mode), call)
    expect(not losses.any(), f"losses are {losses}, so that this shows nothing")
    expect_equal(subject.adapter.export(state), start, 0.0, "parameters after steps without a slope")


def a_gpu_that_is_not_there_is_named_in_a_sentence(subject: Subject) -> None:
    """The environment of a CPU worker hides every GPU, so that none is there on any machine."""
    try:
        subject.fresh(device="gpu")
    except UnavailableError as error:
        expect(len(str(error).split()) >= 4, f"{str(error)!r} is no sentence")
    else:
        raise AssertionError("the state was made without the device")


EVERY_MODE = (
    export_gives_back_what_init_was_given,
    an_export_stays_when_training_goes_on,
    the_callers_parameters_are_not_written_to,
    the_callers_batches_are_not_written_to,
    losses_are_float32_one_a_step,
    losses_are_taken_before_the_update,
    training_moves_every_parameter_that_is_learnt,
    what_is_not_learnt_is_carried_or_stays,
    two_runs_are_identical_to_the_bit,
    a_gpu_that_is_not_there_is_named_in_a_sentence,
)
CHECKS = {
    "eager": (
        *EVERY_MODE,
        export_is_a_copy,
        the_callers_parameters_are_not_kept,
        one_call_of_many_steps_equals_many_calls_of_one,
        users_come_in_the_order_asked_for_with_repeats,
        items_come_as_the_whole_catalogue,
        scores_are_the_specs,
        gradients_have_the_names_and_shapes_of_what_is_learnt,
        gradients_leave_the_state_alone,
    ),
    "compiled": (*EVERY_MODE, compiled_equals_eager),
}
"""What training shares with compiled mode alone is not compiled a second time: it takes seconds a state."""
LAST_ROW = {
    "users": the_last_row_is_reached_and_no_other,
    "histories": the_last_row_is_reached_and_padding_is_not,
    "graph": the_last_row_is_reached_and_where_a_path_leads_from_it,
}
"""For what each kind of spec asks: a softmax over all items moves every row, one over a sample only its own. In a
graph a row moves its neighbours, too."""


OF_OPTIMIZERS = {"gru4rec": (a_gradient_of_zeros_is_clipped_to_zeros,)}
"""What all families of a backend share, once for all of them."""


def checks(family: str, mode: str) -> list[Any]:
    spec = ladder_spec(family)
    last_row = [LAST_ROW["graph" if "edge_to" in spec.unlearnt else spec.asks]] if mode == "eager" else []
    return [*CHECKS[mode], *last_row, *OF_OPTIMIZERS.get(family, ())]


def names(backend: str) -> Iterator[tuple[str, str, str]]:
    """Family, mode and check of all that is to be said about a backend."""
    for family in families(backend):
        for mode in BACKENDS[backend].modes:
            for check in checks(family, mode):
                yield family, mode, check.__name__


def main(backend: str, mode: str) -> None:
    outcomes: dict[str, str | None] = {}
    for family in families(backend):
        subject = Subject(backend, family, mode)
        for check in checks(family, mode):
            outcome = None
            try:
                check(subject)
            except Exception:  # one check's failure is not another's
                outcome = traceback.format_exc(limit=-3)
            outcomes[f"{family} {check.__name__}"] = outcome
    sys.stdout.write("\n" + json.dumps(outcomes) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
