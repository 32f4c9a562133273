"""What each item adds to the figures of a multi-label model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation import measures
from tasks.evaluation.by_class import share_right
from tasks.evaluation.estimate import Estimate, mean_loss
from tasks.evaluation.influence import Linear, mean_of, of_ranking
from tasks.evaluation.intervals import share
from tasks.truth.labelset import Indicators

Doubles = NDArray[np.float64]

METRICS_OF_SETS = (
    "micro_f1", "macro_f1", "hamming_accuracy", "subset_accuracy", "mean_average_precision", "log_loss",
)  # fmt: skip
METRICS_OF_A_LABEL = ("f1", "average_precision", "log_loss")


class Parts:
    """What each item adds to each figure."""

    def __init__(self, p: Doubles, truth: Indicators, w: Doubles) -> None:
        self.p, self.truth, self.w = p, truth, w
        self.said, self.here = p >= 0.5, truth == 1
        self.wrong = self.said != self.here
        self.losses = -np.log(np.clip(np.where(self.here, p, 1 - p), measures.SMALLEST, 1))
        self.prices = -np.log(np.clip(np.minimum(p, 1 - p), measures.SMALLEST, 1))
        labels = range(p.shape[1])
        self.precisions = [self._precision(label) for label in labels]

    def _precision(self, label: int) -> Linear | None:
        here = self.here[:, label]
        if not 0 < int(here.sum()) < len(here):
            return None
        return dict(of_ranking(self.p[:, label], here, self.w))["average_precision"]

    def of_label(self, label: int, level: float) -> dict[str, Estimate]:
        """Give the values of `METRICS_OF_A_LABEL`."""
        wrong, group = self.wrong[:, label].astype(np.float64), self.said[:, label] | self.here[:, label]
        # Of the items that have it or are said to, the share j that is right gives F1 = 2 j / (1 + j).
        hits = share_right(wrong, self.w, group, float(self.w.max()), level)
        f1 = Estimate(_f1(hits.value), _f1(hits.low), _f1(hits.high), len(self.w))
        found = self.precisions[label]
        loss = mean_loss(self.losses[:, label], self.prices[:, label], self.w, level)
        return {
            "f1": f1,
            "average_precision": self._one("average_precision", _metric(found, level)),
            "log_loss": self._one("log_loss", loss),
        }

    def overall(self, level: float) -> dict[str, Estimate]:
        """Give the values of `METRICS_OF_SETS`."""
        told = [one for one in self.precisions if one is not None]
        precision = mean_of(told, len(self.precisions)) if told else None
        subset = self.wrong.any(axis=1).astype(np.float64)
        low, high = share(subset, self.w, float(self.w.max()), level)
        found = {
            "micro_f1": _metric(self._micro_f1(), level),
            "macro_f1": _metric(self._macro_f1(), level),
            "hamming_accuracy": _metric(self._hamming(), level),
            "subset_accuracy": (1 - float(self.w @ subset / self.w.sum()), 1 - high, 1 - low),
            "mean_average_precision": _metric(precision, level),
            "log_loss": mean_loss(self.losses.mean(axis=1), self.prices.mean(axis=1), self.w, level),
        }
        return {name: self._one(name, found[name]) for name in METRICS_OF_SETS}

    def by_class(self, level: float) -> dict[str, list[Estimate]]:
        """Give precision and recall of each label."""
        heaviest = float(self.w.max())
        return {
            name: [
                share_right(wrong.astype(np.float64), self.w, group, heaviest, level)
                for wrong, group in zip(self.wrong.T, groups.T, strict=True)
            ]
            for name, groups in (("precision", self.said), ("recall", self.here))
        }

    def _micro_f1(self) -> Linear | None:
        hits, both = (self.said & self.here).sum(axis=1), self.said.sum(axis=1) + self.truth.sum(axis=1)
        total = float(self.w @ both)
        if not total:
            return None
        value = 2 * float(self.w @ hits) / total
        # One more item of the usual number of labels that misses one of them.
        unseen = float(self.w.max()) / float(self.w @ self.here.any(axis=1) or self.w.max())
        return Linear(1 - value, -self.w * (2 * hits - value * both) / total, min(1.0, unseen), 1, 0)

    def _macro_f1(self) -> Linear | None:
        both = self.w @ self.said + self.w @ self.truth
        known = both > 0
        if not known.any():
            return None
        hits = (self.said & self.here)[:, known]
        each = (self.said.astype(np.int64) + self.truth)[:, known]
        f1 = 2 * (self.w @ hits) / both[known]
        influence = -self.w * ((2 * hits - f1 * each) / both[known]).mean(axis=1)
        there = self.w @ self.truth[:, known]
        rarest = float(there[there > 0].min()) if (there > 0).any() else float(self.w.max())
        unseen = min(1.0, float(self.w.max()) / rarest) / len(f1)
        missing = int(np.sum(~known))
        return Linear(1 - float(f1.mean()), influence, unseen, len(f1), missing)

    def _hamming(self) -> Linear:
        parts, losses = self.w / self.w.sum(), self.wrong.mean(axis=1)
        value = float(parts @ losses)
        # Where no pair was wrong, an item may still have one that is.
        return Linear(value, parts * (losses - value), float(parts.max()), 1, 0)

    def _one(self, name: str, found: tuple[float, float, float]) -> Estimate:
        value, low, high = found
        top = float("inf") if name == "log_loss" else 1.0
        if len(self.w) < 2:
            return Estimate(value, 0.0, top, len(self.w))
        low, high = max(0.0, min(low, value)), min(top, max(high, value))
        return Estimate(value, low if low == low else 0.0, high if high == high else top, len(self.w))


def _metric(found: Linear | None, level: float) -> tuple[float, float, float]:
    return (float("nan"), 0.0, 1.0) if found is None else found.metric(level)


def _f1(share_of_hits: float) -> float:
    return 2 * share_of_hits / (1 + share_of_hits)
