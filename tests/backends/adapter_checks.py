"""The contract's promises, checked for one backend in a process of its own; prints {check: null or what failed}.

`test_adapters.py` starts it once a backend, since two frameworks cannot meet in one process.
"""

import functools
import importlib
import json
import sys
import traceback
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from backends.contract import UnavailableError
from backends.registry import BACKENDS, FAMILIES
from benchmarks import specs
from benchmarks.agreement import reference

N_STEPS = 4
SAME = 1e-6  # of losses of about 1 and parameters below 2: ten times what float32 resolves
CLOSE = 1e-5  # the ladder's limit for one step; eager and compiled sum in another order


def families(backend: str) -> list[str]:
    """The families that take gradient steps and that the registry gives an adapter of this backend."""
    return [name for name, family in FAMILIES.items() if isinstance(family.adapters.get(backend), str)]


class Run(NamedTuple):
    """What one training left behind."""

    losses: np.ndarray
    parameters: dict[str, np.ndarray]


class Subject:
    """One adapter in one mode, with the ladder's small problem to train on."""

    def __init__(self, backend: str, family: str, mode: str) -> None:
        self.adapter = importlib.import_module(FAMILIES[family].adapters[backend])
        self.mode = mode
        self.spec = type(specs.make(family, {})).for_ladder()
        self.data = reference.problem()
        chunk = next(self.spec.batches(self.data, ("adapter checks",), 1))
        self.batches = {name: values[:N_STEPS] for name, values in chunk.items()}

    @functools.cached_property
    def start(self) -> dict[str, np.ndarray]:
        """The initial parameters; zeros are replaced, so that a parameter that is lost shows."""
        drawn = reference.initial_parameters(self.spec)
        return {name: value if value.any() else np.full_like(value, 0.25) for name, value in drawn.items()}

    def fresh(self, mode: str | None = None, device: str = "cpu") -> Any:
        return self.adapter.init(self.spec, copied(self.start), device, mode or self.mode)

    @functools.cached_property
    def whole(self) -> Run:
        """All steps in one call."""
        return self._run(self.fresh(), [self.batches])

    def run_whole(self, mode: str | None = None) -> Run:
        return self._run(self.fresh(mode), [self.batches])

    def run_stepwise(self) -> Run:
        return self._run(self.fresh(), [self.step(i) for i in range(N_STEPS)])

    def step(self, i: int) -> dict[str, np.ndarray]:
        return {name: values[i : i + 1] for name, values in self.batches.items()}

    def _run(self, state: Any, chunks: list[dict[str, np.ndarray]]) -> Run:
        losses = []
        for chunk in chunks:
            state, found = self.adapter.train(state, chunk)
            losses.append(found)
        return Run(np.concatenate(losses), self.adapter.export(state))


def copied(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value.copy() for name, value in arrays.items()}


def expect(holds: Any, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def expect_arrays(found: dict[str, Any]) -> None:
    for name, value in found.items():
        expect(isinstance(value, np.ndarray), f"{name} is no array but {type(value).__name__}")
        expect(value.dtype == np.float32, f"{name} is {value.dtype}")


def expect_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], tolerance: float, what: str) -> None:
    expect(set(found) == set(expected), f"{what}: {sorted(found)}, expected {sorted(expected)}")
    for name, value in expected.items():
        expect(found[name].shape == value.shape, f"{what}: {name} has shape {found[name].shape}")
        difference = float(np.max(np.abs(found[name].astype(np.float64) - value)))
        expect(difference <= tolerance, f"{what}: {name} is {difference:.2e} away, allowed {tolerance:g}")


def export_gives_back_what_init_was_given(subject: Subject) -> None:
    exported = subject.adapter.export(subject.fresh())
    expect_arrays(exported)
    expect_equal(exported, subject.start, 0.0, "export(init(p))")


def export_is_a_copy(subject: Subject) -> None:
    state = subject.fresh()
    exported = subject.adapter.export(state)
    for value in exported.values():
        np.asarray(value)[...] = 7.0
    expect_equal(subject.adapter.export(state), subject.start, 0.0, "after the export was written to")


