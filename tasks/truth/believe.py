"""From answers to what is believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tasks.errors import UsageError
from tasks.truth import dawid_skene as plain
from tasks.truth.answers import Answers, Belief, Doubles, check_model
from tasks.truth.crowdlab import Crowdlab
from tasks.truth.method import Method, shares
from tasks.truth.witness import Witness

METHODS = ("auto", "majority", "dawid_skene", "one_coin", "crowdlab", "witness")
"""What ``truth.method`` in a campaign may say."""

_ROUNDS = {"witness": 100, "crowdlab": 2}
_TOLERANCE = 1e-5


def believe(answers: Answers, method: str = "auto", model_proba: ArrayLike | None = None) -> Belief:
    """Infer labels from answers.

    Parameters
    ----------
    answers : Answers
    method : str
        Of `METHODS`. ``auto`` is ``witness``: with or without a model the best of them, and calibrated (docs/truth.md).
    model_proba : float (n_items, n_classes), optional
        What a model says that did not learn from the item's own answers: of labelled items out-of-fold. A row that is
        certain counts as a known label, so gold can be given that way. Methods that know no model take no notice.

    Returns
    -------
    Belief
        ``crowdlab`` without a model is ``witness``, and its `method` says so.

    Raises
    ------
    UsageError
        No such method, or probabilities that do not fit the answers.
    """
    if method not in METHODS:
        raise UsageError(f"There is no truth method {method!r}; there are: {', '.join(METHODS)}.")
    model = check_model(model_proba, answers)
    if method == "majority":
        return majority_belief(answers)
    if method == "dawid_skene":
        return plain.dawid_skene(answers)
    if method == "one_coin":
        return plain.one_coin(answers)
    belief, _ = fit(method_of(method, model), answers, model)
    return belief


def majority_belief(answers: Answers) -> Belief:
    """Take the shares of the votes; `accuracy` is each source's agreement with the label."""
    proba = answers.votes / np.maximum(answers.counts, 1)[:, None]
    proba[answers.counts == 0] = 1 / answers.n_classes
    agrees = (proba.argmax(axis=1)[answers.item] == answers.label).astype(np.float64)
    asked = answers.per_source(np.ones(len(answers)))
    usual = agrees.mean() if len(agrees) else 1 / answers.n_classes
    accuracy = np.divide(
        answers.per_source(agrees), asked, out=np.full(answers.n_sources, usual), where=asked > 0
    )
    return Belief("majority", proba, answers.counts, accuracy, np.ones(answers.n_sources))


def method_of(name: str, model: Doubles | None) -> Method:
    """Give the method that learns by sums: ``auto``, ``witness`` or ``crowdlab``."""
    if name == "crowdlab" and model is not None:
        return Crowdlab()
    return Witness(power=0.0 if model is None else 1.0)


def fit(
    method: Method, answers: Answers, model: Doubles | None, start: Doubles | None = None
) -> tuple[Belief, tuple[Method, Any]]:
    """Sum up, learn and believe in turn, until beliefs stand still.

    Parameters
    ----------
    start : float64 (n_items, n_classes), optional
        Beliefs to begin with; else the shares of the votes.

    Returns
    -------
    belief : Belief
    state : (Method, Any)
        The method as it went on, and what it learnt last.
    """
    proba = shares(answers, model) if start is None else start
    for _ in range(_ROUNDS[method.name]):
        learnt = method.learn(method.sums(answers, proba, model))
        method = method.stepped(learnt)
        before, proba = proba, method.posterior(answers, learnt, model)
        if np.abs(proba - before).max(initial=0.0) < _TOLERANCE:
            break
    belief = method.belief(answers, proba, learnt)
    return (belief if model is not None else replace(belief, model_weight=0.0)), (method, learnt)
