"""The prior of a skewed label set, corrected to what the audit says of the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError

Doubles = NDArray[np.float64]
Parts = tuple[dict[str, Any], dict[str, NDArray[Any]]]

# Audit items that the old shares count for: five audit items must change little.
STRENGTH = 20.0
# How sure it must be that the audit contradicts the probabilities. Where labels were chosen by a model, their shares
# differ from the pool's for a reason that the model knows already, and correcting by them costs it a point of accuracy.
LEVEL = 0.01
# The most that one class gains or loses beside another.
_STEEPEST = 20.0


@dataclass(frozen=True)
class PriorShift:
    """Factors of the classes: p'(y) ~ p(y) * factor(y) (Saerens, Latinne and Decaestecker, 2002).

    One step: where the factors come from what the model claims of the pool, its average goes most of the way to
    the audit's shares, not all of it. Going on until it meets them was no better, and worse with small audits.

    Attributes
    ----------
    factor : float64 (n_classes,)
        All 1 where nothing is corrected.
    share : float64 (n_classes,)
        What is believed of the pool's class shares.
    n : int
        Audit items.
    p : float
        How probable the audit is if the probabilities are right already, 0 to 1.
    """

    factor: Doubles
    share: Doubles
    n: int
    p: float

    @property
    def corrects(self) -> bool:
        """Whether it changes anything."""
        return bool((self.factor != 1).any())

    def apply(self, proba: ArrayLike) -> NDArray[np.float32]:
        """Correct class probabilities.

        Parameters
        ----------
        proba : float (n, n_classes)
            Rows are independent: any chunking gives the same numbers.

        Returns
        -------
        float32 (n, n_classes)
            Rows sum to 1.

        Raises
        ------
        UsageError
            Another number of classes.
        """
        given = np.asarray(proba)
        if given.ndim != 2 or given.shape[1] != len(self.factor):
            raise UsageError(f"The prior has {len(self.factor)} classes, the array is {given.shape}.")
        if not self.corrects:
            return given.astype(np.float32)
        return _shifted(np.ascontiguousarray(given, np.float64), self.factor).astype(np.float32)

    def to_parts(self) -> Parts:
        """Give settings and arrays, for the file."""
        return {"n": self.n, "p": self.p}, {"factor": self.factor, "share": self.share}

    @classmethod
    def from_parts(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> PriorShift:
        """Make it again of what `to_parts` gave."""
        return cls(arrays["factor"], arrays["share"], settings["n"], settings["p"])


def fit_prior(
    train_share: ArrayLike,
    audit_counts: ArrayLike,
    *,
    label_share: ArrayLike | None = None,
    pool_proba: ArrayLike | None = None,
    strength: float = STRENGTH,
    level: float = LEVEL,
) -> PriorShift:
    """Correct the prior of a model to the audit's estimate.

    Parameters
    ----------
    train_share : float (n_classes,)
        The class shares that the probabilities stand for: of `tasks.models.weights.trained_share`, with the class
        weights of the training; of the plain labels where the probabilities are calibrated.
    audit_counts : int (n_classes,)
        Items of each class among the audit's, which were drawn at random from the pool.
    label_share : float (n_classes,), optional
        The shares of the labels without class weights, which are undone in any case. `train_share` by default.
    pool_proba : float (m, n_classes), optional
        The probabilities, as they come from the model, of a uniform sample of the pool. Labels that a model chose
        are skewed by what the items look like, which the model allows for by itself; with it the audit is
        compared with what the model claims of the pool, not with the labels. Give it where there is a model.
    strength : float
        Items that the old shares count for beside the audit's (Dirichlet prior).
    level : float
        Class weights aside, nothing is corrected unless the audit is less probable than this.

    Returns
    -------
    PriorShift

    Raises
    ------
    UsageError
        Shares that are no shares, or arrays that do not fit together.
    """
    trained = _shares(train_share)
    labels = trained if label_share is None else _shares(label_share)
    counts = np.asarray(audit_counts, np.float64)
    if labels.shape != trained.shape or counts.shape != trained.shape or (counts < 0).any():
        raise UsageError(
            f"{trained.shape} training shares need as many label shares and audit counts, not "
            f"{labels.shape} and {counts.shape}."
        )
    # A class without a label has no weight to undo.
    undone = np.divide(labels, trained, out=np.ones_like(labels), where=(trained > 0) & (labels > 0))
    claimed = labels if pool_proba is None else _claimed(pool_proba, undone)
    n = float(counts.sum())
    probability = _probability(counts, claimed)
    if probability >= level:
        return PriorShift(_bounded(undone), claimed, int(n), probability)
    share = (counts + strength * claimed) / (n + strength)
    moved = np.divide(share, claimed, out=np.full_like(share, _STEEPEST), where=claimed > 0)
    return PriorShift(_bounded(undone * np.where(share > 0, moved, 1.0)), share, int(n), probability)


def _shares(values: ArrayLike) -> Doubles:
    found = np.asarray(values, np.float64)
    if found.ndim != 1 or not np.isfinite(found).all() or (found < 0).any() or not found.any():
        raise UsageError("Class shares must be numbers of 0 or more, not all 0.")
    return np.asarray(found / found.sum())


def _claimed(pool_proba: ArrayLike, undone: Doubles) -> Doubles:
    """Average the probabilities of the pool, after class weights are undone."""
    p = np.ascontiguousarray(pool_proba, np.float64)
    if p.ndim != 2 or p.shape[1] != len(undone) or len(p) == 0 or not np.isfinite(p).all():
        raise UsageError(f"The pool's probabilities must be rows of {len(undone)} numbers, not {p.shape}.")
    return _shares(_shifted(p, undone).mean(axis=0))


def _shifted(p: Doubles, factor: Doubles) -> Doubles:
    raised = p * factor
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _bounded(factor: Doubles) -> Doubles:
    """Bound the factors around their geometric mean; exactly 1 where none differs."""
    if np.allclose(factor, factor[0], rtol=1e-9, atol=0):
        return np.ones_like(factor)
    middle = np.exp(np.log(factor).mean())
    return np.asarray(np.clip(factor, middle / _STEEPEST, middle * _STEEPEST))


def _probability(counts: Doubles, share: Doubles) -> float:
    """Test counts against shares: the least exact binomial p of a class, two-sided, times the classes.

    Exact for the few items of an audit, where the chi-squared test is not.
    """
    from scipy.stats import binom

    n = int(counts.sum())
    if n == 0:
        return 1.0
    below, above = binom.cdf(counts, n, share), binom.sf(counts - 1, n, share)
    tests = 1 if len(share) == 2 else len(share)
    return float(min(1.0, 2 * tests * np.minimum(below, above).min()))
