"""The same choice by other libraries, where they are installed, in the same run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flows.bench.inputs import Inputs

Choice = Callable[[int], Any]

PEERS = {
    "margin": ("scikit-activeml margin", "modAL margin"),
    "kcenter": ("scikit-activeml CoreSet",),
    "badge": ("scikit-activeml Badge",),
    "typiclust": ("scikit-activeml TypiClust",),
}
"""Ours, and whom it is measured against."""


def choice_of(peer: str, inputs: Inputs) -> Choice:
    """Prepare a peer's choice; calling it with the batch size is what is timed.

    Raises
    ------
    ImportError
        It is not installed.
    """
    if peer == "modAL margin":
        return _modal(inputs)
    return _activeml(peer.removeprefix("scikit-activeml "), inputs)


def _activeml(name: str, inputs: Inputs) -> Choice:
    from skactiveml import pool
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    classes = np.arange(int(inputs.known_y.max()) + 1)
    classifier = SklearnClassifier(LogisticRegression(max_iter=200), classes=classes)
    X = np.concatenate([inputs.known_X, inputs.X])
    y = np.concatenate([inputs.known_y.astype(float), np.full(len(inputs.X), np.nan)])
    classifier.fit(inputs.known_X, inputs.known_y)
    if name == "margin":
        ask = pool.UncertaintySampling(method="margin_sampling", random_state=0)
        return lambda k: ask.query(X, y, clf=classifier, fit_clf=False, batch_size=k)
    if name == "Badge":
        ask = pool.Badge(random_state=0)
        return lambda k: ask.query(X, y, clf=classifier, fit_clf=False, batch_size=k)
    ask = getattr(pool, name)(random_state=0)
    return lambda k: ask.query(X, y, batch_size=k)


def _modal(inputs: Inputs) -> Choice:
    from modAL.uncertainty import margin_sampling
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(max_iter=200).fit(inputs.known_X, inputs.known_y)
    return lambda k: margin_sampling(classifier, inputs.X, n_instances=k)