def an_export_stays_when_training_goes_on(subject: Subject) -> None:
    state = subject.fresh()
    exported = subject.adapter.export(state)
    subject.adapter.train(state, subject.step(0))
    expect_equal(exported, subject.start, 0.0, "an export from before the step")


def the_callers_parameters_are_not_written_to(subject: Subject) -> None:
    given = copied(subject.start)
    state = subject.adapter.init(subject.spec, given, "cpu", subject.mode)
    subject.adapter.train(state, subject.step(0))
    expect_equal(given, subject.start, 0.0, "the caller's parameters after a step")


def the_callers_parameters_are_not_kept(subject: Subject) -> None:
    given = copied(subject.start)
    state = subject.adapter.init(subject.spec, given, "cpu", subject.mode)
    for value in given.values():
        value[...] = 7.0
    expect_equal(subject.adapter.export(state), subject.start, 0.0, "after the caller wrote to their own arrays")


def the_callers_batches_are_not_written_to(subject: Subject) -> None:
    given = copied(subject.batches)
    subject.adapter.train(subject.fresh(), given)
    expect_equal(given, subject.batches, 0.0, "the caller's batches after training")


def losses_are_float32_one_a_step(subject: Subject) -> None:
    losses = subject.whole.losses
    expect(losses.dtype == np.float32, f"losses are {losses.dtype}")
    expect(losses.shape == (N_STEPS,), f"losses have shape {losses.shape}")


def losses_are_taken_before_the_update(subject: Subject) -> None:
    """Each step's loss is the reference's at the parameters that the steps before it led to."""
    truth = reference.Trajectory(subject.spec, subject.start)
    expected = [truth.step(batch) for batch in reference.steps(subject.batches)]
    expect(np.ptp(expected) > 100 * CLOSE, "these batches do not tell one step's loss from the next")
    difference = np.abs(subject.whole.losses - expected)
    expect(difference.max() <= CLOSE, f"step {difference.argmax() + 1} is {difference.max():.2e} away")


def one_call_of_many_steps_equals_many_calls_of_one(subject: Subject) -> None:
    stepwise = subject.run_stepwise()
    difference = float(np.max(np.abs(stepwise.losses - subject.whole.losses)))
    expect(difference <= SAME, f"losses are {difference:.2e} apart")
    expect_equal(stepwise.parameters, subject.whole.parameters, SAME, "parameters")


def training_moves_every_parameter(subject: Subject) -> None:
    for name, value in subject.whole.parameters.items():
        expect(np.max(np.abs(value - subject.start[name])) > 100 * SAME, f"{name} stays where it was")


def two_runs_are_identical_to_the_bit(subject: Subject) -> None:
    again = subject.run_whole()
    expect(np.array_equal(again.losses, subject.whole.losses), "losses differ")
    expect_equal(again.parameters, subject.whole.parameters, 0.0, "parameters")


def compiled_equals_eager(subject: Subject) -> None:
    eager = subject.run_whole("eager")
    difference = float(np.max(np.abs(eager.losses - subject.whole.losses)))
    expect(difference <= CLOSE, f"losses are {difference:.2e} apart")
    expect_equal(eager.parameters, subject.whole.parameters, CLOSE, "parameters")


def users_come_in_the_order_asked_for_with_repeats(subject: Subject) -> None:
    state, last = subject.fresh(), subject.data.n_users - 1
    asked = np.array([5, 0, 5, last, 2, last], np.int32)
    everybody = subject.adapter.embed_users(state, {"user": np.arange(last + 1, dtype=np.int32)})
    found = subject.adapter.embed_users(state, {"user": asked})
    expect(found.dtype == np.float32, f"vectors are {found.dtype}")
    expect(len(np.unique(everybody, axis=0)) == last + 1, "users share a vector: the order cannot be told")
    expect(np.array_equal(found, everybody[asked]), "not the rows that were asked for, in that order")


def items_come_as_the_whole_catalogue(subject: Subject) -> None:
    state = subject.fresh()
    items = subject.adapter.embed_items(state)
    users = subject.adapter.embed_users(state, {"user": np.arange(3, dtype=np.int32)})
    expect(items.dtype == np.float32, f"vectors are {items.dtype}")
    expect(items.shape == (subject.data.n_items, users.shape[1]), f"shape {items.shape}, users {users.shape}")


