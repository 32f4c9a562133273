"""How much the members of a committee disagree on each item (Seung et al., 1992; Settles, 2009, section 3.2).

Each measure takes the members' class probabilities (members, n, n_classes) and gives float32 (n,), higher =
more worth labeling. A committee of one never disagrees with itself: what measures disagreement is 0 then.

Sums go member by member and class by class in float64, so that a row's score does not depend on the chunk
that it is in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.strategies.uncertainty import check_proba, entropy

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_ROUNDING = 1e-12


def vote_entropy(committee_proba: ArrayLike) -> Floats:
    """Score by the entropy of the votes: -sum_c v_c ln v_c (Dagan and Engelson, 1995).

    Each member votes for its likeliest class, of equally likely ones for the first; v_c is the share of votes
    for class c.

    Parameters
    ----------
    committee_proba : float (members, n, n_classes)

    Returns
    -------
    float32 (n,)
        0 where all vote alike, ln(min(members, n_classes)) at most. There are few different values.

    Raises
    ------
    UsageError
        A probability is NaN, infinite or outside [0, 1], or the array has another shape.
    """
    members = _checked(committee_proba)
    total = np.zeros(len(members[0]))
    for share in _shares(members):
        total += _surprise(share)
    return _scores(total)


def variation_ratio(committee_proba: ArrayLike) -> Floats:
    """Score by the share of votes that the winner lacks: 1 - max_c v_c (Freeman, 1965).

    Parameters
    ----------
    committee_proba : float (members, n, n_classes)

    Returns
    -------
    float32 (n,)
        0 where all vote alike.

    Raises
    ------
    UsageError
        As in `vote_entropy`.
    """
    members = _checked(committee_proba)
    most = np.zeros(len(members[0]))
    for share in _shares(members):
        np.maximum(most, share, out=most)
    return _scores(1 - most)


def consensus(committee_proba: ArrayLike) -> Doubles:
    """Give the members' mean.

    Parameters
    ----------
    committee_proba : float (members, n, n_classes)

    Returns
    -------
    float64 (n, n_classes)

    Raises
    ------
    UsageError
        As in `vote_entropy`.
    """
    members = _checked(committee_proba)
    return np.column_stack([_mean(members, c) for c in range(members[0].shape[1])])


def consensus_entropy(committee_proba: ArrayLike) -> Floats:
    """Score by the entropy of the consensus: the committee taken as one model, unsure or at odds alike.

    Parameters
    ----------
    committee_proba : float (members, n, n_classes)

    Returns
    -------
    float32 (n,)
        In nats.

    Raises
    ------
    UsageError
        As in `vote_entropy`.
    """
    return entropy(consensus(committee_proba))


def max_disagreement(committee_proba: ArrayLike) -> Floats:
    """Score by the mean Kullback-Leibler divergence from the consensus (McCallum and Nigam, 1998).

    (1/m) sum_j sum_c p^j_c ln(p^j_c / mean_c), the same number as `bald`, by another formula. The name says
    what is asked for, the items of the largest disagreement; it is not a maximum over members, which modAL's
    function of this name takes and one odd member decides.

    Parameters
    ----------
    committee_proba : float (members, n, n_classes)

    Returns
    -------
    float32 (n,)
        0 where the members agree, ln(members) at most.

    Raises
    ------
    UsageError
        As in `vote_entropy`.
    """
    members = _checked(committee_proba)
    total = np.zeros(len(members[0]))
    for c in range(members[0].shape[1]):
        mean = _mean(members, c)
        for member in members:
            p = _column(member, c)
            seen = p > 0
            total += p * np.log(np.where(seen, p, 1) / np.where(seen, mean, 1))
    return _scores(total / len(members))


def bald(committee_proba: ArrayLike) -> Floats:
    """Score by what the label would tell about the members: H(mean) - mean H(p^j) (Houlsby et al., 2011).

    The mutual information of label and member. High where members are sure and at odds, low where all are
    equally unsure.

    Parameters
    ----------
    committee_proba : float (members, n, n_classes)

    Returns
    -------
    float32 (n,)
        0 where the members agree, ln(members) at most.

    Raises
    ------
    UsageError
        As in `vote_entropy`.
    """
    members = _checked(committee_proba)
    of_mean, of_members = np.zeros(len(members[0])), np.zeros(len(members[0]))
    for c in range(members[0].shape[1]):
        of_mean += _surprise(_mean(members, c))
        for member in members:
            of_members += _surprise(_column(member, c))
    return _scores(of_mean - of_members / len(members))


def _shares(members: list[NDArray[Any]]) -> Iterator[Doubles]:
    """Share of the votes for each class in turn, float64 (n,)."""
    votes = [member.argmax(axis=1) for member in members]
    for c in range(members[0].shape[1]):
        yield np.sum([vote == c for vote in votes], axis=0) / len(votes)


def _mean(members: list[NDArray[Any]], c: int) -> Doubles:
    total = _column(members[0], c)
    for member in members[1:]:
        total += _column(member, c)
    total /= len(members)
    return total


def _column(member: NDArray[Any], c: int) -> Doubles:
    """Probabilities of one class, in an array of their own, without what float16 undershoots."""
    return np.maximum(member[:, c].astype(np.float64), 0)


def _surprise(p: Doubles) -> Doubles:
    return np.asarray(-p * np.log(np.where(p > 0, p, 1)))


def _scores(total: Doubles) -> Floats:
    """Take what rounding leaves around 0 for 0: members that agree tie."""
    return np.where(total < _ROUNDING, 0, total).astype(np.float32)


def _checked(committee_proba: ArrayLike) -> list[NDArray[Any]]:
    array = np.asarray(committee_proba)
    if array.ndim != 3 or len(array) == 0 or array.shape[2] == 0:
        raise UsageError(
            f"A committee's probabilities must have the shape (members, items, classes), not {array.shape}."
        )
    members = []
    for number, member in enumerate(array):
        try:
            members.append(check_proba(member))
        except UsageError as error:
            raise UsageError(f"Member {number} of the committee: {error}") from error
    return members
