"""What is looked at before money is spent: each guard says whether something is wrong with the round's batch.

A guard trips on what no ordinary campaign shows, so each of them holds its figure against what chance gives; where too
little is known it does not trip, and says so. Rates of false alarms: docs/stopping.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tasks.evaluation.drift import auc_of_psi

GUARDS = ("one_class", "constant_scores", "worse_model", "drift", "vendor_errors")
USUAL = {"one_class": 0.95, "constant_scores": 0.9, "worse_model": 0.0, "drift": 0.25}
"""Limits where a campaign sets none; that of `vendor_errors` is what its gold passes."""

# Chance that a batch drawn at random from the pool would be as much of one class.
RISK = 1e-4
# A batch that takes most of what is left is not chosen by scores.
_MOST = 0.5


@dataclass(frozen=True)
class GuardSignal:
    """A guard's answer.

    Attributes
    ----------
    name : str
    tripped : bool
        Whether nothing may be published without a person's word.
    reason : str
        One sentence for people.
    value, threshold : float or None
        The figure, and what it is held against; None where nothing could be judged.
    """

    name: str
    tripped: bool
    reason: str
    value: float | None = None
    threshold: float | None = None


def one_class(
    batch: ArrayLike, audit: ArrayLike, pool: ArrayLike, classes: Sequence[str], *, limit: float
) -> GuardSignal:
    """Trip when nearly the whole batch is predicted to be of one class, and the pool is not.

    A pool of one class in ninety-nine of a hundred items gives such batches by right. So the share of the class in the
    pool is taken as high as the audit allows (Clopper and Pearson, 1934, one-sided), and the batch must be one that a
    random draw from such a pool gives with a chance of at most one in ten thousand.

    Parameters
    ----------
    batch : float (n_classes,)
        Items that the model chose, by predicted class.
    audit : float (n_classes,)
        Labelled items of the audit, by class.
    pool : float (n_classes,)
        A random sample of the pool, by predicted class: it stands in while there is no audit. A model that predicts one
        class everywhere is only found out by an audit.
    limit : float
        Share of the batch.
    """
    from scipy.special import betaincinv
    from scipy.stats import binom

    chosen, known = np.asarray(batch, np.float64), np.asarray(audit, np.float64)
    if known.sum() == 0:
        known = np.asarray(pool, np.float64)
    size, n = float(chosen.sum()), float(known.sum())
    if size == 0 or n == 0:
        return GuardSignal("one_class", False, "No model predicts the classes of this batch.")
    largest = int(chosen.argmax())
    share, seen = float(chosen[largest] / size), float(known[largest])
    most = 1.0 if seen >= n else float(betaincinv(seen + 1, n - seen, 1 - RISK))
    chance = float(binom.sf(chosen[largest] - 1, size, most))
    tripped = share >= limit and chance <= RISK
    said = f"{share:.0%} of the chosen items are predicted to be {classes[largest]}"
    if share < limit:
        reason = f"{said}, which is less than {limit:.0%}."
    elif tripped:
        reason = f"{said}, although at most {most:.0%} of the pool are."
    else:
        reason = f"{said}, as chance may give where up to {most:.0%} of the pool can be."
    return GuardSignal("one_class", tripped, reason, share, limit)


def constant_scores(scores: ArrayLike, batch: int, free: int, *, limit: float) -> GuardSignal:
    """Trip when the score at which the batch is cut is that of much of the pool: it does not tell items apart.

    Constant scores are one such case, a handful of values another. A strategy of few values whose best are rare is not.

    Parameters
    ----------
    scores : float (n,)
        Of a random sample of the free items.
    batch : int
        Items that are chosen by score.
    free : int
        Free items in the pool.
    limit : float
        Share of the pool.
    """
    values = np.sort(np.asarray(scores, np.float64))[::-1]
    values = values[~np.isnan(values)]
    if len(values) < 2 or batch < 1 or free < 1:
        return GuardSignal("constant_scores", False, "No scores were needed for this batch.")
    taken = batch / free
    if taken > _MOST:
        said = f"The batch takes {min(taken, 1):.0%} of what is left, whatever the scores are."
        return GuardSignal("constant_scores", False, said)
    cut = values[min(int(taken * len(values)), len(values) - 1)]
    share = float(np.mean(values == cut))
    tripped = share >= limit
    reason = (
        f"{share:.0%} of the pool have the score at which the batch is cut, {'not ' if tripped else ''}less than "
        f"{limit:.0%}{', so it is chosen by chance' if tripped else ''}."
    )
    return GuardSignal("constant_scores", tripped, reason, share, limit)


def worse_model(
    difference: float, high: float, n: int, *, level: float, limit: float, before: int
) -> GuardSignal:
    """Trip when the round's model is surely worse than that of the round before, on the same audit items.

    Parameters
    ----------
    difference, high : float
        Share of items that the newer model gets right less that of the older, and the upper end of its interval.
    n : int
        Items.
    level : float
        Of the interval; it must be one that may be looked at in each round (`look_level`).
    limit : float
        By how much it may be worse.
    before : int
        Number of the older model's round.
    """
    tripped = bool(high < -limit)
    said = f"On {n} audit items the model gets {abs(difference):.3f} {'fewer' if difference < 0 else 'more'} right"
    end = f"at best {high:+.3f} by an interval of {level:.2%}"
    verdict = "surely worse" if tripped else "not surely worse"
    by = f" by more than {limit:g}" if limit else ""
    reason = f"{said} than that of round {before}, {end}: {verdict}{by}."
    return GuardSignal("worse_model", tripped, reason, float(high), -limit)


def drifted(found: Mapping[str, Any] | None, *, limit: float) -> GuardSignal:
    """Trip when the pool is another than the one that the last round saw.

    Parameters
    ----------
    found : mapping or None
        Of `Drift.to_json`, or with why there is none under ``why_not``.
    limit : float
        Population stability index of a feature; the area under the ROC curve of a classifier between the two samples is
        held against what goes with it (`auc_of_psi`).
    """
    if not found or found.get("psi_max") is None:
        why = (found or {}).get("why_not") or "There is no earlier round to compare the pool with."
        return GuardSignal("drift", False, str(why))
    index, noise = float(found["psi_max"]), float(found.get("noise") or 0.0)
    low, told_apart = float(found["auc_low"]), auc_of_psi(limit)
    threshold = max(limit, noise)
    names = list(found["psi"])[:3]
    by_feature, together = index >= threshold, low >= told_apart
    if by_feature:
        moved = f"the most moved features are {', '.join(names)}" if len(names) > 1 else f"{names[0]} moved"
        reason = f"The pool drifted: the largest stability index is {index:.2f}, at least {threshold:.2f}; {moved}."
    elif together:
        reason = (
            f"The pool drifted: a classifier tells it from the last round's with an area of {found['auc']:.3f} "
            f"({low:.3f} at least), which is more than {told_apart:.3f}."
        )
    else:
        reason = (
            f"The pool is the last round's or much like it: the largest stability index is {index:.2f}, below "
            f"{threshold:.2f}."
        )
    return GuardSignal("drift", by_feature or together, reason, index, threshold)


def vendor_errors(
    gold: Mapping[str, tuple[int, int]], working: Sequence[str], *, passes: float
) -> GuardSignal:
    """Trip when a vendor that is to get work is surely not as good as it must be.

    Parameters
    ----------
    gold : mapping of str to (int, int)
        Right and wrong answers of each vendor to items whose label is known.
    working : sequence of str
        Vendors that get tasks of the batch.
    passes : float
        Accuracy that must be reached: the test may be asked after each answer (`tasks.truth.GoldTest`).
    """
    from tasks.truth import GoldTest

    test, limit = GoldTest(passes=passes), 1 - passes
    known = {name: gold[name] for name in working if sum(gold.get(name, (0, 0)))}
    if not known:
        return GuardSignal("vendor_errors", False, "No vendor has answered an item whose label is known.")
    rates = {name: wrong / (right + wrong) for name, (right, wrong) in known.items()}
    worst = max(rates, key=lambda name: rates[name])
    bad = [name for name, (right, wrong) in known.items() if bool(test.suspends(right, wrong))]
    if not bad:
        right, wrong = known[worst]
        said = f"{worst} erred in {wrong} of {right + wrong} items whose label is known"
        reason = f"No vendor surely errs in more than {limit:.0%}; {said}."
        return GuardSignal("vendor_errors", False, reason, rates[worst], limit)
    said = ", ".join(f"{name} in {known[name][1]} of {sum(known[name])}" for name in bad)
    reason = f"Vendors err surely in more than {limit:.0%} of the items whose label is known: {said}."
    return GuardSignal("vendor_errors", True, reason, max(rates[name] for name in bad), limit)
