"""Made-up sources, whose accuracy is known."""

from __future__ import annotations

import numpy as np

from tasks.truth import Answers


def crowd(n_items, n_classes, accuracy, per_item, seed=0, truth=None):
    """Answers of sources of these accuracies, of each item by so many different ones; and the truth."""
    rng = np.random.default_rng(seed)
    accuracy = np.asarray(accuracy, float)
    truth = rng.integers(0, n_classes, n_items) if truth is None else truth
    order = np.argsort(rng.random((n_items, len(accuracy))), axis=1)
    item, place = np.nonzero(np.arange(len(accuracy)) < np.broadcast_to(per_item, n_items)[:, None])
    source = order[item, place]
    label = wrong_at_times(truth[item], accuracy[source], n_classes, rng)
    return Answers(item, source, label, n_items, len(accuracy), n_classes), truth


def wrong_at_times(truth, accuracy, n_classes, rng):
    """The true class with the chance given, else one of the others."""
    other = (truth + rng.integers(1, n_classes, len(truth))) % n_classes
    return np.where(rng.random(len(truth)) < accuracy, truth, other)


def model_of(truth, n_classes, right=0.7, sure=0.7, seed=0):
    """Probabilities of a model that is right so often, and about so sure."""
    rng = np.random.default_rng(seed)
    said = wrong_at_times(truth, np.full(len(truth), right), n_classes, rng)
    proba = rng.dirichlet(np.ones(n_classes), len(truth)) * (1 - sure)
    proba[np.arange(len(truth)), said] += sure
    return proba


def timid_model(n_items, n_classes, seed=0, spread=0.15, power=0.5):
    """Probabilities of a model, and a truth to which they would fit had they not been raised to a power."""
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(n_classes, spread), n_items) + 1e-6
    proba /= proba.sum(axis=1, keepdims=True)
    truth = (rng.random((n_items, 1)) > proba.cumsum(axis=1)).sum(axis=1).clip(0, n_classes - 1)
    timid = proba**power
    return timid / timid.sum(axis=1, keepdims=True), truth