def scores_are_the_specs(subject: Subject) -> None:
    """Inner products of users and items rank as the reference's do, folded biases included."""
    state, asked = subject.fresh(), {"user": np.arange(subject.data.n_users, dtype=np.int32)}
    found = subject.adapter.embed_users(state, asked) @ subject.adapter.embed_items(state).T
    expected = subject.spec.user_vectors(subject.start, asked) @ subject.spec.item_vectors(subject.start).T
    expect(np.max(np.abs(found - expected)) <= CLOSE, f"scores are {np.max(np.abs(found - expected)):.2e} apart")


def gradients_have_the_parameters_names_and_shapes(subject: Subject) -> None:
    found = subject.adapter.gradients(subject.fresh(), next(reference.steps(subject.batches)))
    expect_arrays(found)
    described = {name: value.shape for name, value in found.items()}
    expected = {name: value.shape for name, value in subject.start.items()}
    expect(described == expected, f"{described}, expected {expected}")


def gradients_leave_the_state_alone(subject: Subject) -> None:
    state = subject.fresh()
    batch = next(reference.steps(subject.batches))
    first, second = (subject.adapter.gradients(state, batch) for _ in range(2))
    expect_equal(second, first, 0.0, "asked for twice")
    expect_equal(subject.adapter.export(state), subject.start, 0.0, "parameters after the gradients")


def the_last_row_is_reached_and_no_other(subject: Subject) -> None:
    """A batch of nothing but the last user and the last item, as int32, moves their rows alone."""
    state = subject.fresh()
    last = {name: subject.data.n_users - 1 if name == "user" else subject.data.n_items - 1 for name in subject.batches}
    batch = {
        name: np.full_like(values, last[name]) if values.dtype == np.int32 else values
        for name, values in subject.step(0).items()
    }
    state, losses = subject.adapter.train(state, batch)
    expect(np.isfinite(losses).all(), f"loss {losses}")
    for name, value in subject.adapter.export(state).items():
        moved = value != subject.start[name]
        rows = np.flatnonzero(moved.reshape(len(moved), -1).any(1)) if moved.ndim else []
        expect(not moved.ndim or list(rows) == [len(moved) - 1], f"{name}: rows {rows} moved")


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
    the_callers_parameters_are_not_written_to,
    losses_are_float32_one_a_step,
    losses_are_taken_before_the_update,
    training_moves_every_parameter,
    one_call_of_many_steps_equals_many_calls_of_one,
    two_runs_are_identical_to_the_bit,
    the_last_row_is_reached_and_no_other,
    a_gpu_that_is_not_there_is_named_in_a_sentence,
)
CHECKS = {
    "eager": (
        *EVERY_MODE,
        export_is_a_copy,
        an_export_stays_when_training_goes_on,
        the_callers_parameters_are_not_kept,
        the_callers_batches_are_not_written_to,
        users_come_in_the_order_asked_for_with_repeats,
        items_come_as_the_whole_catalogue,
        scores_are_the_specs,
        gradients_have_the_parameters_names_and_shapes,
        gradients_leave_the_state_alone,
    ),
    "compiled": (*EVERY_MODE, compiled_equals_eager),
}
"""What training shares with compiled mode alone is not compiled a second time: it takes seconds a state."""


def names(backend: str) -> Iterator[tuple[str, str, str]]:
    """Family, mode and check of all that is to be said about a backend."""
    for family in families(backend):
        for mode in BACKENDS[backend].modes:
            for check in CHECKS[mode]:
                yield family, mode, check.__name__


def main(backend: str) -> None:
    outcomes: dict[str, str | None] = {}
    for family in families(backend):
        for mode in BACKENDS[backend].modes:
            subject = Subject(backend, family, mode)
            for check in CHECKS[mode]:
                outcome = None
                try:
                    check(subject)
                except Exception:  # one check's failure is not another's
                    outcome = traceback.format_exc(limit=-3)
                outcomes[f"{family} {mode} {check.__name__}"] = outcome
    sys.stdout.write("\n" + json.dumps(outcomes) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
