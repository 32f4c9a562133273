"""Power sampling: a batch drawn at random, the uncertain more often (Kirsch et al., 2021, arXiv 2106.12059).

The k highest scores of one model are often the same question asked k times. A draw without replacement with
probability proportional to score^beta costs the same and spreads the batch. It is made by the Gumbel top-k
trick (Kool et al., 2019): the k highest of beta ln(score) + Gumbel noise. The noise comes from a keyed hash of
the item's id, so draws of shards merge into the draw of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.pool.sampling import hash_ids, purpose_key
from tasks.strategies.base import Selecting, Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.ranking import check_size, tie_key, top
from tasks.strategies.uncertainty import margin

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Keys of score 0 lie below all others: below the logarithm of the smallest float32, -103.3 times beta, and
# the two ends of the noise, -3.7 and 36.8.
_LOG_OF_ZERO, _SPAN = -104.0, 41.0
# Above it beta ln(score) nears the end of float32; a batch is the top k long before.
_MOST = 1e6


@dataclass(frozen=True)
class PowerMargin(Selecting):
    """Draw without replacement, each time with probability proportional to margin^beta.

    The first stage scores by the keys of the draw, so a shortlist of at least k candidates leaves the batch
    as it is. Of a selection the scores are margins, in the order of the draw; `draw_probabilities` turns
    the margins of all candidates into what the estimators for such draws need.

    Parameters
    ----------
    beta : float
        0 draws uniformly, 1 in proportion to the margin score, a large one takes the highest: 0 to 1e6.

    Raises
    ------
    UsageError
        beta is something else.
    """

    name: str = "power_margin"
    beta: float = 1.0
    needs: frozenset[str] = frozenset({"proba"})

    def __post_init__(self) -> None:
        _check_beta(self.beta)

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Give the keys of the draw; see `Strategy.score`."""
        return self._keys(candidates, self._margins(candidates), tie_key(rng))

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose the k highest keys; see `Strategy.select_explained`."""
        check_size(len(candidates), k)
        key = tie_key(rng)
        scores = self._margins(candidates)
        positions = top(self._keys(candidates, scores, key), candidates.ids, k, key)
        drawn = np.full(k, k / max(len(candidates), 1)) if self.beta == 0 else None
        return selection(positions, scores[positions], drawn=drawn)

    def _margins(self, candidates: Candidates) -> Floats:
        candidates.require(self.needs, self.name)
        return np.maximum(margin(np.asarray(candidates.proba)), 0)

    def _keys(self, candidates: Candidates, scores: Floats, key: int) -> Floats:
        weights = _log_weights(scores, self.beta)
        weights = np.where(np.isneginf(weights), self.beta * _LOG_OF_ZERO - _SPAN, weights)
        return np.asarray(weights + gumbel(candidates.ids, key), np.float32)


def gumbel(ids: Any, key: int) -> Doubles:
    """Noise of Gumbel's standard distribution, -ln(-ln u), with u in (0, 1) from a keyed hash of the id.

    Parameters
    ----------
    ids : strings (n,)
    key : int
        From `tie_key`. The noise is independent of the tie order of the same key, and of `random`.

    Returns
    -------
    float64 (n,)
        -3.7 to 36.8.
    """
    # 52 bits and a half: both u and 1 - u are exact and never 0.
    hashes = hash_ids(ids, purpose_key(key, "gumbel")) >> np.uint64(12)
    u = (hashes.astype(np.float64) + 0.5) / 2**52
    return np.asarray(-np.log(-np.log(u)))


def draw_probabilities(scores: ArrayLike, positions: ArrayLike, beta: float = 1.0) -> Doubles:
    """Give the probability of each draw, given the draws before it.

    q_m = s_i^beta / sum over what was left of s_j^beta, for the m-th draw, of item i. With it the estimators
    for draws without replacement are unbiased (LURE: Kossen et al., 2021). Items of score 0 are drawn when
    nothing else is left, and uniformly then.

    Parameters
    ----------
    scores : float (n,)
        Of *all* items that were drawn from, not below 0: `tasks.strategies.uncertainty.margin`.
    positions : int (k,)
        Which were drawn, in order: `Selection.positions` of `PowerMargin`.
    beta : float
        As in the draw.

    Returns
    -------
    float64 (k,)
        0 only where an item of score 0 comes before another, which no draw does.

    Raises
    ------
    UsageError
        A score is negative or not finite, or a position repeated or out of range.
    """
    _check_beta(beta)
    s, drawn = np.asarray(scores, np.float64), np.asarray(positions, np.int64)
    if s.ndim != 1 or not ((s >= 0) & (s < np.inf)).all():
        raise UsageError("Scores to draw by must be one row of finite numbers, none below 0.")
    left = np.ones(len(s), bool)
    if drawn.ndim != 1 or (len(drawn) and not (drawn.min() >= 0 and drawn.max() < len(s))):
        raise UsageError(f"Positions of what was drawn must be one row of numbers from 0 to {len(s) - 1}.")
    left[drawn] = False
    if len(s) - left.sum() != len(drawn):
        raise UsageError("Positions of what was drawn must be all different.")
    weights = _log_weights(s, beta)
    own, rest = weights[drawn], np.sort(weights[left])
    zero = np.isneginf(own)
    # In logarithms and from the end: no weight is too small beside another, no sum loses by subtraction.
    total = np.logaddexp.accumulate(np.concatenate([[_log_sum(rest)], own[::-1]]))[:0:-1]
    zeros_left = np.isneginf(rest).sum() + np.cumsum(zero[::-1])[::-1]
    q = np.zeros(len(drawn))
    q[~zero] = np.exp(own[~zero] - total[~zero])
    last = zero & np.isneginf(total)
    q[last] = 1 / zeros_left[last]
    return q


def _log_weights(scores: NDArray[np.floating[Any]], beta: float) -> Doubles:
    """Give beta ln(score); of score 0 minus infinity, unless beta is 0."""
    if beta == 0:
        return np.zeros(len(scores))
    with np.errstate(divide="ignore"):
        return np.asarray(beta * np.log(scores.astype(np.float64)))


def _log_sum(weights: Doubles) -> float:
    """ln(sum of exp(weight)), of rising weights; minus infinity of none."""
    if not len(weights) or np.isneginf(weights[-1]):
        return -np.inf
    return float(weights[-1] + np.log(np.exp(weights - weights[-1]).sum()))


def _check_beta(beta: float) -> None:
    if isinstance(beta, bool) or not isinstance(beta, int | float) or not 0 <= beta <= _MOST:
        raise UsageError(f"beta must be a number from 0 to {_MOST:.0f}, not {beta!r}.")
