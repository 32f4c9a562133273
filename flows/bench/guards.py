"""How often guards trip in ordinary campaigns, and whether they find what is planted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.drift import drift
from tasks.evaluation.guards import (
    USUAL,
    GuardSignal,
    constant_scores,
    drifted,
    one_class,
    worse_model,
)
from tasks.grammar import parse
from tasks.simulation.choice import Labelled, choice_seed, choose, chooser, named
from tasks.simulation.data import LabelledData
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.split import Ints, split
from tasks.simulation.training import Trainer, examples_of

if TYPE_CHECKING:
    from tasks.models import Examples, Model
    from tasks.strategies import Description, Strategy

NOTHING = "nothing"
PLANTED = {
    "model of one class": "one_class",
    "batch of the commonest class": "one_class",
    "scores of nearly one value": "constant_scores",
    "labels shuffled": "worse_model",
    "a column emptied in a third of the pool": "drift",
}
"""Faults, each with the guard that is to find it."""

_AUDIT = 0.1
_SAMPLE = 2_000
# The pool that the round before saw: the part that was there then.
_BEFORE = 0.8


@dataclass(frozen=True)
class Looked:
    """What one guard said of one round.

    Attributes
    ----------
    strategy : str
    planted : str
        The fault, or ``nothing``.
    repeat, round : int
    audit : int
        Audited items by then.
    signal : GuardSignal
    """

    strategy: str
    planted: str
    repeat: int
    round: int
    audit: int
    signal: GuardSignal


def bench_guards(
    data: LabelledData, strategies: Sequence[str], model: str, protocol: SimulationProtocol
) -> Iterator[Looked]:
    """Run campaigns, and look at each round as it is and with each fault in turn.

    Parameters
    ----------
    data : LabelledData
    strategies : sequence of str
        As ``strategy:`` in a campaign.
    model : str
        A kind of model.
    protocol : SimulationProtocol
        Beside its labels there is an audit of a tenth as many.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        for strategy in strategies:
            for repeat in range(protocol.repeats):
                yield from _Campaign(data, strategy, model, protocol, repeat).run()


@dataclass(frozen=True)
class _Seen:
    """One round as its guards see it."""

    number: int
    labelled: Labelled
    model: Model
    before: Model | None
    chosen: Ints
    scores: NDArray[np.float32] | None
    audit: Ints


