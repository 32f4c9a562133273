"""What is known of a multi-label model's quality from audited items: each figure with its 95 % interval.

Items are what was drawn, so items are what the bootstrap draws: the labels of an item come and go together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation import measures
from tasks.evaluation.estimate import Estimate
from tasks.evaluation.intervals import bootstrap_weights, wilson
from tasks.evaluation.paired import mcnemar
from tasks.truth.labelset import Indicators, check_indicators

Doubles = NDArray[np.float64]

METRICS_OF_SETS = (
    "micro_f1", "macro_f1", "hamming_accuracy", "subset_accuracy", "mean_average_precision", "log_loss",
)  # fmt: skip
METRICS_OF_A_LABEL = ("f1", "average_precision", "log_loss")


@dataclass(frozen=True)
class SetEstimates:
    """What is known of a multi-label model.

    Attributes
    ----------
    overall : dict of str to Estimate
        By `METRICS_OF_SETS`.
    per_label : tuple of dict of str to Estimate (n_labels,)
        By `METRICS_OF_A_LABEL`; `n` is the number of items, whether or not they have the label.
    counts : int64 (n_labels, 4)
        Items by truth and prediction: both, only predicted, only true, neither.
    """

    overall: dict[str, Estimate]
    per_label: tuple[dict[str, Estimate], ...]
    counts: NDArray[np.int64]


def estimate_sets(
    proba: ArrayLike, Y: ArrayLike, *, seed: int, weight: ArrayLike | None = None
) -> SetEstimates:
    """Estimate the quality of a model that gives each label a probability of its own.

    Parameters
    ----------
    proba : float (n, n_labels)
        A label is predicted from .5 on.
    Y : int8 (n, n_labels)
        1 where the item has the label.
    seed : int
        Of the bootstrap.
    weight : float (n,), optional
        Weight of each item, for instance the inverse of its inclusion probability.

    Returns
    -------
    SetEstimates
        ``micro_f1`` (2 tp / (true + predicted) over all pairs of item and label), ``macro_f1`` (the mean of the
        labels' F1 over those that are true or predicted somewhere), ``hamming_accuracy`` (share of pairs that are
        right), ``subset_accuracy`` (share of items whose whole set is right; Wilson's interval, 1927),
        ``mean_average_precision`` (over the labels that some items have and some have not), ``log_loss`` (mean over
        pairs, in nats): percentile bootstrap over items. Where that has no spread because no error was seen,
        Wilson's width stands in; in the upper end of the log-loss as in `estimate`.

    Raises
    ------
    UsageError
        Arrays that do not fit together, or a value that is not finite.
    """
    p, truth, w = _checked(proba, Y, weight)
    if not len(p):
        nothing = {name: _unknown(name) for name in METRICS_OF_SETS}
        each = {name: _unknown(name) for name in METRICS_OF_A_LABEL}
        return SetEstimates(nothing, (each,) * p.shape[1], np.zeros((p.shape[1], 4), np.int64))
    weights = np.vstack([w, bootstrap_weights(w, np.random.default_rng(seed), n_columns=p.shape[1])])
    drawn, sizes = _Drawn(p, truth, weights), _sizes(truth, w)
    overall = {name: _interval(name, values, sizes[name], len(p)) for name, values in drawn.overall().items()}
    overall["log_loss"] = _with_unseen_errors(overall["log_loss"], p, truth, w, sizes["log_loss"])
    per_label = [_of_label(drawn, label, p, truth, w) for label in range(p.shape[1])]
    return SetEstimates(overall, tuple(per_label), label_counts(p, truth))


def _of_label(drawn: _Drawn, label: int, p: Doubles, truth: Indicators, w: Doubles) -> dict[str, Estimate]:
    size, own = _scarce(truth[:, label], w), slice(label, label + 1)
    found = {
        name: _interval(name, values[:, label], size, len(p)) for name, values in drawn.per_label.items()
    }
    found["log_loss"] = _with_unseen_errors(found["log_loss"], p[:, own], truth[:, own], w, size)
    return found


class _Drawn:
    """The measures under many weightings: float64 (b,) or, by label, (b, n_labels); NaN where not defined."""

    def __init__(self, p: Doubles, truth: Indicators, weights: Doubles) -> None:
        said = p >= 0.5
        self.weights, self.total = weights, weights.sum(axis=1)
        self.wrong = said != truth
        self.hits = weights @ (said & (truth == 1))
        self.both = weights @ said + weights @ truth
        loss = -np.log(np.clip(np.where(truth == 1, p, 1 - p), measures.SMALLEST, 1))
        self.per_label = {
            "f1": _ratio(2 * self.hits, self.both),
            "average_precision": np.column_stack(
                [_precision(p[:, label], truth[:, label], weights) for label in range(p.shape[1])]
            ),
            "log_loss": weights @ loss / self.total[:, None],
        }

    def overall(self) -> dict[str, Doubles]:
        """Give the values of `METRICS_OF_SETS`."""
        found = {
            "micro_f1": _ratio(2 * self.hits.sum(axis=1), self.both.sum(axis=1)),
            "macro_f1": _mean(self.per_label["f1"]),
            "hamming_accuracy": 1 - self.weights @ self.wrong.mean(axis=1) / self.total,
            "subset_accuracy": 1 - self.weights @ self.wrong.any(axis=1) / self.total,
            "mean_average_precision": _mean(self.per_label["average_precision"]),
            "log_loss": self.per_label["log_loss"].mean(axis=1),
        }
        return {name: found[name] for name in METRICS_OF_SETS}


def label_counts(proba: ArrayLike, Y: ArrayLike) -> NDArray[np.int64]:
    """Count items by truth and prediction for each label.

    Returns
    -------
    int64 (n_labels, 4)
        True and predicted, only predicted, only true, neither.
    """
    p, truth, _ = _checked(proba, Y, None)
    said, here = p >= 0.5, truth == 1
    cells = (said & here, said & ~here, ~said & here, ~said & ~here)
    return np.column_stack([cell.sum(axis=0) for cell in cells]).astype(np.int64)


def pairs(proba: ArrayLike, Y: ArrayLike) -> tuple[Doubles, NDArray[np.int64]]:
    """Give every pair of item and label as a case of two classes, for a reliability diagram.

    Returns
    -------
    proba : float64 (n * n_labels, 2)
    y : int64 (n * n_labels,)
    """
    p, truth, _ = _checked(proba, Y, None)
    here = p.reshape(-1)
    return np.column_stack([1 - here, here]), truth.reshape(-1).astype(np.int64)


def better_on_sets(Y: ArrayLike, new: ArrayLike, old: ArrayLike, *, level: float = 0.05) -> bool:
    """Tell whether a model has fewer wrong labels than another on more of the same items.

    The exact one-sided sign test over items, which for one label is McNemar's.

    Parameters
    ----------
    Y : int8 (n, n_labels)
    new, old : float (n, n_labels)
        Probabilities of both models.
    """
    ours, truth, _ = _checked(new, Y, None)
    theirs, _, _ = _checked(old, Y, None)
    gained = ((theirs >= 0.5) != truth).sum(axis=1) - ((ours >= 0.5) != truth).sum(axis=1)
    return mcnemar(np.zeros(len(gained)), gained < 0, gained > 0) <= level


def _interval(name: str, values: Doubles, size: float, n: int) -> Estimate:
    """Make an interval of a value and its bootstrap draws; the whole range where one item alone is known."""
    value, drawn = float(values[0]), values[1:][np.isfinite(values[1:])]
    top = float("inf") if name == "log_loss" else 1.0
    if name == "subset_accuracy":
        return Estimate(value, *wilson(value, size), n)
    if not np.isfinite(value) or n < 2 or len(drawn) < 2:
        return Estimate(value, 0.0, top, n)
    low, high = (float(end) for end in np.quantile(drawn, [0.025, 0.975]))
    if high - low < 1e-9 and name != "log_loss":
        lower, upper = wilson(value, size)
        low, high = min(low, lower), max(high, upper)
    return Estimate(value, max(0.0, min(low, value)), min(top, max(high, value)), n)


def _with_unseen_errors(found: Estimate, p: Doubles, truth: Indicators, w: Doubles, size: float) -> Estimate:
    """Raise the upper end of a log-loss by errors that may be there although none was seen, each at its price."""
    if ((p >= 0.5) != truth).any():
        return found
    right, _ = wilson(1.0, size)
    price = -np.log(np.clip(np.minimum(p, 1 - p), measures.SMALLEST, 1)).mean(axis=1)
    high = found.value + (1 - right) * float(w @ price / w.sum())
    return replace(found, high=max(found.high, high))


def _unknown(name: str) -> Estimate:
    return Estimate(float("nan"), 0.0, float("inf") if name == "log_loss" else 1.0, 0)


def _precision(p: Doubles, here: Indicators, weights: Doubles) -> Doubles:
    return measures.ranking(np.column_stack([1 - p, p]), here.astype(np.int64), weights)[1]


def _ratio(above: Doubles, below: Doubles) -> Doubles:
    return np.asarray(np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0))


def _mean(by_label: Doubles) -> Doubles:
    """Average over the labels that are defined, (b,)."""
    defined = np.isfinite(by_label)
    return _ratio(np.where(defined, by_label, 0).sum(axis=1), defined.sum(axis=1).astype(np.float64))


def _sizes(truth: Indicators, w: Doubles) -> dict[str, float]:
    """Count the items that limit each figure, for where no error was seen.

    An F1 or an average precision says little of items without a label, and a mean over labels is no surer than the
    rarest of them.
    """
    every, labelled = _effective(w), _effective(w[truth.any(axis=1)])
    rarest = min((_scarce(column, w) for column in truth.T if column.any()), default=1.0)
    limits = {"micro_f1": max(1.0, labelled), "macro_f1": rarest, "mean_average_precision": rarest}
    return {name: limits.get(name, every) for name in METRICS_OF_SETS}


def _scarce(here: Indicators, w: Doubles) -> float:
    """Count the effective items of the side that limits a label's figures: those that have it, or the others."""
    return max(1.0, min(_effective(w[here == 1]), _effective(w[here == 0])))


def _effective(w: Doubles) -> float:
    """Count effective items (Kish, 1965)."""
    return float(w.sum() ** 2 / np.square(w).sum()) if len(w) else 0.0


def _checked(proba: ArrayLike, Y: ArrayLike, weight: ArrayLike | None) -> tuple[Doubles, Indicators, Doubles]:
    p, truth = np.asarray(proba, np.float64), check_indicators(Y)
    if p.shape != truth.shape:
        raise UsageError(f"Probabilities {p.shape} and labels {truth.shape} do not belong together.")
    if not np.isfinite(p).all() or p.min(initial=0) < -1e-3 or p.max(initial=1) > 1 + 1e-3:
        raise UsageError("A probability is NaN or outside [0, 1]. Check the model.")
    w = np.ones(len(p)) if weight is None else np.asarray(weight, np.float64)
    if w.shape != (len(p),) or not np.isfinite(w).all() or bool(np.any(w <= 0)):
        raise UsageError(f"weight must be {len(p)} positive numbers.")
    return p, truth, w
