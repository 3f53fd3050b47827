"""The page of a gate's proof: its figures, its picture, and that hostile names stay names."""

from benchmarks.gate.plants import DUE, ELSEWHERE, NOTHING
from benchmarks.gate.proof import Comparison
from reports.pages import proof


def compared(plant, verdict, n, *, place=DUE, cell="throughput · gru4rec · jax", **more):
    one = Comparison(
        plant=plant, cell=cell, figure="speed", place=place, verdict=verdict, ratio=0.9, pairs=6, machine="m-1",
        commit="c" * 40, **{"load": 0.02, **more},
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
    alarms, power = page[page.index('id="quiet"') : page.index('id="cells"')].split("What is found")
    assert "1 of 100" in alarms
    assert "0.0% – 5.4%" in alarms
    assert power.index("58 of 60") < power.index("60 of 60")
    assert '<td class="figure">2</td>' in power
    assert page.count("<figure") == 1
    assert "others kept 0.02 (nine of ten below 0.02) processors busy in the median" in page
    assert "58 × regressed, 2 × undecided" in page


def test_the_same_comparisons_are_the_same_bytes_and_without_slow_downs_there_is_no_picture():
    assert proof.page(FOUND) == proof.page(FOUND)
    assert "<figure" not in proof.page(compared("Faiss probes half the lists", "regressed", 3))


def test_a_name_is_no_markup():
    page = proof.page(compared("10 % slower", "regressed", 1, cell="<script>alert(1)</script>"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_busy_machine_has_tables_and_a_picture_of_its_own():
    busy = [
        *compared(NOTHING, "undecided", 7, place=ELSEWHERE, load=1.4),
        *compared("10 % slower", "undecided", 3, load=1.6),
    ]
    page = proof.page([*FOUND, *busy])
    assert 'id="busy"' not in proof.page(FOUND)
    quiet, of_busy = page[: page.index('id="costs"') if 'id="costs"' in page else page.index('id="cells"')].split(
        'id="busy"'
    )
    assert "1 of 100" in quiet
    assert "0 of 7" not in quiet
    assert "0 of 7" in of_busy
    assert "0 of 3" in of_busy
    assert "while others kept 0.5 processors or more busy" in of_busy
    assert "they kept 1.40 (nine of ten below 1.60) busy" in of_busy
    assert page.count("<figure") == 2
    assert "10 % slower, on a busy machine" in page


def test_what_a_gate_takes_is_the_sum_over_its_cells():
    cells = [
        *compared(NOTHING, "no worse", 2, place=ELSEWHERE, cell="a", seconds=10.0),  # of 6 pairs each
        *compared(NOTHING, "no worse", 1, place=ELSEWHERE, cell="b", seconds=2.0),
        *compared(NOTHING, "no worse", 1, place=ELSEWHERE, cell="of an older gate"),
        *compared(NOTHING, "no worse", 1, place=ELSEWHERE, cell="a", seconds=99.0, load=1.5),
    ]
    rows = [(row.cell, row.pair, row.pairs, row.usual, row.most) for row in proof._cost_rows(cells[:4])]
    assert rows == [("a", 10, 6, 60, 320), ("b", 2, 6, 12, 64), ("all of them", 12, None, 72, 384)]
    assert ">384</td>" in proof.page(cells)
    assert 'id="costs"' not in proof.page(FOUND)
