from argparse import ArgumentTypeError

import pytest

from benchmarks import quantities


@pytest.mark.parametrize(
    ("text", "expected"), [("1e6", 10**6), ("1_000_000", 10**6), ("64", 64), ("1.5e3", 1500), ("2E3", 2000)]
)
def test_whole_numbers(text, expected):
    assert quantities.n_items(text) == expected


@pytest.mark.parametrize("text", ["0", "-5", "1.5", "1e-3", "1.0005e3", "1e400", "nan", "inf", "1__0", "many", ""])
def test_what_is_no_whole_number_is_named(text):
    with pytest.raises(ArgumentTypeError, match="is not a whole number from 1, such as 1e6 or 1_000_000"):
        quantities.n_items(text)


@pytest.mark.parametrize(("text", "expected"), [("0.95", 0.95), ("1", 1.0), (".5", 0.5)])
def test_shares(text, expected):
    assert quantities.share(text) == expected


@pytest.mark.parametrize("text", ["0", "95", "1.01", "-0.5", "nan", "95%"])
def test_what_is_no_share_is_named(text):
    with pytest.raises(ArgumentTypeError, match="is not a share above 0 and up to 1"):
        quantities.share(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2GB", 2e9), ("500MB", 5e8), ("1.5GiB", 1.5 * 2**30), ("64 kib", 65536), ("1_000B", 1000), ("1e3kB", 1e6)],
)
def test_bytes(text, expected):
    assert quantities.n_bytes(text) == expected


@pytest.mark.parametrize("text", ["2", "GB", "0GB", "-2GB", "2XB", "2 G B", "1e999GB", "1__0MB", "2ms", "", "nanGB"])
def test_what_is_no_number_of_bytes_is_named(text):
    with pytest.raises(ArgumentTypeError, match=r"is not a number of bytes above 0 with its unit, such as 2GB"):
        quantities.n_bytes(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("5ms", 0.005), ("10min", 600), ("30s", 30), ("1.5h", 5400), ("250us", 0.00025)]
)
def test_durations(text, expected):
    assert quantities.seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["5", "ms", "0s", "5GB", "5 years", "soon"])
def test_what_is_no_duration_is_named(text):
    with pytest.raises(ArgumentTypeError, match=r"is not a duration above 0 with its unit, such as 5ms"):
        quantities.seconds(text)
