"""What each item adds to a metric that is no mean: the metric to first order, for `tasks.evaluation.intervals.skewed`.

All is on the scale of losses, 1 - metric, since it is errors that are rare.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.intervals import Ends, effective, mid_p, skewed

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

# What one more item may do to a ranking of n of its side: a loss of this over the square root of n, at most `_WORST`.
# Found by the coverage on five data sets (docs/measurement.md); a ranking of few items may be right by chance.
_UNSEEN = {"auc": 2.5, "average_precision": 5.0}
_WORST = {"auc": 0.5, "average_precision": 1.0}
_FEW = 3.0


@dataclass(frozen=True)
class Linear:
    """A mean over classes and, to first order, over items.

    Attributes
    ----------
    loss : float
        1 - metric.
    influence : float64 (n,)
        What each item adds to the loss.
    unseen : float
        What one more item may add.
    classes, missing : int
        Classes that the mean is over, and classes that could not be measured.
    bias : float
        By how much the loss lies above the truth on average, as the jackknife has it; 0 where none is removed.
    scarce : float
        Effective items of the rarer side of a single ranking. Fewer than three do not tell how much they differ: the
        interval is then at least that of a share of as many.
    """

    loss: float
    influence: Doubles
    unseen: float
    classes: int
    missing: int
    bias: float = 0.0
    scarce: float = float("inf")

    def metric(self, level: float) -> tuple[float, float, float]:
        """Give the metric and the ends of its interval.

        A class that could not be measured may have any value: it widens the interval by its share of the mean, each
        class by itself (as `mover` does).
        """
        low, high = self._ends(level)
        low, high = max(0.0, min(low, self.loss)), min(1.0, max(high, self.loss))
        return 1 - self.loss, 1 - high, 1 - low

    def _ends(self, level: float) -> Ends:
        if len(self.influence) < 2:
            return 0.0, 1.0
        low, high = skewed(self.loss - self.bias, self.influence, self.unseen, level)
        if self.scarce < _FEW:
            few = mid_p(self.loss * self.scarce, self.scarce, level)
            low, high = min(low, few[0]), max(high, few[1])
        every = self.classes + self.missing
        below = self.missing * (self.loss / every) ** 2 + max(self.loss - low, 0.0) ** 2
        above = self.missing * ((1 - self.loss) / every) ** 2 + max(high - self.loss, 0.0) ** 2
        return self.loss - sqrt(below), self.loss + sqrt(above)


def of_recalls(predicted: Ints, y: Ints, w: Doubles, n_classes: int) -> Linear:
    """Take the mean recall of the classes in `y` apart."""
    hit = w * (predicted == y)
    there, found = np.bincount(y, w, n_classes), np.bincount(y, hit, n_classes)
    recall = _ratio(found, there)
    without = _ratio(found[y] - hit, _rest(there[y] - w, w))
    count, total = int(np.isfinite(recall).sum()), float(np.nansum(recall))
    gone = ~np.isfinite(without)
    left = (total - recall[y] + np.where(gone, 0, without)) / np.maximum(count - gone, 1)
    return _jackknife(total / count, left, float(w.max() / there[there > 0].min()) / count, count, n_classes)


def of_f1(predicted: Ints, y: Ints, w: Doubles, n_classes: int) -> Linear:
    """Take macro-F1 apart, over the classes that are true or predicted somewhere."""
    same = predicted == y
    there = np.bincount(y, w, n_classes)
    found, both = np.bincount(y, w * same, n_classes), there + np.bincount(predicted, w, n_classes)
    f1 = _ratio(2 * found, both)
    count, total = int(np.isfinite(f1).sum()), float(np.nansum(f1))
    true = _ratio(2 * (found[y] - w * same), _rest(both[y] - w * (1 + same), w))
    said = np.where(same, 0, _ratio(2 * found[predicted], _rest(both[predicted] - w, w)))
    gone = ~np.isfinite(true) * 1 + ~np.isfinite(said)
    taken = f1[y] + np.where(same, 0, f1[predicted])
    left = (total - taken + np.nan_to_num(true) + np.nan_to_num(said)) / np.maximum(count - gone, 1)
    return _jackknife(total / count, left, float(w.max() / there[there > 0].min()) / count, count, n_classes)


def _jackknife(value: float, without: Doubles, unseen: float, classes: int, n_classes: int) -> Linear:
    """Make the influence of each item from the metric without it (Efron and Stein, 1981)."""
    n, apart = len(without), value - without
    bias = (n - 1) / n * float(apart.sum())
    return Linear(1 - value, -(apart - apart.mean()), min(1.0, unseen), classes, n_classes - classes, bias)


def of_rankings(p: Doubles, y: Ints, w: Doubles) -> dict[str, Linear]:
    """Take AUC and average precision apart: of class 1 for two classes, else means over the classes.

    Returns
    -------
    dict of str to Linear
        Empty where no class has items on both sides.
    """
    classes = [1] if p.shape[1] == 2 else list(range(p.shape[1]))
    told = [(p[:, c], y == c) for c in classes if 0 < np.sum(y == c) < len(y)]
    if not told:
        return {}
    each = [dict(of_ranking(score, here, w)) for score, here in told]
    return {name: mean_of([one[name] for one in each], len(classes)) for name in each[0]}


def mean_of(parts: list[Linear], n_classes: int) -> Linear:
    """Average over classes."""
    k = len(parts)
    if k == n_classes == 1:
        return parts[0]
    influence = np.sum([one.influence for one in parts], axis=0) / k
    unseen = max(one.unseen for one in parts) / k
    return Linear(sum(one.loss for one in parts) / k, influence, unseen, k, n_classes - k)


def of_ranking(score: Doubles, here: NDArray[np.bool_], w: Doubles) -> Iterator[tuple[str, Linear]]:
    """Take both figures of one class apart: the AUC as DeLong (1988), with ties as half.

    Few items of the rarer side hide how much they differ, so their influence is raised by n / (n - 1).
    """
    order = np.argsort(-score, kind="stable")
    here, own = here[order], w[order]
    # Equal scores are one threshold.
    group = np.concatenate([[0], np.cumsum(np.diff(score[order]) != 0)])
    hits, alarms = np.bincount(group, own * here), np.bincount(group, own * ~here)
    all_hits, all_alarms = np.cumsum(hits), np.cumsum(alarms)
    positive, negative = all_hits[-1], all_alarms[-1]
    ahead, behind = (negative - all_alarms + alarms / 2) / negative, (all_hits - hits / 2) / positive
    auc = float(hits @ ahead / positive)
    of_auc = own * np.where(here, (ahead[group] - auc) / positive, (behind[group] - auc) / negative)
    yield "auc", _ranking("auc", auc, of_auc, order, w, own[here] if positive < negative else own[~here])
    both = all_hits + all_alarms
    average = float(hits @ (all_hits / both) / positive)
    lifted = np.cumsum((hits * all_alarms / both**2)[::-1])[::-1]
    lowered = np.cumsum((hits * all_hits / both**2)[::-1])[::-1]
    of_average = np.where(here, (all_hits / both + lifted)[group] - average, -lowered[group])
    yield (
        "average_precision",
        _ranking("average_precision", average, own * of_average / positive, order, w, own[here]),
    )


def _ranking(name: str, value: float, influence: Doubles, order: Ints, w: Doubles, scarce: Doubles) -> Linear:
    size = effective(scarce)
    unseen = min(1.0, float(w.max() / scarce.sum())) * min(_WORST[name], _UNSEEN[name] / sqrt(size))
    placed = np.empty(len(w))
    placed[order] = -influence * min(2.0, size / max(size - 1, 0.5))
    return Linear(1 - value, placed, unseen, 1, 0, scarce=size)


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Doubles:
    return np.asarray(np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0))


def _rest(left: Doubles, w: Doubles) -> Doubles:
    """Give what is left of sums, 0 where that is rounding."""
    return np.where(left > 1e-9 * w.max(), left, 0.0)
