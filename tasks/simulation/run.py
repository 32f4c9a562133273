"""One campaign against known labels."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.grammar import Spec, parse
from tasks.simulation.choice import Labelled, choice_seed, choose, chooser, named
from tasks.simulation.data import LabelledData
from tasks.simulation.held import Held
from tasks.simulation.labeling import MAJORITY, Labeling, labeling_of
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.scores import score_all
from tasks.simulation.split import Ints, Split, split
from tasks.simulation.training import Floats, Trainer, examples_of
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
        Answers paid for at each measurement, at most: labels in hand, where an item gets one. Fewer than an item's
        overlap may be left over.
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
    labeling : str
        As it was asked for.
    items : list of int (steps,)
        Items that have answers.
    right : list of float (steps,)
        Share of their labels that are true.
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
    labeling: str = MAJORITY
    items: list[int] = field(default_factory=list)
    right: list[float] = field(default_factory=list)

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
    labeling = labeling_of(treatment.labeling)
    # Sums of several threads may differ in their last bits, and their time is not this thread's.
    with threadpool_limits(limits=1):
        parts = split(data.y, len(data.classes), protocol, repeat)
        steps = protocol.fitted(len(parts.pool)).steps()
        campaign = _Campaign(data, spec, Trainer(data, model, parts.seed, steps), labeling, protocol, parts)
        for labels, then in zip(steps, [*steps[1:], None], strict=True):
            campaign.step(labels, then)
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
        told = Labelled(parts.pool, parts.answers[parts.pool], named("", len(parts.pool)))
        metrics = _measure(trainer.train(told)[0], data, parts)
    return {"metrics": metrics, "kind": trainer.kinds[0], "seconds_train": trainer.seconds[0]}


class _Campaign:
    """A campaign as it goes on."""

    def __init__(
        self, data: LabelledData, spec: Spec, trainer: Trainer, labeling: Labeling,
        protocol: SimulationProtocol, parts: Split,
    ) -> None:  # fmt: skip
        self.data, self.spec, self.trainer, self.labeling = data, spec, trainer, labeling
        self.protocol, self.parts = protocol, parts
        self.held = Held.nothing(parts.desk)
        self.free = parts.pool
        # What the last model says of the held items, without having learnt from them.
        self.seen: Floats | None = None
        self._take(parts.first[: len(parts.first) // labeling.overlap or 1], None)
        self.measured: list[dict[str, float]] = []
        self.items: list[int] = []
        self.right: list[float] = []
        self.seconds: list[float] = []
        self.cold_steps = 0

    def step(self, labels: int, then: int | None) -> None:
        """Believe, train, measure and, up to `then` answers, buy more."""
        labelled = self.held.labelled(self.held.believed(self.labeling, self.seen))
        model, self.seen = self.trainer.train(labelled)
        self.measured.append(_measure(model, self.data, self.parts))
        self.items.append(len(labelled.rows))
        self.right.append(float((labelled.classes == self.data.y[labelled.rows]).mean()))
        if then is None:
            return
        begun = time.thread_time()
        again, rows, sources = self._choose(model, labelled, labels, then - len(self.held.answers))
        self.seconds.append(time.thread_time() - begun)
        self.held = self.held.again(again, self.parts.desk)
        self._take(rows, model, sources)

    def _take(self, rows: Ints, model: Model | None, sources: NDArray[Any] | None = None) -> None:
        """Buy first answers for fresh items."""
        told = named("", len(rows)) if sources is None else sources
        self.held = self.held.first(rows, told, self.labeling.overlap, self.parts.desk)
        self.free = np.setdiff1d(self.free, rows)
        if self.seen is not None and model is not None and len(rows):
            self.seen = np.concatenate([self.seen, model.predict(self.data.X[rows])])

    def curve(self, treatment: Treatment, repeat: int, steps: list[int]) -> Curve:
        """Give what was measured."""
        return Curve(
            strategy=treatment.strategy,
            model=treatment.model,
            labeling=treatment.labeling,
            repeat=repeat,
            labels=steps,
            items=self.items,
            right=self.right,
            metrics={name: [one[name] for one in self.measured] for name in self.measured[0]},
            seconds_select=self.seconds,
            seconds_train=self.trainer.seconds,
            kinds=self.trainer.kinds,
            cold_steps=self.cold_steps,
        )

    def _choose(
        self, model: Model, labelled: Labelled, labels: int, k: int
    ) -> tuple[Ints, Ints, NDArray[Any]]:
        """Choose which items get one more answer, and which fresh ones their first; k answers in all."""
        again, k = self._again(model, k)
        k = min(k // self.labeling.overlap, len(self.free))
        if not k:
            return again, np.zeros(0, np.int64), named("", 0)
        least = self.protocol.min_per_class
        cold = self.spec.name != RANDOM and labelled.too_few(self.data.classes, least)
        self.cold_steps += cold
        strategy = chooser(self.spec, self.data, cold=cold)
        seen = Description(self.data.space, None)
        if not cold:

            def examples() -> Examples:
                return examples_of(self.data, labelled)

            seen = describe(strategy, self.data.space, model, examples, self.trainer.setting)
        seed = choice_seed(self.parts.seed, labels)
        return again, *choose(strategy, self.data, labelled, self.free, seen, k, seed)

    def _again(self, model: Model, k: int) -> tuple[Ints, int]:
        """Choose items that get one more answer; gives how many answers are left, too."""
        if self.labeling.relabel == "off" or self.seen is None:
            return np.zeros(0, np.int64), k
        belief = self.held.believed(self.labeling, self.seen)
        found = self.held.planned(belief, model.predict(self.data.X[self.free]), k, self.labeling)
        return found.again, found.fresh


def _model(text: str) -> Spec:
    (spec,) = model_specs(text)
    return spec


def _measure(model: Model, data: LabelledData, parts: Split) -> dict[str, float]:
    return score_all(model.predict(data.X[parts.test]), data.y[parts.test])
