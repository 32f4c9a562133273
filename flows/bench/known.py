"""Labelled data to measure intervals on: what a model says of a part that it was not trained on, and the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDS = 10
"""Models of growing training sets, as the rounds of a campaign have."""


@dataclass(frozen=True)
class Known:
    """A test part with the predictions of fixed models.

    Attributes
    ----------
    name : str
    proba : float64 (rounds, n, n_classes)
        Of models trained on more and more labels; the last is the model that is measured.
    y : int64 (n,)
    """

    name: str
    proba: Doubles
    y: Ints


@dataclass(frozen=True)
class _Source:
    """Where rows come from, how many labels train the last model, and what model."""

    rows: Callable[[], tuple[Any, Ints]]
    labels: int
    model: Callable[[], Any]


def names(emails: Path | None) -> list[str]:
    """List what can be measured on: the e-mails only where their file is given."""
    return [*(["emails"] if emails is not None else []), *_SOURCES]


def known_sets(chosen: list[str], emails: Path | None) -> Iterator[Known]:
    """Train the models of each data set, one set after another."""
    for name in chosen:
        if name not in names(emails):
            hint = " They need --emails FILE." if name == "emails" else ""
            raise UsageError(f"There is no data set {name!r}, only {', '.join(names(emails))}.{hint}")
    for name in chosen:
        if name == "emails":
            yield _known(name, _Source(partial(_emails, emails), 500, _linear))
        else:
            yield _known(name, _SOURCES[name])


def _known(name: str, source: _Source) -> Known:
    X, y = source.rows()
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[: source.labels], order[source.labels :]
    n_classes = int(y.max()) + 1
    proba = []
    for size in np.geomspace(source.labels / 8, source.labels, ROUNDS).astype(int):
        # Every class is known from the first round on.
        first = np.concatenate([train[y[train] == label][:2] for label in range(n_classes)])
        own = np.union1d(first, train[:size])
        proba.append(np.asarray(source.model().fit(X[own], y[own]).predict_proba(X[test]), np.float64))
    return Known(name, np.array(proba), y[test])


def _linear() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=20, max_iter=500)


def _scaled() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))


def _boosted() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=50, max_depth=3, nthread=1)


def _emails(file: Path | None) -> tuple[Any, Ints]:
    """Read a Parquet file with the columns subject, text and label; spam is the class 1."""
    import pyarrow.parquet as pq
    from sklearn.feature_extraction.text import TfidfVectorizer

    if file is None:
        raise UsageError("The e-mails need --emails FILE.")
    try:
        table = pq.read_table(file, columns=["subject", "text", "label"])
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(
            f"{file}: cannot be read as e-mails with subject, text and label: {error}"
        ) from error
    columns = (table.column(name).to_pylist() for name in ("subject", "text"))
    texts = [f"{subject or ''} {text or ''}" for subject, text in zip(*columns, strict=True)]
    labels = np.unique(table.column("label").to_pylist(), return_inverse=True)[1]
    X = TfidfVectorizer(max_features=20_000, sublinear_tf=True).fit_transform(texts)
    return X, labels.astype(np.int64)


def _digits() -> tuple[Any, Ints]:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X, y.astype(np.int64)


def _cancer() -> tuple[Any, Ints]:
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return X, y.astype(np.int64)


def _made(n_classes: int, **how: Any) -> tuple[Any, Ints]:
    from sklearn.datasets import make_classification

    X, y = make_classification(8000, n_classes=n_classes, random_state=n_classes, **how)
    return X, y.astype(np.int64)


def _rare() -> tuple[Any, Ints]:
    return _made(2, n_features=20, n_informative=6, weights=[0.97], flip_y=0.005)


def _many() -> tuple[Any, Ints]:
    return _made(26, n_features=30, n_informative=15, n_clusters_per_class=1, class_sep=2.0)


_SOURCES = {
    "digits": _Source(_digits, 200, _scaled),
    "cancer": _Source(_cancer, 60, _boosted),
    "rare": _Source(_rare, 2000, _boosted),
    "many": _Source(_many, 1000, _scaled),
}
