"""A simulated campaign with an audit stream, step by step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation import METRICS
from tasks.evaluation.forecast.subsample import subsets
from tasks.grammar import Spec
from tasks.models.refit import refit
from tasks.pool.sampling import purpose_key
from tasks.simulation.choice import Labelled, choice_seed, choose, chooser, named
from tasks.simulation.data import LabelledData
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.scores import score_all
from tasks.simulation.split import Split
from tasks.simulation.training import Trainer, examples_of
from tasks.simulation.treatment import RANDOM
from tasks.strategies import Description
from tasks.strategies.describe import describe

if TYPE_CHECKING:
    from tasks.models import Examples, Model

POOL_ITEMS = 2_000
# A real pool is far larger than what is bought of it. Were the sample free to be bought, much of it would be.
POOL_SHARE = 0.3
# Sub-sampled models a step: those of `subsets`.
_SUBSETS = len(subsets(1_000, 0))


class StreamedCampaign:
    """A campaign with an audit stream as it goes on.

    Attributes
    ----------
    audit, sample : int64
        Rows of the data that are audited, in order of purchase, and that stand for the pool.
    first : int64
        The first labels, the audit's among them.
    random_rows : int64
        All rows of the campaign that were drawn at random.
    buyable : int64
        Rows that a strategy may choose from at the beginning.
    """

    def __init__(
        self, data: LabelledData, spec: Spec, model: Spec, protocol: SimulationProtocol, parts: Split,
        steps: list[int], audit_share: float,
    ) -> None:  # fmt: skip
        self.data, self.spec, self.protocol, self.parts, self.steps = data, spec, protocol, parts, steps
        self.trainer = Trainer(data, model, parts.seed, steps)
        self.audited = np.array([round(audit_share * labels) for labels in steps], np.int64)
        self.trained = np.array(steps, np.int64) - self.audited
        # The first labels are the head of this order, so what follows them is a uniform draw of the rest.
        rest = np.setdiff1d(parts.pool, parts.first)
        order = _draw(parts.seed, "audit").permutation(rest)
        first = _draw(parts.seed, "first of all").permutation(parts.first)
        self.first = first
        self.audit = np.concatenate([first[: self.audited[0]], order[: self.audited[-1] - self.audited[0]]])
        self.rows = first[self.audited[0] :]
        self.sources = named("", len(self.rows))
        free = np.setdiff1d(rest, self.audit)
        size = min(POOL_ITEMS, int(POOL_SHARE * len(free)))
        self.sample = _draw(parts.seed, "sample of the pool").permutation(free)[:size]
        self.free = np.setdiff1d(free, self.sample)
        self.buyable = self.free
        # All random labels of the campaign: what a random arm begins with.
        self.random_rows = np.concatenate([self.rows, self.audit])
        self.kept: dict[str, list[NDArray[Any]]] = {}
        self.seconds_subsets: list[float] = []

    def step(self, step: int) -> None:
        """Train, keep what is seen, and buy the next batch."""
        data = self.data
        labelled = Labelled(self.rows, data.y[self.rows], self.sources)
        model, unseen = self.trainer.train(labelled)
        self._keep("audit_proba", model.predict(data.X[self.audit]))
        self._keep("pool_proba", model.predict(data.X[self.sample]))
        self._keep("test", self.score(model))
        padded = np.full((self.trained[-1], len(data.classes)), np.nan, np.float32)
        if unseen is not None:
            padded[: len(unseen)] = unseen
        self._keep("unseen", padded)
        begun = time.thread_time()
        self._subsets(model, labelled)
        self.seconds_subsets.append(round(time.thread_time() - begun, 2))
        if step + 1 < len(self.steps):
            self._buy(model, labelled, self.steps[step], int(self.trained[step + 1] - self.trained[step]))

    def _subsets(self, model: Model, labelled: Labelled) -> None:
        """Train again on random subsets; where there are none, zeros stand for them."""
        data, width = self.data, len(self.data.classes)
        examples = examples_of(data, labelled)
        sizes, test = np.zeros(_SUBSETS, np.int64), np.full((_SUBSETS, len(METRICS)), np.nan)
        audit = np.zeros((_SUBSETS, len(self.audit), width), np.float32)
        pool = np.zeros((_SUBSETS, len(self.sample), width), np.float16)
        for number, rows in enumerate(subsets(len(self.rows), self.parts.seed)):
            one = refit(model, examples.take(rows), self.trainer.setting)
            sizes[number], test[number] = len(rows), self.score(one)
            audit[number] = one.predict(data.X[self.audit])
            pool[number] = one.predict(data.X[self.sample])
        kept: dict[str, NDArray[Any]] = {
            "sub_sizes": sizes,
            "sub_audit": audit,
            "sub_pool": pool,
            "sub_test": test,
        }
        for name, array in kept.items():
            self._keep(name, array)

    def _buy(self, model: Model, labelled: Labelled, labels: int, k: int) -> None:
        cold = self.spec.name != RANDOM and labelled.too_few(self.data.classes, self.protocol.min_per_class)
        strategy = chooser(self.spec, self.data, cold=cold)
        seen = Description(self.data.space, None)
        if not cold:

            def examples() -> Examples:
                return examples_of(self.data, labelled)

            seen = describe(strategy, self.data.space, model, examples, self.trainer.setting)
        seed = choice_seed(self.parts.seed, labels)
        rows, sources = choose(strategy, self.data, labelled, self.free, seen, min(k, len(self.free)), seed)
        self.rows = np.concatenate([self.rows, rows])
        self.sources = np.concatenate([self.sources, sources])
        self.free = np.setdiff1d(self.free, rows)

    def draw(self, purpose: str) -> np.random.Generator:
        """Give random numbers of a purpose."""
        return _draw(self.parts.seed, purpose)

    def score(self, model: Model) -> NDArray[np.float64]:
        """Measure a model on the test part, float64 (metrics,)."""
        found = score_all(model.predict(self.data.X[self.parts.test]), self.data.y[self.parts.test])
        return np.array([found[metric] for metric in METRICS])

    def _keep(self, name: str, one: NDArray[Any]) -> None:
        self.kept.setdefault(name, []).append(one)

    def told(self) -> dict[str, Any]:
        """Give what is kept as text: kinds and times by step."""
        seconds = [round(one, 2) for one in self.trainer.seconds]
        return {
            "kinds": self.trainer.kinds,
            "seconds_train": seconds,
            "seconds_subsets": self.seconds_subsets,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give what was seen."""
        y = self.data.y
        return {
            "labels": np.array(self.steps, np.int64), "trained": self.trained, "audited": self.audited,
            "audit_y": y[self.audit], "pool_y": y[self.sample], "rows": self.rows, "rows_y": y[self.rows],
            "first": np.array(self.trained[0]), **{name: np.stack(kept) for name, kept in self.kept.items()},
        }  # fmt: skip


def _draw(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(purpose_key(seed, purpose))
