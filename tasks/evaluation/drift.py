"""Whether the pool is still the one that the last round saw: two samples of feature matrices, held together.

Both are the k items of the pool with the smallest hashes, so they share the items that were there before; an unchanged
pool gives the same sample twice, and exactly no drift.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation.stability import shared_rows

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 10
FEWEST = 50
SHOWN = 10
# Chance that noise alone lifts any feature above the noise level.
RISK = 0.001
# Rounds and depth of the classifier, and features that it looks at: enough to see a shift, and done in a second or two.
_TREES, _DEPTH, _WIDEST = 40, 3, 100
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Drift:
    """How far the pool moved since the last round.

    Attributes
    ----------
    psi : dict of str to float
        Population stability index of the features that moved most.
    noise : float
        What chance alone may give the largest of all features, with these numbers of items.
    auc, auc_low, auc_high : float
        How well a classifier tells the samples apart, .5 = not at all, with a 95 % interval.
    before, after, added : int
        Items of the samples, and those of the later one that the earlier did not have.
    """

    psi: dict[str, float]
    noise: float
    auc: float
    auc_low: float
    auc_high: float
    before: int
    after: int
    added: int

    @property
    def psi_max(self) -> float:
        """The largest index."""
        return max(self.psi.values(), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """Give all by name, as a round keeps it."""
        return {**vars(self), "psi": dict(self.psi), "psi_max": self.psi_max}


def drift(
    before_ids: Sequence[str],
    before: ArrayLike,
    after_ids: Sequence[str],
    after: ArrayLike,
    names: Sequence[str],
    *,
    seed: int,
    without: Collection[str] = (),
) -> Drift | str:
    """Hold a sample of the pool against the one of the round before.

    Parameters
    ----------
    before_ids, after_ids : sequence of str (n,), (m,)
        Items of both samples: the smallest hashes of one key, at most 2,000 each.
    before, after : float (n, d), (m, d)
        Their features in the same space; NaN = missing.
    names : sequence of str (d,)
    seed : int
        Of the classifier's folds.
    without : collection of str
        Features that are not looked at: times move by themselves as a pool grows.

    Returns
    -------
    Drift or str
        A sentence where the samples are too small to say anything.

    Raises
    ------
    UsageError
        Arrays that do not fit together.
    """
    old, new = _checked(before_ids, before, names), _checked(after_ids, after, names)
    n, m = len(old), len(new)
    if min(n, m) < FEWEST:
        return f"{min(n, m)} items are too few to tell whether the pool drifted: it takes {FEWEST}."
    kept = [at for at, name in enumerate(names) if name not in without]
    old, new, names = old[:, kept], new[:, kept], [names[at] for at in kept]
    shared = np.zeros(m, np.bool_)
    shared[shared_rows(after_ids, before_ids)[0]] = True
    added = int((~shared).sum())
    if not kept or (added == 0 and n == m):
        return Drift({}, noise_level(n, m, max(len(kept), 1)), 0.5, 0.5, 0.5, n, m, added)
    found = np.array([psi(a, b) for a, b in zip(old.T, new.T, strict=True)])
    largest = np.argsort(-found, kind="stable")[:SHOWN]
    auc = _told_apart(old, new[~shared], seed) if added >= FEWEST else (0.5, 0.5, 0.5)
    # The later sample is a mixture of items that were there before and of new ones. A score that ranks a new item above
    # an old one with chance A does so for an item of the mixture with chance .5 (1 - share) + A share.
    low, middle, high = (0.5 + added / m * (end - 0.5) for end in auc)
    return Drift(
        {names[at]: float(found[at]) for at in largest}, noise_level(n, m, len(kept)),
        middle, low, high, n, m, added,
    )  # fmt: skip


def psi(before: ArrayLike, after: ArrayLike, *, bins: int = BINS) -> float:
    """Compute the population stability index of one feature.

    Parameters
    ----------
    before, after : float (n,), (m,)
        NaN = missing, which is a bin of its own.
    bins : int
        Bins of equal counts in `before`; equal values stay together, so there may be fewer.

    Returns
    -------
    float
        Sum over the bins of (p - q) ln(p / q): the symmetric divergence of Kullback and Leibler (1951) of the binned
        shares, each with half an item added to its bin. 0 for equal shares; two normal distributions of one width
        whose means differ by d of it have d squared (before binning).
    """
    old, new = np.asarray(before, np.float64), np.asarray(after, np.float64)
    edges = _edges(old, bins)
    counts = [_counts(values, edges) for values in (old, new)]
    used = counts[0] + counts[1] > 0
    p, q = ((count[used] + 0.5) / (count.sum() + 0.5 * used.sum()) for count in counts)
    return float(np.sum((p - q) * np.log(p / q)))


def noise_level(n: int, m: int, features: int, *, bins: int = BINS, risk: float = RISK) -> float:
    """Give what chance alone may lift the largest index of several features to, with samples of one distribution.

    The index times n m / (n + m) has nearly the chi-square distribution with bins - 1 degrees of freedom (Yurdakul and
    Naranjo, 2020); shared items only make it smaller. One bin more is for what is missing.
    """
    from scipy.stats import chi2

    return float(chi2.isf(risk / features, bins) * (1 / n + 1 / m))


def auc_of_psi(index: float) -> float:
    """Give the area under the ROC curve that goes with an index.

    Two normal distributions of one width whose means differ by d of it have the index d squared and the area
    Phi(d / sqrt 2), so that one threshold serves both: .25 is an area of .638.
    """
    from scipy.stats import norm

    return float(norm.cdf(math.sqrt(index / 2)))


def _checked(ids: Sequence[str], X: ArrayLike, names: Sequence[str]) -> Doubles:
    matrix = np.asarray(X, np.float64)
    if matrix.ndim != 2 or matrix.shape != (len(ids), len(names)):
        wanted = (len(ids), len(names))
        raise UsageError(f"A sample of the pool has the shape {matrix.shape}, wanted {wanted}.")
    return matrix


def _edges(values: Doubles, bins: int) -> Doubles:
    known = values[~np.isnan(values)]
    if not len(known):
        return np.zeros(0)
    return np.unique(np.quantile(known, np.arange(1, bins) / bins, method="lower"))


def _counts(values: Doubles, edges: Doubles) -> Doubles:
    missing = np.isnan(values)
    place = np.searchsorted(edges, values[~missing], side="left")
    return np.append(np.bincount(place, minlength=len(edges) + 1), missing.sum()).astype(np.float64)


def _told_apart(old: Doubles, new: Doubles, seed: int) -> tuple[float, float, float]:
    """Run a classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017): low end, area and high end.

    Two folds: a model of one half of the items ranks the other half, which it did not see. Each half's area has
    DeLong's variance (1988); as each half is also what the other's model learned from, their mean gets the variance of
    one. Of many features it looks at some drawn at random: to choose those that moved most would be to look at the
    answer.
    """
    import xgboost as xgb

    rng = np.random.default_rng(seed)
    X, y = np.vstack([old, new]).astype(np.float32), np.repeat([0.0, 1.0], [len(old), len(new)])
    if X.shape[1] > _WIDEST:
        X = X[:, rng.permutation(X.shape[1])[:_WIDEST]]
    fold = np.zeros(len(y), np.int64)
    for label in (0, 1):
        own = np.flatnonzero(y == label)
        fold[rng.permutation(own)[: len(own) // 2]] = 1
    weight = np.where(y == 1, len(old) / len(new), 1.0)
    areas, variances = [], []
    for part in (0, 1):
        train, held = fold != part, fold == part
        model = xgb.train(
            {"objective": "binary:logistic", "max_depth": _DEPTH, "eta": 0.2, "max_bin": 64, "nthread": 1, "seed": 0},
            xgb.QuantileDMatrix(X[train], y[train], weight=weight[train], max_bin=64),
            _TREES,
        )  # fmt: skip
        score = model.inplace_predict(X[held])
        area, variance = _area(score[y[held] == 1], score[y[held] == 0])
        areas.append(area)
        variances.append(variance)
    middle, half = float(np.mean(areas)), _Z95 * math.sqrt(np.mean(variances))
    return max(0.0, middle - half), middle, min(1.0, middle + half)


def _area(positive: Doubles, negative: Doubles) -> tuple[float, float]:
    """Give the area under the ROC curve and its variance (DeLong, 1988)."""
    ranks = np.sort(negative), np.sort(positive)
    below = (np.searchsorted(ranks[0], positive, "left") + np.searchsorted(ranks[0], positive, "right")) / 2
    above = (np.searchsorted(ranks[1], negative, "left") + np.searchsorted(ranks[1], negative, "right")) / 2
    one, other = below / len(negative), 1 - above / len(positive)
    variance = one.var(ddof=1) / len(positive) + other.var(ddof=1) / len(negative)
    return float(one.mean()), float(variance)
