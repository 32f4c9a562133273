"""What a model's quality would be if a better model's probabilities were true: a measure that needs no label.

The labels in hand give a noisy level. How much *worse* models of fewer labels are shows on unlabelled items, with
little noise: where they contradict the present model, its probabilities say what that costs (as disagreement does in
Jiang et al., "Assessing generalization of SGD via disagreement", ICLR 2022).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation import measures

Doubles = NDArray[np.float64]
# Numbers that one expectation may hold at once: of more items, evenly spaced ones are taken.
_CELLS = 100_000


def known(metric: str) -> bool:
    """Whether a metric has an expectation here."""
    return metric in _OF_CLASSES


def expected_loss(metric: str, believed: NDArray[np.floating], said: NDArray[np.floating]) -> float:
    """Compute the loss that predictions would have if the classes were drawn by other predictions.

    Parameters
    ----------
    metric : str
        One of `tasks.evaluation.METRICS`. Of one where more is better, the loss is 1 less it.
    believed : float (m, c)
        Probabilities of the classes, taken as true.
    said : float (m, c)
        What is measured.

    Returns
    -------
    float
        NaN where the metric is not defined.
    """
    every = max(1, int(np.ceil(believed.size / _CELLS)))
    q, p = np.asarray(believed[::every], np.float64), np.asarray(said[::every], np.float64)
    return float(_OF_CLASSES[metric](q, p))


def _confusion(q: Doubles, p: Doubles) -> Doubles:
    """Give the expected share of items by true class (row) and predicted class (column)."""
    found = np.zeros((q.shape[1], q.shape[1]))
    np.add.at(found.T, p.argmax(axis=1), q)
    return found / len(q)


def _accuracy(q: Doubles, p: Doubles) -> float:
    return 1.0 - float(q[np.arange(len(q)), p.argmax(axis=1)].mean())


def _balanced_accuracy(q: Doubles, p: Doubles) -> float:
    shares = _confusion(q, p)
    true = shares.sum(axis=1)
    return 1.0 - float((np.diag(shares)[true > 0] / true[true > 0]).mean())


def _macro_f1(q: Doubles, p: Doubles) -> float:
    shares = _confusion(q, p)
    both = shares.sum(axis=0) + shares.sum(axis=1)
    return 1.0 - float((2 * np.diag(shares)[both > 0] / both[both > 0]).mean())


def _log_loss(q: Doubles, p: Doubles) -> float:
    return float(-(q * np.log(np.clip(p, measures.SMALLEST, 1))).sum(axis=1).mean())


def _ece(q: Doubles, p: Doubles) -> float:
    bins = measures.bin_of(p, measures.ECE_BINS)
    gap = p.max(axis=1) - q[np.arange(len(q)), p.argmax(axis=1)]
    return float(np.abs(np.bincount(bins, gap, minlength=measures.ECE_BINS)).sum() / len(q))


def _auc(q: Doubles, p: Doubles) -> float:
    return 1.0 - _ranking(q, p, 0)


def _average_precision(q: Doubles, p: Doubles) -> float:
    return 1.0 - _ranking(q, p, 1)


def _ranking(q: Doubles, p: Doubles, which: int) -> float:
    """Rank every item as both, of a class and not of it, weighted by how probable each is; mean over the classes."""
    found = []
    for code in range(1, 2) if q.shape[1] == 2 else range(q.shape[1]):
        of, said = (np.column_stack([1 - one[:, code], one[:, code]]) for one in (q, p))
        if 0 < of[:, 1].sum() < len(of):
            pair = np.tile([0, 1], len(of))
            found.append(measures.ranking(np.repeat(said, 2, axis=0), pair, of.reshape(1, -1))[which][0])
    return float(np.mean(found)) if found else float("nan")


_OF_CLASSES: dict[str, Callable[[Doubles, Doubles], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
    "log_loss": _log_loss,
    "ece": _ece,
    "auc": _auc,
    "average_precision": _average_precision,
}
