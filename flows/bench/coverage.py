"""How often intervals hold the truth: drawn again and again from labelled data, with a model that stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.bench.known import Known
from tasks.evaluation import (
    METRICS,
    Estimate,
    active_draw,
    active_means,
    compare,
    confidence_sequence,
    estimate,
    look_level,
    measures,
    narrowed,
)
from tasks.evaluation.by_class import share_right
from tasks.evaluation.estimate import estimate_means, mean_loss, price_of_error
from tasks.evaluation.intervals import mid_p

Doubles = NDArray[np.float64]
Truth = dict[str, float]
# What an interval is of -> (low, high); the same names as its truth.
Ends = dict[str, tuple[float, float]]

LEVEL = 0.95
UNLABELLED = 2000
# Of the pool, what the model is least sure of; it is drawn this many times as often.
STRATUM, OFTENER = 0.2, 5.0


@dataclass
class Line:
    """What was found of one interval.

    Attributes
    ----------
    of, data, study : str
        The figure; the data set; how items were drawn or looked at.
    n, replays : int
        Items of an audit; audits.
    held, above : float
        Share of the replays in which the interval held the truth; lay above it as a whole.
    width : float
        Mean width.
    truth : float
    """

    of: str
    data: str
    study: str
    n: int
    truth: float
    replays: int = 0
    held: float = 0.0
    above: float = 0.0
    width: float = 0.0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0], repr=False)

    def add(self, low: float, high: float) -> None:
        """Count one replay."""
        self.replays += 1
        told = (low <= self.truth <= high, low > self.truth, high - low)
        self.sums = [total + one for total, one in zip(self.sums, told, strict=True)]
        self.held, self.above, self.width = (total / self.replays for total in self.sums)

    def to_json(self) -> dict[str, Any]:
        """Give all by name."""
        found = asdict(self)
        del found["sums"]
        return found


class Population:
    """A data set as the truth, and the draws from it."""

    def __init__(self, known: Known) -> None:
        self.known, self.y = known, known.y
        self.p, self.before = known.proba[-1], known.proba[-4]
        self.doubt = 1 - self.p.max(axis=1)
        unsure = self.doubt > np.quantile(self.doubt, 1 - STRATUM)
        self.chance = np.where(unsure, OFTENER, 1.0) / np.where(unsure, OFTENER, 1.0).sum()
        self.rarest = int(np.bincount(self.y).argmin())
        self.truth = self._truth()

    def _truth(self) -> Truth:
        found = {name: one.value for name, one in estimate(self.p, self.y).items()}
        everyone = np.ones((1, len(self.y)))
        found["ece"] = float(measures.calibration_error(self.p, self.y, everyone)[0])
        for name, one in self._of_the_rarest(self.p, self.y, np.ones(len(self.y))).items():
            found[name] = one.value
        found["difference of two models"] = compare(self.y, self.p, self.before).difference
        return found

    def _of_the_rarest(self, p: Doubles, y: NDArray[np.int64], w: Doubles) -> dict[str, Estimate]:
        """Estimate as `by_class` does, of one class: with 26 the others take their time."""
        said, heaviest = p.argmax(axis=1), float(w.max())
        wrong, of = (said != y).astype(np.float64), "of the rarest class"
        return {
            f"precision {of}": share_right(wrong, w, said == self.rarest, heaviest, LEVEL),
            f"recall {of}": share_right(wrong, w, y == self.rarest, heaviest, LEVEL),
        }

    def metrics(self, n: int, rng: np.random.Generator, chance: Doubles | None) -> Ends:
        """Estimate every figure from a draw; over-sampled where chances are given."""
        rows = rng.choice(len(self.y), n, p=chance)
        p, y, weight = self.p[rows], self.y[rows], None if chance is None else 1 / chance[rows]
        told = estimate(p, y, weight=weight)
        ends = {name: (told[name].low, told[name].high) for name in METRICS}
        own = np.ones(n) if weight is None else weight
        ends |= {name: (one.low, one.high) for name, one in self._of_the_rarest(p, y, own).items()}
        paired = compare(y, p, self.before[rows], weight=weight)
        return ends | {"difference of two models": (paired.low, paired.high)}

    def narrowed(self, n: int, rng: np.random.Generator) -> Ends:
        """Estimate with predictions on other items."""
        rows, others = rng.choice(len(self.y), n), rng.choice(len(self.y), UNLABELLED)
        told = narrowed(self.p[rows], self.y[rows], self.p[others])
        return {name: (one.low, one.high) for name, one in told.items()}

    def active(self, n: int, rng: np.random.Generator) -> Ends:
        """Estimate from draws that prefer unsure items of a random frame."""
        frame = rng.choice(len(self.y), UNLABELLED)
        taken = np.zeros(UNLABELLED, np.bool_)
        positions, q = active_draw(1 - rng.random(UNLABELLED), self.doubt[frame], taken, n)
        rows = frame[positions]
        told = active_means(self.p[rows], self.y[rows], q, UNLABELLED)
        return {name: (one.low, one.high) for name, one in told.items()}


def bench_coverage(
    known: Known, *, sizes: Sequence[int], replays: int, seed: int, tick: Callable[[str], None]
) -> Iterator[Line]:
    """Measure all intervals on one data set.

    Parameters
    ----------
    known
        The data set; items are drawn from it with replacement.
    sizes
        Items of an audit.
    replays
        Audits of each size and kind.
    seed
        Of the draws.
    tick
        Called before each study with what it is about.
    """
    population = Population(known)
    studies: dict[str, Callable[[int, np.random.Generator], Ends]] = {
        "uniform": lambda n, rng: population.metrics(n, rng, None),
        "over-sampled": lambda n, rng: population.metrics(n, rng, population.chance),
        "prediction-powered": population.narrowed,
        "active": population.active,
    }
    for study, replay in studies.items():
        for n in sizes:
            tick(f"{known.name}: {study}, {n} items")
            rng = np.random.default_rng([seed, n, list(studies).index(study)])
            lines: dict[str, Line] = {}
            for _ in range(replays):
                for name, (low, high) in replay(n, rng).items():
                    line = lines.setdefault(name, Line(name, known.name, study, n, population.truth[name]))
                    line.add(low, high)
            yield from lines.values()
    tick(f"{known.name}: sequences")
    yield from _sequences(population, max(sizes), replays, np.random.default_rng([seed, 99]))


def _sequences(population: Population, n: int, replays: int, rng: np.random.Generator) -> Iterator[Line]:
    """Look again and again, and stop at the first interval that leaves out the truth: nothing worse can be done.

    Stopping where the lower end exceeds a target is one of the ways to do that, at a target that is the truth.
    """
    looks = np.linspace(n / 10, n, 10).astype(int)
    name, accuracy = population.known.name, population.truth["accuracy"]
    betting = Line("accuracy", name, "one model, sequence by betting", n, accuracy)
    peeking = Line("accuracy", name, "one model, 95 % at each of 10 looks", n, accuracy)
    rounds, truths = _rounds(population)
    spent = {of: Line(of, name, "10 models, confidence sequence over rounds", n, 0.0) for of in truths}
    naive = Line("accuracy", name, "10 models, 95 % at each round", n, 0.0)
    prices = [price_of_error(proba) for proba in rounds]
    losses = [measures.log_losses(proba, population.y) for proba in rounds]
    hits = [(proba.argmax(axis=1) == population.y) for proba in rounds]
    levels = [look_level(k) for k in range(1, len(looks) + 1)]
    for _ in range(replays):
        rows = rng.choice(len(population.y), n)
        right = hits[-1][rows]
        low, high = confidence_sequence(right, level=LEVEL)
        betting.add(*_first_miss(list(zip(low, high, strict=True)), [accuracy] * n))
        seen = [mid_p(float(right[:look].sum()), float(look)) for look in looks]
        peeking.add(*_first_miss(seen, [accuracy] * len(looks)))
        counts = [float(hit[rows[:look]].sum()) for hit, look in zip(hits, looks, strict=True)]
        for line, own in ((spent["accuracy"], levels), (naive, [LEVEL] * len(looks))):
            told = [mid_p(k, float(look), level) for k, look, level in zip(counts, looks, own, strict=True)]
            line.add(*_first_miss(_around(told, truths["accuracy"]), [0.0] * len(looks)))
        told = [
            mean_loss(loss[rows[:look]], price[rows[:look]], np.ones(look), level)[1:]
            for loss, price, look, level in zip(losses, prices, looks, levels, strict=True)
        ]
        spent["log_loss"].add(*_first_miss(_around(told, truths["log_loss"]), [0.0] * len(looks)))
    yield from (betting, peeking, *spent.values(), naive)


def _around(ends: Sequence[tuple[float, float]], truths: Sequence[float]) -> list[tuple[float, float]]:
    """Take the truth of each round away: each has one of its own."""
    return [(low - truth, high - truth) for (low, high), truth in zip(ends, truths, strict=True)]


def _rounds(population: Population) -> tuple[Doubles, dict[str, list[float]]]:
    proba, y = population.known.proba, population.y
    everyone = [estimate_means(one, y, np.ones(len(y)), LEVEL) for one in proba]
    return proba, {of: [one[of].value for one in everyone] for of in ("accuracy", "log_loss")}


def _first_miss(ends: Sequence[tuple[float, float]], truths: Sequence[float]) -> tuple[float, float]:
    """Give the first interval that misses its truth; the last where none does."""
    pairs = zip(ends, truths, strict=True)
    return next(((low, high) for (low, high), truth in pairs if not low <= truth <= high), ends[-1])
