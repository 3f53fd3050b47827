"""Checkpoints as files: what was saved is loaded, and whatever does not fit is refused with a sentence."""

import numpy as np
import pytest

from backends.registry import TRAINABLE
from benchmarks import checkpoints, sampling, specs
from benchmarks.agreement import ladder_data
from benchmarks.specs.base import Parameter, Sizes
from benchmarks.specs.mf_logloss import MFLogLoss
from datasets.errors import InputError

TABLE = (Parameter("table", (4, 3), 1.0), Parameter("bias", (4,), 1.0), Parameter("shift", (), 0.0))


def forms(model):
    return type(specs.make(model, {})).for_ladder()


def arrays(**changes):
    rng = np.random.default_rng(0)
    made = {row.name: np.asarray(rng.standard_normal(row.shape), np.float32) for row in TABLE}
    return {**made, **changes}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def refusal(path):
    with pytest.raises(InputError) as error:
        checkpoints.load(path, TABLE)
    assert str(path) in str(error.value)
    return str(error.value)


def test_what_was_saved_is_loaded_to_the_bit_and_nothing_else_lies_there(path):
    given = arrays()
    given["table"][0] = [np.nan, np.inf, -0.0]
    checkpoints.save(path, given)
    found = checkpoints.load(path, TABLE)
    assert set(found) == set(given)
    for name, value in given.items():
        assert (found[name].dtype, found[name].shape) == (np.float32, value.shape)
        assert found[name].tobytes() == value.tobytes()
    assert [file.name for file in path.parent.iterdir()] == ["model.npz"]


def test_a_specs_table_describes_what_its_adapters_export(path):
    table = MFLogLoss(embedding_dim=2).parameters(Sizes(3, 4))
    checkpoints.save(path, {row.name: np.zeros(row.shape, np.float32) for row in table})
    assert {name: value.shape for name, value in checkpoints.load(path, table).items()} == {
        row.name: row.shape for row in table
    }


@pytest.mark.parametrize("is_saved", [False, True])
def test_what_is_of_the_data_comes_with_the_table_whether_the_file_holds_it_or_not(path, is_saved):
    codes = np.array([3, 1, 2], np.int32)
    table = (*TABLE, Parameter("codes", (3,), 0.0, codes, is_data=True))
    checkpoints.save(path, arrays(**({"codes": np.zeros(3, np.int32)} if is_saved else {})))
    found = checkpoints.load(path, table)
    assert list(found) == [row.name for row in table]
    np.testing.assert_array_equal(found["codes"], codes)
    found["codes"][0] = 9
    assert codes[0] == 3


@pytest.mark.parametrize(
    "spec", [spec for model in TRAINABLE for spec in forms(model)], ids=lambda s: f"{s.model} {s.variant}"
)
def test_what_every_family_starts_from_is_loaded_as_it_was(path, spec):
    table = spec.parameters(Sizes.of(ladder_data.problem()))
    given = sampling.initial_parameters(table, ("checkpoint",))
    checkpoints.save(path, {row.name: given[row.name] for row in table if not row.is_data})
    found = checkpoints.load(path, table)
    assert list(found) == list(given)
    for name, value in given.items():
        assert (found[name].dtype, found[name].tobytes()) == (value.dtype, value.tobytes())


def test_a_file_is_replaced_as_a_whole(path, monkeypatch):
    checkpoints.save(path, arrays())
    before = path.read_bytes()

    def fails(file, **_):
        file.write_bytes(b"half a fi")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OSError, match="no space left"):
        checkpoints.save(path, arrays(bias=np.zeros(4, np.float32)))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"table": np.zeros((5, 3), np.float32)}, "table is float32[5, 3], expected float32[4, 3]"),
        ({"table": np.zeros((3, 4), np.float32)}, "table is float32[3, 4], expected float32[4, 3]"),
        ({"bias": np.zeros(4)}, "bias is float64[4], expected float32[4]"),
        ({"bias": np.zeros((), np.float32)}, "bias is float32[], expected float32[4]"),
        ({"shift": np.zeros(1, np.float32)}, "shift is float32[1], expected float32[]"),
    ],
)
def test_another_shape_or_type_is_named_with_what_was_expected(path, changes, sentence):
    checkpoints.save(path, arrays(**changes))
    assert f"{sentence}; the checkpoint is of another model, other settings or other data." in refusal(path)


def test_a_missing_parameter_is_named(path):
    given = arrays()
    del given["bias"]
    checkpoints.save(path, given)
    assert "bias is missing, expected float32[4]" in refusal(path)


def test_parameters_that_the_model_lacks_are_named(path):
    checkpoints.save(path, arrays(user_table=np.zeros(3, np.float32), other=np.zeros(3, np.float32)))
    assert "holds other, user_table, which this model does not have" in refusal(path)


def write_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def write_half(path):
    checkpoints.save(path, arrays())
    path.write_bytes(path.read_bytes()[:300])


def write_damaged(path):
    checkpoints.save(path, arrays())
    content = bytearray(path.read_bytes())
    place = content.index(arrays()["table"].tobytes())
    content[place] ^= 1
    path.write_bytes(content)


def write_objects(path):
    np.savez(path, table=np.array([{}], object))


NO_CHECKPOINTS = {
    "nothing": lambda _: None,
    "empty": lambda path: path.touch(),
    "a folder": lambda path: path.mkdir(),
    "text": lambda path: path.write_text("user_id,item_id\n1,2\n"),
    "one array": write_array,
    "the first half": write_half,
    "one bit is wrong": write_damaged,
    "objects": write_objects,
}


@pytest.mark.parametrize("write", NO_CHECKPOINTS.values(), ids=NO_CHECKPOINTS)
def test_what_is_no_checkpoint_is_refused(path, write):
    write(path)
    assert refusal(path).endswith("; give an .npz file that a run has left.")
    assert "is no checkpoint (" in refusal(path)