class _Campaign:
    """A campaign with an audit, whose guards are asked in each round."""

    def __init__(
        self, data: LabelledData, strategy: str, model: str, protocol: SimulationProtocol, repeat: int
    ) -> None:
        self.data, self.strategy, self.repeat = data, strategy, repeat
        self.least = protocol.min_per_class
        parts = split(data.y, len(data.classes), protocol, repeat)
        self.seed, self.spec = parts.seed, parse(strategy)
        self.steps = protocol.fitted(len(parts.pool)).steps()
        self.trainer = Trainer(data, parse(model), parts.seed, self.steps)
        self.rng = np.random.default_rng(parts.seed % 2**63)
        rest = self.rng.permutation(np.setdiff1d(parts.pool, parts.first))
        self.audit = rest[: round(_AUDIT * self.steps[-1])]
        self.free = rest[len(self.audit) :]
        self.pool = self.free
        self.rows, self.sources = parts.first, named("", len(parts.first))

    def run(self) -> Iterator[Looked]:
        """Buy batch after batch."""
        before: Model | None = None
        for number, (labels, then) in enumerate(zip(self.steps[:-1], self.steps[1:], strict=True), start=1):
            labelled = Labelled(self.rows, self.data.y[self.rows], self.sources)
            model, _ = self.trainer.train(labelled)
            k = min(then - labels, len(self.free))
            audit = self.audit[: round(_AUDIT * labels)]
            chosen, sources, scores = self._choose(model, labelled, labels, k)
            seen = _Seen(number, labelled, model, before, chosen, scores, audit)
            for planted, signal in self._looked(seen):
                yield Looked(self.strategy, planted, self.repeat, number, len(audit), signal)
            self.rows = np.concatenate([self.rows, chosen])
            self.sources = np.concatenate([self.sources, sources])
            self.free, before = np.setdiff1d(self.free, chosen), model

    def _choose(
        self, model: Model, labelled: Labelled, labels: int, k: int
    ) -> tuple[Ints, NDArray[Any], NDArray[np.float32] | None]:
        """Choose a batch; gives the scores of the free items too, None where no model scores."""
        from tasks.strategies import Description
        from tasks.strategies.describe import describe

        random = self.spec.name == "random"
        cold = not random and labelled.too_few(self.data.classes, self.least)
        strategy = chooser(self.spec, self.data, cold=cold)
        seen = Description(self.data.space, None)
        if not cold:

            def examples() -> Examples:
                return examples_of(self.data, labelled)

            seen = describe(strategy, self.data.space, model, examples, self.trainer.setting)
        seed = choice_seed(self.seed, labels)
        rows, sources = choose(strategy, self.data, labelled, self.free, seen, k, seed)
        scores = None if cold or random else self._scores(strategy, seen, labelled, seed)
        return rows, sources, scores

    def _scores(
        self, strategy: Strategy, seen: Description, labelled: Labelled, seed: int
    ) -> NDArray[np.float32]:
        """Score the free items as the first stage of a round does, rounded as a round keeps them."""
        from tasks.strategies import score_needs, stages

        first, data = stages(strategy)[0], self.data
        candidates = seen.candidates(
            data.ids[self.free], data.X[self.free], score_needs(first),
            known_X=data.X[labelled.rows], known_classes=labelled.classes, known_sources=labelled.sources,
        )  # fmt: skip
        return np.asarray(first.score(candidates, np.random.default_rng(seed)), np.float32).round(5)

    def _looked(self, seen: _Seen) -> Iterator[tuple[str, GuardSignal]]:
        """Ask each guard, of the round as it is and with the fault that it is to find."""
        if seen.scores is not None:
            yield from self._classes(seen)
            scores = np.asarray(seen.scores)
            two = (scores > np.quantile(scores, 0.05)).astype(np.float32)
            for planted, values in ((NOTHING, scores), ("scores of nearly one value", two)):
                limit = USUAL["constant_scores"]
                yield planted, constant_scores(values, len(seen.chosen), len(self.free), limit=limit)
        if seen.before is not None and len(seen.audit):
            yield from self._models(seen)
        yield from self._pools(seen.number)

    def _classes(self, seen: _Seen) -> Iterator[tuple[str, GuardSignal]]:
        data, size = self.data, len(self.data.classes)
        sample = self.rng.permutation(self.free)[:_SAMPLE]
        pool = seen.model.predict(data.X[sample]).argmax(axis=1)
        batch = seen.model.predict(data.X[seen.chosen]).argmax(axis=1)
        commonest = np.bincount(pool).argmax()
        audit = np.bincount(data.y[seen.audit], minlength=size)
        for planted, chosen, there in (
            (NOTHING, batch, pool),
            ("model of one class", np.full_like(batch, commonest), np.full_like(pool, commonest)),
            ("batch of the commonest class", np.full_like(batch, commonest), pool),
        ):
            counts = [np.bincount(codes, minlength=size) for codes in (chosen, there)]
            yield planted, one_class(counts[0], audit, counts[1], data.classes, limit=USUAL["one_class"])

    def _models(self, seen: _Seen) -> Iterator[tuple[str, GuardSignal]]:
        from tasks.evaluation import compare, look_level
        from tasks.models import fit_model

        assert seen.before is not None
        data, level = self.data, look_level(seen.number)
        y = self.rng.permutation(seen.labelled.classes)
        wrong = examples_of(data, Labelled(seen.labelled.rows, y, seen.labelled.sources))
        spoiled = fit_model(self.trainer.kinds[-1], wrong, self.trainer.setting).model
        old = seen.before.predict(data.X[seen.audit])
        for planted, model in ((NOTHING, seen.model), ("labels shuffled", spoiled)):
            told = compare(data.y[seen.audit], model.predict(data.X[seen.audit]), old, level=level)
            yield (
                planted,
                worse_model(
                    told.difference,
                    told.high,
                    told.n,
                    level=level,
                    limit=USUAL["worse_model"],
                    before=seen.number - 1,
                ),
            )

    def _pools(self, number: int) -> Iterator[tuple[str, GuardSignal]]:
        """Let the pool grow by a fifth of items like the others, and empty the column that has most values."""
        X, ids = self.data.X[self.pool], self.data.ids[self.pool]
        order = np.random.default_rng([self.seed % 2**63, number]).permutation(len(X))
        # By one hash for both: the later sample is what has the smallest of all.
        came = self.rng.random(len(X)) > _BEFORE
        after, before = order[:_SAMPLE], order[~came[order]][:_SAMPLE]
        broken = X[after].copy()
        column = int(np.argmax([len(np.unique(values)) for values in X.T]))
        broken[: len(broken) // 3, column] = np.nan
        here = ids[after].tolist()
        changed = [f"{item} again" for item in here]
        for planted, items, rows in (
            (NOTHING, here, X[after]),
            ("a column emptied in a third of the pool", changed, broken),
        ):
            found = drift(ids[before].tolist(), X[before], items, rows, self.data.space.names, seed=0)
            told = {"why_not": found} if isinstance(found, str) else found.to_json()
            yield planted, drifted(told, limit=USUAL["drift"])
