"""The one table of tolerances, each with the measurement that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.agreement.climbs import Climb


@dataclass(frozen=True)
class Tolerance:
    """One limit.

    Attributes:
        limit: largest difference that passes.
        measured: largest difference seen over all families, backends and modes.
        meaning: what is compared, and how the difference is formed.
    """

    limit: float
    measured: float
    meaning: str


LADDER: Mapping[str, Tolerance] = MappingProxyType(
    {
        "round trip": Tolerance(0.0, 0.0, "export(init(p)) - p, absolute"),
        "forward": Tolerance(2e-6, 7.0e-7, "user and item vectors, relative to the largest element"),
        "gradients": Tolerance(5e-6, 2.2e-6, "relative to the parameter's largest gradient; slopes to their norms"),
        "loss": Tolerance(1e-6, 4.1e-7, "the first step's loss, relative"),
        "one step": Tolerance(5e-6, 3.6e-6, "parameters, absolute"),
        "trajectory": Tolerance(1e-5, 7.1e-6, "the losses of all steps, relative"),
        "parameters": Tolerance(5e-5, 2.7e-5, "all parameters after training, absolute"),
        "vectors": Tolerance(3e-5, 2.4e-5, "user and item vectors after training, relative to the largest element"),
        "restored": Tolerance(
            0.0, 0.0, "parameters and vectors of a state that was made of the exported parameters, absolute"
        ),
        "metrics": Tolerance(0.002, 0.0, "recall@10 of each user after training, mean of the absolute differences"),
    }
)
"""In the order in which the rungs are climbed. Measured with `agree` on an x86 CPU over all families, four frameworks
and two modes: of each rung the largest of the 448 climbs that the published page shows, of two seeds, with one thread
and with two, and of 765 climbs of all kinds in one seed. A limit is about twice the largest or more, for the rounding
of other machines, and that of the final vectors one and a quarter times. They are no wider because the smallest
injected bugs begin there."""


SPECIAL: Mapping[tuple[str, str], Tolerance] = MappingProxyType(
    {
        ("pairs", "forward"): Tolerance(3e-5, 1.0e-5, LADDER["forward"].meaning),
        ("pairs", "gradients"): Tolerance(6e-5, 2.8e-5, LADDER["gradients"].meaning),
        ("pairs", "vectors"): Tolerance(5e-4, 3.3e-4, LADDER["vectors"].meaning),
        ("extreme rows", "forward"): Tolerance(
            5e-4, 1.0e-4, "user and item vectors, each relative to its own largest element"
        ),
        ("extreme rows", "gradients"): Tolerance(3e-3, 8.9e-4, LADDER["gradients"].meaning),
        ("extreme rows", "loss"): Tolerance(1e-5, 1.2e-6, LADDER["loss"].meaning),
        ("extreme rows", "one step"): Tolerance(7e-4, 3.5e-4, LADDER["one step"].meaning),
        ("shifted rows", "forward"): Tolerance(2e-4, 8.2e-5, LADDER["forward"].meaning),
        ("shifted rows", "gradients"): Tolerance(5e-4, 2.0e-4, LADDER["gradients"].meaning),
        ("shifted rows", "loss"): Tolerance(1e-5, 8.5e-7, LADDER["loss"].meaning),
        ("shifted rows", "one step"): Tolerance(4e-4, 1.7e-4, LADDER["one step"].meaning),
        ("opposed rows", "loss"): Tolerance(1e-5, 1.7e-6, LADDER["loss"].meaning),
        ("lowered rows", "forward"): Tolerance(5e-4, 1.2e-4, LADDER["forward"].meaning),
        ("lowered rows", "gradients"): Tolerance(5e-4, 1.1e-4, LADDER["gradients"].meaning),
        ("lowered rows", "loss"): Tolerance(5e-6, 6.3e-7, LADDER["loss"].meaning),
        ("lowered rows", "one step"): Tolerance(1e-4, 2.1e-5, LADDER["one step"].meaning),
        ("long histories", "forward"): Tolerance(1e-5, 2.4e-6, LADDER["forward"].meaning),
        ("long histories", "gradients"): Tolerance(2e-5, 1.7e-6, LADDER["gradients"].meaning),
        ("long", "trajectory"): Tolerance(5e-5, 1.5e-5, LADDER["trajectory"].meaning),
        ("wide", "forward"): Tolerance(1e-5, 2.1e-6, LADDER["forward"].meaning),
        ("wide", "gradients"): Tolerance(1e-4, 4.6e-5, LADDER["gradients"].meaning),
        ("wide", "loss"): Tolerance(1e-5, 1.2e-6, LADDER["loss"].meaning),
        ("wide", "one step"): Tolerance(2e-5, 9.8e-6, LADDER["one step"].meaning),
    }
)
"""Where a kind of climb needs another limit, since rounding is magnified there: by attention scores of hundreds, by a
variance that is a thousandth of the mean's square, by sums over 60,000 places, thousands of steps or histories of 300
items, and in one pair of settings by towers whose output is short before it is normalised. Measured in one seed with
one thread."""

OF_FAMILY: Mapping[tuple[str, str, str], Tolerance] = MappingProxyType(
    {("bert4rec", "shifted rows", "gradients"): Tolerance(1.2e-3, 5.8e-4, LADDER["gradients"].meaning)}
)
"""Where one family needs another limit of a kind of climb: in BERT4Rec every norm stands behind another one, and each
magnifies the rounding of the one before. Measured as SPECIAL."""


def of(rung: str, climb: Climb) -> Tolerance:
    """The limit of a rung on a climb."""
    own = OF_FAMILY.get((climb.spec.model, climb.kind, rung))
    return own or SPECIAL.get((climb.kind, rung), LADDER[rung])


METRIC = Tolerance(0.002, 0.0, "largest difference of the primary metric between backends, same seed")
"""The verdict at the end of a run; measured on Online Retail and on the synthetic data."""

MARGIN = Tolerance(0.005, 0.0, "largest mean difference of the primary metric between backends over seeds, absolute")
"""Where one seed's figures are further apart than `METRIC`: of a training that magnifies rounding only the mean over
seeds can be compared. It is two and a half of that tolerance, and far below what any model gains by training."""
