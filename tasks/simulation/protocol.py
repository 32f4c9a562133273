"""How a simulation runs: the settings that all arms share."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from tasks.errors import UsageError
from tasks.evaluation import METRICS
from tasks.simulation.vendors import vendors_of

# What one repeat of one arm depends on; more repeats or another metric find the same results again.
_OF_A_REPEAT = (
    "seed_labels",
    "batch",
    "budget",
    "test_fraction",
    "noise",
    "vendors",
    "seed",
    "min_per_class",
)


@dataclass(frozen=True)
class SimulationProtocol:
    """Settings of a simulation.

    Attributes
    ----------
    seed_labels : int
        Answers for items drawn at random before the first choice; each curve begins there.
    batch : int
        Answers bought a step: labels, where each item gets one.
    budget : int
        Answers in all, the first ones among them.
    repeats : int
        Campaigns an arm, each with a split, first labels and seed of its own.
    test_fraction : float
        Share of the items that only measures, 0 to 1.
    noise : float
        Chance that a label of the pool part is answered with another class. The test part is never wrong.
    vendors : str
        Vendors with error rates of their own, instead of `noise`: see `tasks.simulation.vendors.vendors_of`.
    metric : str
        The one that is reported, of `tasks.evaluation.METRICS`; all are recorded.
    seed : int
        Of everything that is drawn.
    min_per_class : int
        Labels of each class below which a round covers the pool instead of asking the strategy.

    Raises
    ------
    UsageError
        A setting out of its range, or settings that do not fit together.
    """

    seed_labels: int = 20
    batch: int = 25
    budget: int = 500
    repeats: int = 10
    test_fraction: float = 0.4
    noise: float = 0.0
    vendors: str = ""
    metric: str = "accuracy"
    seed: int = 0
    min_per_class: int = 2

    def __post_init__(self) -> None:
        for name in ("seed_labels", "batch", "budget", "repeats", "min_per_class"):
            if getattr(self, name) < 1:
                raise UsageError(f"{_option(name)} must be at least 1, not {getattr(self, name)}.")
        if not 0 < self.test_fraction < 1:
            raise UsageError(
                f"{_option('test_fraction')} must lie between 0 and 1, both excluded, not {self.test_fraction:g}."
            )
        if not 0 <= self.noise < 1:
            raise UsageError(f"{_option('noise')} must be at least 0 and below 1, not {self.noise:g}.")
        if vendors_of(self.vendors) and self.noise:
            raise UsageError("--noise and --vendors both say how often answers are wrong: give one of them.")
        if self.metric not in METRICS:
            raise UsageError(f"There is no metric {self.metric!r}; there are: {', '.join(METRICS)}.")
        if self.budget <= self.seed_labels:
            raise UsageError(
                f"--budget {self.budget} leaves nothing to choose after --seed-labels {self.seed_labels}: "
                "the budget counts the first labels too. Raise it, or begin with fewer."
            )

    def fitted(self, pool: int) -> SimulationProtocol:
        """Cut the budget to a pool of so many items.

        Raises
        ------
        UsageError
            The pool is too small for the first labels and one batch.
        """
        if self.seed_labels + self.batch > pool:
            raise UsageError(
                f"--seed-labels {self.seed_labels} and one --batch of {self.batch} need more than the {pool} items "
                f"that --test-fraction {self.test_fraction:g} leaves in the pool. Make them smaller."
            )
        return replace(self, budget=min(self.budget, pool))

    def steps(self) -> list[int]:
        """Give the labels at which a curve is measured: from the seed labels to the budget."""
        return [*range(self.seed_labels, self.budget, self.batch), self.budget]

    def of_a_repeat(self) -> dict[str, Any]:
        """Give the settings that one repeat of one arm depends on."""
        return {name: getattr(self, name) for name in _OF_A_REPEAT}

    def to_json(self) -> dict[str, Any]:
        """Give all settings by name."""
        return asdict(self)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
