"""The page of a gate's proof: its figures, its picture, and that hostile names stay names."""

from benchmarks.gate.plants import DUE, ELSEWHERE, NOTHING
from benchmarks.gate.proof import Comparison
from reports.pages import proof


def compared(plant, verdict, n, *, place=DUE, cell="throughput · gru4rec · jax"):
    one = Comparison(
        plant=plant, cell=cell, figure="speed", place=place, verdict=verdict, ratio=0.9, pairs=6, machine="m-1",
        commit="c" * 40, load=0.02,
    )  # fmt: skip
    return [one] * n


FOUND = [
    *compared(NOTHING, "no worse", 99, place=ELSEWHERE),
    *compared(NOTHING, "improved", 1, place=ELSEWHERE),
    *compared("10 % slower", "regressed", 58),
    *compared("10 % slower", "undecided", 2),
    *compared("20 % slower", "regressed", 60),
]


def test_rates_stand_with_their_intervals_and_a_picture(tmp_path):
    page = proof.write(tmp_path, FOUND).read_text(encoding="utf-8")
    alarms = page[page.index('id="alarms"') : page.index('id="power"')]
    assert "1 of 100" in alarms
    assert "0.0% – 5.4%" in alarms
    power = page[page.index('id="power"') : page.index('id="cells"')]
    assert power.index("58 of 60") < power.index("60 of 60")
    assert '<td class="figure">2</td>' in power
    assert page.count("<figure") == 1
    assert "others kept 0.02 (nine of ten below 0.02) processors busy" in page
    assert "58 × regressed, 2 × undecided" in page


def test_the_same_comparisons_are_the_same_bytes_and_without_slow_downs_there_is_no_picture():
    assert proof.page(FOUND) == proof.page(FOUND)
    assert "<figure" not in proof.page(compared("Faiss probes half the lists", "regressed", 3))


def test_a_name_is_no_markup():
    page = proof.page(compared("10 % slower", "regressed", 1, cell="<script>alert(1)</script>"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
