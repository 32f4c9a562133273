"""Suspicious labels by confident learning (Northcutt, Jiang and Chuang, 2021), written from the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation import measures

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Prune = Literal["both", "class", "noise_rate", "confident"]


@dataclass(frozen=True)
class LabelError:
    """A label that the model, trained without it, does not believe.

    Attributes
    ----------
    row : int
        Its position in the arrays.
    given, suggested : int
        The class that the label says, and the one that the model says.
    given_proba, suggested_proba : float
        What the model gives each of them.
    given_threshold, suggested_threshold : float
        What it gives each of them, on average, where the label says so.
    margin : float
        `given_proba` minus `suggested_proba`, -1 to 1; the lower the more suspicious.
    """

    row: int
    given: int
    suggested: int
    given_proba: float
    suggested_proba: float
    given_threshold: float
    suggested_threshold: float
    margin: float

    def why(self, classes: Sequence[str]) -> str:
        """Say it in a sentence, with the campaign's class names."""
        given, suggested = classes[self.given], classes[self.suggested]
        return (
            f"The label says {given}, but a model trained without it gives {suggested} "
            f"{self.suggested_proba:.2f} and {given} {self.given_proba:.2f}; where the label says {suggested} it "
            f"gives {suggested} {self.suggested_threshold:.2f} on average, and {given} "
            f"{self.given_threshold:.2f} where it says {given}."
        )


@dataclass(frozen=True)
class ConfidentJoint:
    """How often a class was labelled as another.

    Attributes
    ----------
    thresholds : float64 (c,)
        The mean probability of each class over the labels that say so; NaN without one.
    counts : int64 (c, c)
        Labels of a class (row) that the model puts into a class (column) with confidence, that is with at least
        its threshold.
    joint : float64 (c, c)
        The joint distribution of label and true class; sums to 1. Rows have the shares of the labels.
    """

    thresholds: Doubles
    counts: Ints
    joint: Doubles

    @property
    def noise(self) -> Doubles:
        """The share of the labels of each class that are wrong, float64 (c,); NaN without a label."""
        total = self.joint.sum(axis=1)
        wrong = total - self.joint.diagonal()
        return np.asarray(np.divide(wrong, total, out=np.full(len(total), np.nan), where=total > 0))

    @property
    def missed(self) -> Doubles:
        """The share of the items of each true class that are labelled as another, float64 (c,); NaN if none is."""
        total = self.joint.sum(axis=0)
        wrong = total - self.joint.diagonal()
        return np.asarray(np.divide(wrong, total, out=np.full(len(total), np.nan), where=total > 0))

    @property
    def rate(self) -> float:
        """The share of all labels that are wrong."""
        return float(self.joint.sum() - self.joint.trace())


def confident_joint(proba: ArrayLike, y: ArrayLike) -> ConfidentJoint:
    """Estimate how labels and true classes go together.

    Parameters
    ----------
    proba : float (n, c)
        Out-of-fold: each row from a model that was not trained on its label.
    y : int (n,)
        What the labels say.

    Returns
    -------
    ConfidentJoint

    Raises
    ------
    UsageError
        Arrays that do not fit together, or a probability that is not finite.
    """
    p, given = measures.checked(proba, y)
    n_classes = p.shape[1]
    total = np.bincount(given, minlength=n_classes)
    own = np.bincount(given, p[np.arange(len(given)), given], minlength=n_classes)
    thresholds = np.divide(own, total, out=np.full(n_classes, np.nan), where=total > 0)
    counts = np.zeros((n_classes, n_classes), np.int64)
    seen, into = _confident(p, thresholds)
    np.add.at(counts, (given[seen], into[seen]), 1)
    # A class of which no label is confident is believed as it is.
    counts[np.arange(n_classes), np.arange(n_classes)] += counts.sum(axis=1) == 0
    joint = counts / counts.sum(axis=1, keepdims=True) * total[:, None] / max(len(given), 1)
    return ConfidentJoint(thresholds, counts * (total > 0)[:, None], joint)


def _confident(p: Doubles, thresholds: Doubles) -> tuple[NDArray[np.bool_], Ints]:
    """Tell which rows reach a class's threshold, and the most probable class of which they do."""
    # Averages are rounded: a row that all others equal must reach its own mean.
    reached = np.where(p >= thresholds - 1e-9, p, -1.0)
    return reached.max(axis=1, initial=-1.0) >= 0, reached.argmax(axis=1).astype(np.int64)


