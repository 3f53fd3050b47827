"""Which blocks are run on a data set that no suite is called after."""

import pytest

from benchmarks import suites


@pytest.mark.parametrize(
    ("name", "suite"),
    [
        ("yoochoose", suites.OWN_SESSIONS),
        ("diginetica", suites.OWN_SESSIONS),
        ("gowalla", suites.OWN_DATA),
        ("steam-libraries", suites.OWN_DATA),
        ("amazon-2023:Video_Games", suites.OWN_DATA),
        ("ml-20m", suites.OWN_DATA),
    ],
)
def test_data_sets_without_a_suite_of_their_name_have_that_of_files_like_theirs(name, suite):
    assert suites.suite_of(name) == suite
    assert {made.dataset for made in suites.for_datasets((name,), None)} == {name}


def test_of_data_without_times_only_protocols_run_that_need_none():
    (block,) = suites.for_datasets(("steam-libraries",), None)
    assert block.protocol["name"] == "leave-k-out"
    said = suites.chosen(("steam-libraries",), None, suites.Asked()).said
    assert any(sentence.startswith("steam-libraries: no column timestamp") for sentence in said)
    assert len(suites.for_datasets(("steam-reviews",), None)) == 2
