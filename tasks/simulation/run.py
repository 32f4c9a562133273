"""One campaign against known labels."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.grammar import Spec, parse
from tasks.simulation.choice import Labelled, choice_seed, choose, chooser, named
from tasks.simulation.data import LabelledData
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.scores import score_all
from tasks.simulation.split import Ints, Split, split
from tasks.simulation.training import Trainer, examples_of
from tasks.simulation.treatment import RANDOM, Treatment, model_specs
from tasks.strategies import Description
from tasks.strategies.describe import describe

if TYPE_CHECKING:
    from tasks.models import Examples, Model


@dataclass(frozen=True)
class Curve:
    """What one campaign of one arm showed.

    Attributes
    ----------
    strategy, model : str
        As they were asked for.
    repeat : int
    labels : list of int (steps,)
        Labels in hand at each measurement.
    metrics : dict of str to list of float (steps,)
        On the test part, by name.
    seconds_select : list of float (steps - 1,)
        Processor time of each choice on one thread: descriptions and a committee's training included, the
        model's own training not.
    seconds_train : list of float (steps,)
        Processor time of each step's training on one thread, the choice of the kind included.
    kinds : list of str (steps,)
        Kind of the model of each step: what ``auto`` chose, else what was asked for.
    cold_steps : int
        Choices that covered the pool because a class had too few labels.
    """

    strategy: str
    model: str
    repeat: int
    labels: list[int]
    metrics: dict[str, list[float]]
    seconds_select: list[float]
    seconds_train: list[float]
    kinds: list[str]
    cold_steps: int

    def to_json(self) -> dict[str, Any]:
        """Give all by name."""
        return asdict(self)


def run_repeat(data: LabelledData, treatment: Treatment, protocol: SimulationProtocol, repeat: int) -> Curve:
    """Run one campaign: train, measure, choose, until the budget or the pool ends.

    The model that is measured is the one that chooses. All runs on one thread, so that results depend on neither
    the machine nor what runs beside it.

    Parameters
    ----------
    data : LabelledData
    treatment : Treatment
        Strategy and model.
    protocol : SimulationProtocol
    repeat : int
        Decides split, first labels, noise and seeds, alike for all arms.

    Raises
    ------
    UsageError
        No such strategy or model, a strategy that needs what a simulation lacks, or a pool that is too small.
    """
    from threadpoolctl import threadpool_limits

    spec, model = parse(treatment.strategy), _model(treatment.model)
    # Sums of several threads may differ in their last bits, and their time is not this thread's.
    with threadpool_limits(limits=1):
        parts = split(data.y, len(data.classes), protocol, repeat)
        steps = protocol.fitted(len(parts.pool)).steps()
        campaign = _Campaign(data, spec, Trainer(data, model, parts.seed, steps), protocol, parts)
        for labels, then in zip(steps, [*steps[1:], None], strict=True):
            campaign.step(labels, None if then is None else then - labels)
    return campaign.curve(treatment, repeat, steps)


def full_pool(data: LabelledData, model: str, protocol: SimulationProtocol, repeat: int) -> dict[str, Any]:
    """Measure the model that all labels of the repeat's pool would give, with the noise that buying them has.

    Returns
    -------
    dict
        ``metrics`` by name, the ``kind`` of the model and ``seconds_train``.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        parts = split(data.y, len(data.classes), protocol, repeat)
        trainer = Trainer(data, _model(model), parts.seed, [len(parts.pool)])
        metrics = _measure(trainer.train(_first(parts, parts.pool)), data, parts)
    return {"metrics": metrics, "kind": trainer.kinds[0], "seconds_train": trainer.seconds[0]}


class _Campaign:
    """A campaign as it goes on."""

    def __init__(
        self, data: LabelledData, spec: Spec, trainer: Trainer, protocol: SimulationProtocol, parts: Split
    ) -> None:
        self.data, self.spec, self.trainer = data, spec, trainer
        self.protocol, self.parts = protocol, parts
        self.labelled = _first(parts, parts.first)
        self.free = np.setdiff1d(parts.pool, parts.first)
        self.measured: list[dict[str, float]] = []
        self.seconds: list[float] = []
        self.cold_steps = 0

    def step(self, labels: int, k: int | None) -> None:
        """Train, measure and, where k is given, choose so many and learn their labels."""
        model = self.trainer.train(self.labelled)
        self.measured.append(_measure(model, self.data, self.parts))
        if k is None:
            return
        begun = time.thread_time()
        rows, sources = self._choose(model, labels, k)
        self.seconds.append(time.thread_time() - begun)
        self.labelled = self.labelled.plus(rows, self.parts.answers[rows], sources)
        self.free = np.setdiff1d(self.free, rows)

    def curve(self, treatment: Treatment, repeat: int, steps: list[int]) -> Curve:
        """Give what was measured."""
        return Curve(
            strategy=treatment.strategy,
            model=treatment.model,
            repeat=repeat,
            labels=steps,
            metrics={name: [one[name] for one in self.measured] for name in self.measured[0]},
            seconds_select=self.seconds,
            seconds_train=self.trainer.seconds,
            kinds=self.trainer.kinds,
            cold_steps=self.cold_steps,
        )

    def _examples(self) -> Examples:
        return examples_of(self.data, self.labelled)

    def _choose(self, model: Model, labels: int, k: int) -> tuple[Ints, Any]:
        least = self.protocol.min_per_class
        cold = self.spec.name != RANDOM and self.labelled.too_few(self.data.classes, least)
        self.cold_steps += cold
        strategy = chooser(self.spec, self.data, cold=cold)
        seen = Description(self.data.space, None)
        if not cold:
            seen = describe(strategy, self.data.space, model, self._examples, self.trainer.setting)
        seed = choice_seed(self.parts.seed, labels)
        return choose(strategy, self.data, self.labelled, self.free, seen, k, seed)


def _model(text: str) -> Spec:
    (spec,) = model_specs(text)
    return spec


def _first(parts: Split, rows: Ints) -> Labelled:
    return Labelled(rows, parts.answers[rows], named("", len(rows)))


def _measure(model: Model, data: LabelledData, parts: Split) -> dict[str, float]:
    return score_all(model.predict(data.X[parts.test]), data.y[parts.test])
