"""What adapters are held to on a climb, which processes of one run find out for each other."""

import dataclasses

import numpy as np
import pytest

from backends.registry import TRAINABLE
from benchmarks.agreement import climbs, reference, truths


def test_extreme_and_wide_climbs_have_no_slopes_by_differences():
    for climb in climbs.of("mf-bpr"):
        plain = climb.size == "small" and climb.start == "drawn"
        assert bool(truths.truth(climb).slopes) == plain, climb.name


WHOLE = climbs.of("mf-bpr", quick=True)[0]


def test_direction_over_a_kink_is_passed_over(monkeypatch):
    true_slope, seen = truths.directional_slope, []

    def slope(spec, parameters, batch, direction):
        (name,) = direction
        seen.append(name)
        return 1e6 if seen.count(name) == 1 else true_slope(spec, parameters, batch, direction)

    monkeypatch.setattr(truths, "directional_slope", slope)
    truth = truths.Truth(WHOLE, 0)
    for name, slope in truth.slopes.items():
        assert slope.off(truth.gradients[name]) <= truths.SMOOTH
        assert seen.count(name) == 2


def test_start_on_a_kink_is_passed_over(monkeypatch):
    monkeypatch.setattr(reference, "NOISE", 0.0)
    monkeypatch.setattr(truths, "truth", truths.truth.__wrapped__)  # the others' is worked out once
    climb, seed = climbs.of("mind", quick=True)[0], 3  # whose first draw has two interests that tie
    first = truths.Truth(climb, seed)
    assert not first.is_smooth
    found = truths.truth(climb, seed)
    assert found.is_smooth
    assert any(not np.array_equal(found.start[name], value) for name, value in first.start.items())


def test_reference_that_differentiates_wrongly_is_smooth_nowhere(monkeypatch):
    true_slope = truths.directional_slope
    monkeypatch.setattr(truths, "directional_slope", lambda *given: 1.001 * true_slope(*given))
    assert not truths.truth.__wrapped__(WHOLE, 0).is_smooth


class TestShared:
    climb = climbs.of("mf-bpr")[0]
    parts = (
        "gradients", "gradients_of_second", "slopes", "after_one", "trained", "untrained_vectors", "trained_vectors",
    )  # fmt: skip

    def found(self, folder, seed=0):
        truth = truths.Truth(self.climb, seed, folder=folder)
        return {name: getattr(truth, name) for name in self.parts}

    @pytest.fixture
    def alone(self):
        """What is found out without a folder."""
        return self.found(None)

    @pytest.fixture
    def idle(self, tmp_path, monkeypatch):
        """A folder in which all is found out, and a reference that finds nothing more."""
        self.found(tmp_path)
        for name in ("gradients", "directional_slope"):
            monkeypatch.setattr(truths, name, None)
        monkeypatch.setattr(reference.Trajectory, "step", None)
        return tmp_path

    def test_all_parts_are_taken_from_where_another_process_has_left_them(self, alone, idle):
        np.testing.assert_equal(self.found(idle), alone)
        assert not list(idle.glob("*.partial*"))

    @pytest.mark.parametrize("other", ["seed", "setting", "draw"])
    def test_what_was_found_of_one_climb_serves_no_other(self, idle, other):
        climb, seed, draw = self.climb, 0, 0
        match other:
            case "seed":
                seed = 1
            case "draw":
                draw = 1
            case "setting":
                climb = dataclasses.replace(climb, spec=dataclasses.replace(climb.spec, learning_rate=0.5))
        with pytest.raises(TypeError, match="NoneType"):
            _ = truths.Truth(climb, seed, draw, idle).gradients

    def test_each_climb_has_files_of_its_own_those_of_the_same_settings_too(self, tmp_path, monkeypatch):
        monkeypatch.setattr(truths, "chunks", lambda *_: ())
        every = [climb for model in TRAINABLE for climb in climbs.of(model)]
        alike = {(climb.spec.model, repr(climb.spec)) for climb in every}
        assert len(alike) < len(every)
        assert len({truths.Truth(climb, 0, folder=tmp_path).path("trained") for climb in every}) == len(every)

    def test_what_cannot_be_read_is_found_out_anew(self, tmp_path, alone):
        truth = truths.Truth(self.climb, 0, folder=tmp_path)
        for content in (b"", b"half", b"cno_such_module\nthing\n."):
            truth.path("trained").write_bytes(content)
            np.testing.assert_equal(self.found(tmp_path)["trained"], alone["trained"])

    def test_a_folder_that_cannot_be_written_to_costs_time_alone(self, tmp_path, alone):
        np.testing.assert_equal(self.found(tmp_path / "gone"), alone)

    def test_half_a_file_is_nothing_to_go_by(self, tmp_path):
        (tmp_path / f"{truths.Truth(self.climb, 0, folder=tmp_path).path('trained').stem}.partial-1").write_bytes(b"x")
        np.testing.assert_equal(self.found(tmp_path)["trained"], truths.truth(self.climb).trained)

    def test_without_a_folder_nothing_is_kept(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        self.found(None)
        assert not list(tmp_path.iterdir())
