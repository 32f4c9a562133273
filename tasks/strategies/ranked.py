"""Strategies that take the items with the highest scores: random, uncertainty, query by committee."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.models.committee import check_committee
from tasks.pool.sampling import hash_ids
from tasks.strategies import committee as votes
from tasks.strategies import uncertainty
from tasks.strategies.base import DEFAULT_COMMITTEE, Selecting, Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.ranking import check_scores, check_size, tie_key, top

Floats = NDArray[np.float32]

KIND, MEMBERS = DEFAULT_COMMITTEE
# Below the least step between two vote entropies of up to fourteen members, 0.0011.
_TIE_BREAK = 1e-3


@dataclass(frozen=True)
class Ranked(Selecting):
    """The k highest scores of a measure.

    Attributes
    ----------
    name : str
    needs : frozenset of str
    measure : callable
        Candidates and tie key to scores, float32 (n,), row by row.
    draws : bool
        Whether the k highest are a uniform draw.
    n_classes : int or None
        How many classes it is made for; None for any.
    """

    name: str
    needs: frozenset[str]
    measure: Callable[[Candidates, int], Floats]
    draws: bool = False
    n_classes: int | None = None

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score row by row; see `Strategy.score`."""
        return self._score(candidates, tie_key(rng))

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose the k highest scores, ties by the hash of the id; see `Strategy.select_explained`."""
        check_size(len(candidates), k)
        key = tie_key(rng)
        scores = self._score(candidates, key)
        positions = top(scores, candidates.ids, k, key)
        drawn = np.full(k, k / max(len(candidates), 1)) if self.draws else None
        return selection(positions, scores[positions], drawn=drawn)

    def _score(self, candidates: Candidates, key: int) -> Floats:
        candidates.require(self.needs, self.name)
        scores = self.measure(candidates, key)
        check_scores(scores)
        return scores


@dataclass(frozen=True)
class Polled(Ranked):
    """The k highest scores of a measure over a committee.

    Attributes
    ----------
    committee : (str, int)
        Kind and number of members; see `tasks.models.train_committee`.

    Raises
    ------
    UsageError
        There is no such kind, or the number is out of range.
    """

    committee: tuple[str, int] = DEFAULT_COMMITTEE

    def __post_init__(self) -> None:
        check_committee(*self.committee)


def uniform(candidates: Candidates, key: int) -> Floats:
    """Score by the id's hash, uniform over (0, 1], highest for the smallest hash.

    The tie hash goes on where the 24 bits of a float32 end, so the k best are exactly the bottom-k sample of
    the same key.
    """
    hashes = hash_ids(candidates.ids, key)
    return np.asarray(1 - (hashes >> np.uint64(40)).astype(np.float64) / 2**24, np.float32)


def random() -> Ranked:
    """Draw uniformly: what every other strategy must beat."""
    return Ranked("random", frozenset(), uniform, draws=True)


def least_confidence() -> Ranked:
    """Ask where the likeliest class is least likely; see `uncertainty.least_confidence`."""
    return _unsure("least_confidence", uncertainty.least_confidence)


def margin() -> Ranked:
    """Ask where the two likeliest classes are closest; see `uncertainty.margin`."""
    return _unsure("margin", uncertainty.margin)


def entropy() -> Ranked:
    """Ask where the entropy is highest; see `uncertainty.entropy`."""
    return _unsure("entropy", uncertainty.entropy)


def expected_cost(costs: Sequence[Sequence[float]] | None = None) -> Ranked:
    """Ask where the best answer is expected to cost most; see `uncertainty.expected_cost`.

    Parameters
    ----------
    costs : table of numbers, n_classes by n_classes, optional
        Row: the true class; column: the answer given; classes in the campaign's order. 0 for a right answer
        and 1 for each wrong one where it is left out, which is least confidence.

    Raises
    ------
    UsageError
        The table is not square or not finite.
    """
    if costs is None:
        return _unsure("expected_cost", uncertainty.least_confidence)
    table = uncertainty.check_costs(costs)
    made = _unsure("expected_cost", lambda proba: uncertainty.expected_cost(proba, table))
    return replace(made, n_classes=len(table))


def vote_entropy(committee: str = KIND, members: int = MEMBERS) -> Polled:
    """Ask where the members' votes are spread most; see `committee.vote_entropy`.

    Five members' votes give seven different scores at most, and most of a pool is unanimous. So a thousandth
    of the consensus's margin is added: items with equal votes come in the order of that margin rather than
    at random. Margin, since no measure did better in the comparison of 26 data sets by Lu et al. (2025). It
    is part of the score, and not of the choice alone, because a shortlist is cut by the score.

    Parameters
    ----------
    committee, members
        Who votes; see `Polled`.
    """
    return _polled("vote_entropy", _votes_then_margin, committee, members)


def consensus_entropy(committee: str = KIND, members: int = MEMBERS) -> Polled:
    """Ask where the committee's mean is least sure; see `vote_entropy` and `committee.consensus_entropy`."""
    return _polled("consensus_entropy", votes.consensus_entropy, committee, members)


def max_disagreement(committee: str = KIND, members: int = MEMBERS) -> Polled:
    """Ask where members diverge most; see `vote_entropy` and `committee.max_disagreement`."""
    return _polled("max_disagreement", votes.max_disagreement, committee, members)


def bald(committee: str = KIND, members: int = MEMBERS) -> Polled:
    """Ask where a label tells most about the members; see `vote_entropy` and `committee.bald`."""
    return _polled("bald", votes.bald, committee, members)


def _votes_then_margin(committee_proba: NDArray[np.float32]) -> Floats:
    close = uncertainty.margin(votes.consensus(committee_proba))
    return np.asarray(votes.vote_entropy(committee_proba) + np.float32(_TIE_BREAK) * close, np.float32)


def _unsure(name: str, measure: Callable[[NDArray[np.float32]], Floats]) -> Ranked:
    return Ranked(name, frozenset({"proba"}), lambda candidates, _: measure(np.asarray(candidates.proba)))


def _polled(name: str, measure: Callable[[NDArray[np.float32]], Floats], kind: str, members: int) -> Polled:
    return Polled(
        name,
        frozenset({"committee_proba"}),
        lambda candidates, _: measure(np.asarray(candidates.committee_proba)),
        committee=(kind, members),
    )
