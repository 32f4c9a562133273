"""How good a source is: on gold, by agreement with the others, and what it takes for what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.truth.answers import Answers, Belief, Doubles, Ints

# Sums of weights in another order differ by less.
_EQUAL = 1e-9


@dataclass(frozen=True, eq=False)
class Rates:
    """Shares with exact intervals.

    Attributes
    ----------
    rate, lower, upper : float64 (n_sources,)
        NaN, 0 and 1 where nothing was counted.
    right, n : int64 (n_sources,)
    """

    rate: Doubles
    lower: Doubles
    upper: Doubles
    right: Ints
    n: Ints


def rates(right: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Rates:
    """Give shares with the intervals of Clopper and Pearson (1934), which cover with at least their level.

    Parameters
    ----------
    right, n : int (n_sources,)
        Right answers, and all.
    level : float
        Of the intervals, between 0 and 1.

    Raises
    ------
    UsageError
        More right answers than answers, or a level out of range.
    """
    hits, total = np.asarray(right, np.int64), np.asarray(n, np.int64)
    if (hits < 0).any() or (hits > total).any():
        raise UsageError("Right answers must be at least 0 and at most all answers.")
    if not 0 < level < 1:
        raise UsageError(f"The level of an interval lies between 0 and 1, not {level:g}.")
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    # At the ends, where the inverse is not defined, the interval reaches 0 or 1.
    lower = np.where(hits > 0, betaincinv(np.maximum(hits, 1), total - hits + 1, tail), 0.0)
    upper = np.where(hits < total, betaincinv(hits + 1, np.maximum(total - hits, 1), 1 - tail), 1.0)
    rate = np.divide(hits, total, out=np.full(total.shape, np.nan), where=total > 0)
    return Rates(rate, lower, upper, hits, total)


def gold_rates(answers: Answers, truth: Ints, *, level: float = 0.95) -> Rates:
    """Give the accuracy of each source on the items whose label is known.

    Parameters
    ----------
    truth : int64 (n_items,)
        The known class, -1 where it is not.
    """
    asked = truth[answers.item] >= 0
    right = asked & (truth[answers.item] == answers.label)
    return rates(_count(answers, right), _count(answers, asked), level=level)


def agreement(answers: Answers, belief: Belief, *, level: float = 0.95) -> Rates:
    """Give how often each source says what the other answers of the item say together.

    An answer is held against the rest: the weighted vote without itself. Items without another answer, and such where
    the rest is undecided, are not counted. Agreement is no accuracy: two careless sources may agree.
    """
    weight = np.maximum(belief.weight, 1e-9)
    tally = answers.tally(weight)
    best = tally.max(axis=1, keepdims=True)
    first = tally >= best - _EQUAL
    rest = np.where(first, -1.0, tally)
    second = rest.max(axis=1, keepdims=True)
    n_first, n_second = first.sum(axis=1), (rest >= second - _EQUAL).sum(axis=1)
    item, own = answers.item, weight[answers.source]
    leads = first[item, answers.label]
    # Without an answer for the only first class the second may come first.
    ahead = best[item, 0] - own - second[item, 0]
    only = leads & (n_first[item] == 1)
    decided = np.where(
        only,
        (ahead > _EQUAL) | ((ahead < -_EQUAL) & (n_second[item] == 1)),
        np.where(leads, n_first[item] == 2, n_first[item] == 1),
    )
    counted = decided & (answers.counts[item] >= 2)
    return rates(_count(answers, counted & only & (ahead > 0)), _count(answers, counted), level=level)


@dataclass(frozen=True, eq=False)
class Confusions:
    """What sources said of items of each class; only what occurred.

    Attributes
    ----------
    source, truth, label, count : int64 (m,)
        Sorted by source, truth and label.
    """

    source: Ints
    truth: Ints
    label: Ints
    count: Ints


def confusions(answers: Answers, truth: Ints) -> Confusions:
    """Count answers by source, true class and what was said.

    Parameters
    ----------
    truth : int64 (n_items,)
        What is known of each item, or believed (`Belief.labels`); -1 where nothing is.
    """
    known = truth[answers.item]
    kept = known >= 0
    c = answers.n_classes
    codes, count = np.unique(
        (answers.source[kept] * c + known[kept]) * c + answers.label[kept], return_counts=True
    )
    return Confusions(codes // (c * c), codes // c % c, codes % c, count.astype(np.int64))


def _count(answers: Answers, which: NDArray[np.bool_]) -> Ints:
    return np.bincount(answers.source[which], minlength=answers.n_sources)


@dataclass(frozen=True)
class GoldTest:
    """A test after every gold answer, whether the source has the accuracy that is asked for.

    Attributes
    ----------
    passes : float
        The accuracy that must be reached.
    risk : float
        The chance that a source that reaches it is ever suspended, however many gold answers it gives.

    Raises
    ------
    UsageError
        A value that is not between 0 and 1.

    Notes
    -----
    The evidence is the likelihood of the answers under all lower accuracies, each alike, over that under `passes`:

        E = 1/p  integral from 0 to p of  q^r (1 - q)^w dq  /  (p^r (1 - p)^w),     r right, w wrong, p = passes

    For a source of accuracy p or more it is a supermartingale that begins at 1, so the chance that it ever reaches
    1 / risk is at most risk (Ville, 1939; Robbins, 1970). Wald's sequential test has to name one bad accuracy and
    stops learning once a source has passed; this one finds any source below `passes`, and a good one that turns bad.
    """

    passes: float = 0.9
    risk: float = 0.005

    def __post_init__(self) -> None:
        for name in ("passes", "risk"):
            if not 0 < getattr(self, name) < 1:
                raise UsageError(f"{name} of a gold test lies between 0 and 1, not {getattr(self, name):g}.")

    def evidence(self, right: ArrayLike, wrong: ArrayLike) -> Doubles:
        """Give the logarithm of the evidence against a source, in nats; arrays of one shape.

        Parameters
        ----------
        right, wrong : int
            Gold answers so far.
        """
        from scipy.special import betainc, betaln

        r, w = np.asarray(right, np.float64), np.asarray(wrong, np.float64)
        # Underflow is a source far better than asked for: no evidence at all.
        inside = np.log(np.maximum(betainc(r + 1, w + 1, self.passes), 1e-300)) + betaln(r + 1, w + 1)
        expected = r * np.log(self.passes) + w * np.log1p(-self.passes)
        return np.asarray(inside - np.log(self.passes) - expected)

    def suspends(self, right: ArrayLike, wrong: ArrayLike) -> NDArray[np.bool_]:
        """Tell whether the evidence suffices; to be asked after each gold answer, or more rarely."""
        return np.asarray(self.evidence(right, wrong) >= -np.log(self.risk))

    def chance(self, accuracy: float, answers: int) -> Doubles:
        """Give the exact chance that a source is suspended by its first, second, ... gold answer.

        Parameters
        ----------
        accuracy : float
            What the source has.
        answers : int
            So many.

        Returns
        -------
        float64 (answers,)
        """
        alive, found, caught = np.ones(1), np.zeros(answers), 0.0
        for n in range(1, answers + 1):
            # By the number of right answers among n.
            after = np.zeros(n + 1)
            after[1:] += alive * accuracy
            after[:-1] += alive * (1 - accuracy)
            right = np.arange(n + 1)
            out = self.suspends(right, n - right)
            caught += float(after[out].sum())
            alive = np.where(out, 0.0, after)
            found[n - 1] = caught
        return found