def suspicious(proba: ArrayLike, y: ArrayLike, *, prune: Prune = "both") -> list[LabelError]:
    """Find labels that are probably wrong.

    Parameters
    ----------
    proba : float (n, c)
        Out-of-fold: each row from a model that was not trained on its label.
    y : int (n,)
        What the labels say.
    prune : {'both', 'class', 'noise_rate', 'confident'}
        How many are taken, by the estimated joint distribution: of each class as many as it has errors, those
        with the least probability of their label (``class``); of each pair of classes as many as it has, those
        with the largest margin (``noise_rate``); what both take (``both``). ``confident`` takes what reaches the
        threshold of another class, whatever their number: fewer, and more of them wrong.

    Returns
    -------
    list of LabelError
        The most suspicious first; only labels to which the model prefers another class. Ties are all in or all
        out, so that the order of the rows does not matter.

    Raises
    ------
    UsageError
        Another `prune`, or arrays that do not fit together.
    """
    if prune not in get_args(Prune):
        raise UsageError(f"Labels are pruned by {', '.join(get_args(Prune))}, not {prune!r}.")
    p, given = measures.checked(proba, y)
    found = confident_joint(p, given)
    if len(given) == 0:
        return []
    suggested = _suggestions(p, given, found.thresholds)
    doubted = _at(p, suggested) > _at(p, given)
    if prune == "confident":
        seen, into = _confident(p, found.thresholds)
        doubted &= seen & (into != given)
    if prune in ("both", "class"):
        doubted &= _by_class(p, given, found.joint)
    if prune in ("both", "noise_rate"):
        doubted &= _by_noise_rate(p, given, suggested, found.joint)
    errors = [_error(p, given, suggested, found.thresholds, int(row)) for row in np.flatnonzero(doubted)]
    return sorted(errors, key=lambda one: (one.margin, one.given_proba, one.row))


def _at(p: Doubles, codes: Ints) -> Doubles:
    return np.asarray(p[np.arange(len(codes)), codes])


def _suggestions(p: Doubles, given: Ints, thresholds: Doubles) -> Ints:
    """Give each row's most probable class beside its own, among those that some label says."""
    others = np.where(np.isnan(thresholds), -1.0, p)
    others[np.arange(len(given)), given] = -1.0
    found: Ints = others.argmax(axis=1).astype(np.int64)
    return found


def _by_class(p: Doubles, given: Ints, joint: Doubles) -> NDArray[np.bool_]:
    """Take of each class as many as it has errors, those with the least self-confidence."""
    taken = np.zeros(len(given), bool)
    wrong = joint.sum(axis=1) - joint.diagonal()
    for label, count in enumerate(_whole(wrong * len(given))):
        _take(taken, np.flatnonzero(given == label), _at(p, given), int(count))
    return taken


def _by_noise_rate(p: Doubles, given: Ints, suggested: Ints, joint: Doubles) -> NDArray[np.bool_]:
    """Take of each pair of classes as many as it has errors, those with the largest margin."""
    taken = np.zeros(len(given), bool)
    counts = _whole(joint * len(given))
    margin = _at(p, given) - _at(p, suggested)
    # Pairs that no row suggests have nothing to take: a thousand classes have a million pairs.
    for label, other in np.unique(np.column_stack([given, suggested]), axis=0):
        own = np.flatnonzero((given == label) & (suggested == other))
        _take(taken, own, margin, int(counts[label, other]))
    return taken


def _whole(expected: Doubles) -> Ints:
    whole: Ints = np.rint(expected).astype(np.int64)
    return whole


def _take(taken: NDArray[np.bool_], rows: Ints, score: Doubles, count: int) -> None:
    """Mark the rows with the least scores; what is tied with the last one only where all of it has room."""
    if count <= 0 or len(rows) == 0:
        return
    ordered = np.sort(score[rows])
    if count >= len(ordered):
        taken[rows] = True
        return
    last, after = ordered[count - 1], ordered[count]
    within = score[rows] < last if last == after else score[rows] <= last
    taken[rows[within]] = True


def _error(p: Doubles, given: Ints, suggested: Ints, thresholds: Doubles, row: int) -> LabelError:
    said, other = int(given[row]), int(suggested[row])
    own, theirs = float(p[row, said]), float(p[row, other])
    return LabelError(
        row, said, other, own, theirs, float(thresholds[said]), float(thresholds[other]), own - theirs
    )
