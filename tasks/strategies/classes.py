"""What candidates and known items say about the classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.strategies.candidates import Candidates
from tasks.strategies.ranked import Ranked
from tasks.strategies.uncertainty import margin

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BY_LABELS = frozenset({"proba", "known_classes"})
"""What a first stage reads that looks at how many labels each class has."""

_FLOATS = ("proba", "features", "committee_proba", "cost")


@dataclass(frozen=True)
class RankedByLabels(Ranked):
    """A measure of candidates that looks at how many labels each class has."""

    uses: frozenset[str] = frozenset({"known_classes"})
    score_needs: frozenset[str] = BY_LABELS


def check_needs(candidates: Candidates, needs: frozenset[str], name: str) -> None:
    """Refuse candidates that lack a needed field, or whose needed numbers are not finite.

    A strategy of several asks this first: its answer must not hang on whether a part that reads a broken
    field happened to get a place in the batch.

    Raises
    ------
    UsageError
        A field is None, or holds NaN or infinity.
    """
    candidates.require(needs, name)
    for field in _FLOATS:
        if field in needs and not np.isfinite(getattr(candidates, field)).all():
            raise UsageError(
                f"{field} holds NaN or infinity, and the strategy {name!r} reads it. Check what filled it in."
            )


def probabilities(candidates: Candidates) -> Floats:
    """Give `Candidates.proba`, checked.

    Raises
    ------
    UsageError
        It is missing, or holds NaN or what is no probability.
    """
    proba = np.asarray(candidates.proba, np.float32)
    margin(proba)
    return proba


def predicted_classes(proba: Floats) -> Ints:
    """Give the likeliest class of each row, the first of equals."""
    return np.asarray(np.argmax(proba, axis=1), np.int64)


def known_labels(candidates: Candidates, n_classes: int) -> Ints:
    """Give the classes of the known items, -1 = in flight, int64 (m,); empty where nothing is known.

    Raises
    ------
    UsageError
        A code that is no class.
    """
    if candidates.known_classes is None:
        return np.zeros(0, np.int64)
    classes = np.asarray(candidates.known_classes, np.int64)
    wrong = (classes < -1) | (classes >= n_classes)
    if wrong.any():
        raise UsageError(
            f"known_classes holds {classes[wrong][0]}; the {n_classes} classes are 0 to {n_classes - 1}, "
            "and -1 is in flight."
        )
    return classes


def label_counts(candidates: Candidates, n_classes: int) -> Ints:
    """Count the labels of each class, int64 (n_classes,)."""
    classes = known_labels(candidates, n_classes)
    return np.bincount(classes[classes >= 0], minlength=n_classes).astype(np.int64)


def balanced_margin(candidates: Candidates) -> Floats:
    """Score by the margin of probabilities that are corrected for the labels' imbalance.

    Each p_c is divided by the class's number of labels plus one and the row is normalised, which is the
    posterior under equal priors (Saerens et al., 2002). An item that a rare class may claim is then near a
    boundary although the plain model gives that class little. Without labels it is the plain margin.

    Returns
    -------
    float32 (n,)
        0 where one class is certain, 1 where the two likeliest are equal.
    """
    proba = probabilities(candidates)
    counts = label_counts(candidates, proba.shape[1])
    if not counts.any():
        return margin(proba)
    weighted = proba.astype(np.float64) / (counts + 1)
    # Column by column: a row's sum must not depend on how many rows a chunk has.
    total = reduce(np.add, weighted.T)
    return margin((weighted / np.where(total > 0, total, 1)[:, None]).astype(np.float32))
