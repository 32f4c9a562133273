"""The metrics of one step, without intervals: the spread over the repeats gives those."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation import METRICS, measures


def score_all(proba: NDArray[np.float32], y: NDArray[np.int64]) -> dict[str, float]:
    """Measure a model on the test part.

    Parameters
    ----------
    proba : float (n, n_classes)
    y : int64 (n,)

    Returns
    -------
    dict of str to float
        Every one of `tasks.evaluation.METRICS`, as `tasks.evaluation.estimate` defines them; NaN where a metric
        is not defined.
    """
    p, truth = measures.checked(proba, y)
    if len(truth) == 0:
        return dict.fromkeys(METRICS, float("nan"))
    one = np.ones((1, len(truth)))
    hits, true, said = _counts(p.argmax(axis=1), truth, p.shape[1])
    some, known = true + said > 0, true > 0
    auc, precision = measures.ranking(p, truth, one)
    found = {
        "accuracy": hits.sum() / len(truth),
        "balanced_accuracy": (hits[known] / true[known]).mean(),
        "macro_f1": (2 * hits[some] / (true + said)[some]).mean(),
        "log_loss": measures.log_loss(p, truth, one)[0],
        "ece": measures.calibration_error(p, truth, one)[0],
        "auc": auc[0],
        "average_precision": precision[0],
    }
    return {name: float(found[name]) for name in METRICS}


def _counts(
    said: NDArray[np.int64], y: NDArray[np.int64], n_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count by class: right answers, true items, predictions."""
    hits = np.bincount(y[said == y], minlength=n_classes)
    return hits, np.bincount(y, minlength=n_classes), np.bincount(said, minlength=n_classes)
