"""One campaign against known labels."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.grammar import Spec, parse
from tasks.simulation.choice import Labelled, choice_seed, choose, chooser, describe, named, trainable
from tasks.simulation.data import LabelledData
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.scores import score_all
from tasks.simulation.split import Ints, Split, split

if TYPE_CHECKING:
    from tasks.models import Model

RANDOM = "random"


@dataclass(frozen=True)
class Curve:
    """What one campaign of one arm showed.

    Attributes
    ----------
    strategy : str
        As it was asked for.
    repeat : int
    labels : list of int (steps,)
        Labels in hand at each measurement.
    metrics : dict of str to list of float (steps,)
        On the test part, by name.
    seconds_select : list of float (steps - 1,)
        Processor time of each choice on one thread: descriptions and a committee's training included, the
        model's own training not.
    cold_steps : int
        Choices that covered the pool because a class had too few labels.
    """

    strategy: str
    repeat: int
    labels: list[int]
    metrics: dict[str, list[float]]
    seconds_select: list[float]
    cold_steps: int

    def to_json(self) -> dict[str, Any]:
        """Give all by name."""
        return asdict(self)


def run_repeat(data: LabelledData, strategy: str, protocol: SimulationProtocol, repeat: int) -> Curve:
    """Run one campaign: train, measure, choose, until the budget or the pool ends.

    The model that is measured is the one that chooses. All runs on one thread, so that results depend on neither
    the machine nor what runs beside it.

    Parameters
    ----------
    data : LabelledData
    strategy : str
        As `tasks.grammar` reads it.
    protocol : SimulationProtocol
    repeat : int
        Decides split, first labels, noise and seeds, alike for all strategies.

    Raises
    ------
    UsageError
        No such strategy, one that needs what a simulation lacks, or a pool that is too small.
    """
    from threadpoolctl import threadpool_limits

    spec = parse(strategy)
    # Sums of several threads may differ in their last bits, and their time is not this thread's.
    with threadpool_limits(limits=1):
        campaign = _Campaign(data, spec, protocol, split(data.y, len(data.classes), protocol, repeat))
        steps = protocol.fitted(len(campaign.parts.pool)).steps()
        for labels, then in zip(steps, [*steps[1:], None], strict=True):
            campaign.step(labels, None if then is None else then - labels)
    metrics = {name: [one[name] for one in campaign.measured] for name in campaign.measured[0]}
    return Curve(strategy, repeat, steps, metrics, campaign.seconds, campaign.cold_steps)


def full_pool(data: LabelledData, protocol: SimulationProtocol, repeat: int) -> dict[str, float]:
    """Measure the model that all labels of the repeat's pool would give, with the noise that buying them has."""
    parts = split(data.y, len(data.classes), protocol, repeat)
    return _measure(_train(data, _first(parts, parts.pool), parts.seed), data, parts)


class _Campaign:
    """A campaign as it goes on."""

    def __init__(self, data: LabelledData, spec: Spec, protocol: SimulationProtocol, parts: Split) -> None:
        self.data, self.spec, self.protocol, self.parts = data, spec, protocol, parts
        self.labelled = _first(parts, parts.first)
        self.free = np.setdiff1d(parts.pool, parts.first)
        self.measured: list[dict[str, float]] = []
        self.seconds: list[float] = []
        self.cold_steps = 0

    def step(self, labels: int, k: int | None) -> None:
        """Train, measure and, where k is given, choose so many and learn their labels."""
        model = _train(self.data, self.labelled, self.parts.seed)
        self.measured.append(_measure(model, self.data, self.parts))
        if k is None:
            return
        begun = time.thread_time()
        rows, sources = self._choose(model, labels, k)
        self.seconds.append(time.thread_time() - begun)
        self.labelled = self.labelled.plus(rows, self.parts.answers[rows], sources)
        self.free = np.setdiff1d(self.free, rows)

    def _choose(self, model: Model, labels: int, k: int) -> tuple[Ints, Any]:
        least = self.protocol.min_per_class
        cold = self.spec.name != RANDOM and self.labelled.too_few(self.data.classes, least)
        self.cold_steps += cold
        strategy = chooser(self.spec, self.data, cold=cold)
        seen = describe(strategy, self.data, self.labelled, None if cold else model, self.parts.seed)
        seed = choice_seed(self.parts.seed, labels)
        return choose(strategy, self.data, self.labelled, self.free, seen, k, seed)


def _first(parts: Split, rows: Ints) -> Labelled:
    return Labelled(rows, parts.answers[rows], named("", len(rows)))


def _train(data: LabelledData, labelled: Labelled, seed: int) -> Model:
    from tasks.models import train

    return train(**trainable(data, labelled, seed), device="cpu")


def _measure(model: Model, data: LabelledData, parts: Split) -> dict[str, float]:
    return score_all(model.predict(data.X[parts.test]), data.y[parts.test])
