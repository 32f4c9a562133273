"""Calibrated probabilities: of several maps the one that cross-validation finds best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation import measures
from tasks.models.maps import Doubles, Identity, Ints, Map, Parts, fit_maps, read_map

FOLDS = 5
# With fewer items no comparison of maps means anything.
FEWEST_ITEMS = 20
# Items a class, on average, below which no map learns something of each class.
FEWEST_OF_A_CLASS = 5
# A more complex map must be better by this share of the standard error of the paired differences. On four data
# sets, five models, 100 to 1,000 labels, .25 was better than 1, and hardly behind taking the best whatever the doubt.
_CLEARLY = 0.25
# Numbers, and rows in any case, that are fitted on: more change nothing but the time.
_CELLS, _ROWS = 200_000, 2_000


@dataclass(frozen=True)
class MapScore:
    """What cross-validation measured of one map.

    Attributes
    ----------
    name : str
    log_loss : float
        In nats, on items that the map was not fitted on.
    ece : float
        Expected calibration error of 15 bins on the same items, 0 to 1. Chance alone makes it about .03 on 300
        items, whatever the map.
    """

    name: str
    log_loss: float
    ece: float


@dataclass(frozen=True)
class Calibration:
    """A fitted map, and the figures that chose it.

    Attributes
    ----------
    map : Map
    n_classes : int
    n : int
        Items that were fitted on.
    scores : tuple of MapScore
        Of every candidate, the simplest first, ``none`` always among them; empty where nothing was compared.
    """

    map: Map
    n_classes: int
    n: int
    scores: tuple[MapScore, ...] = ()

    @property
    def name(self) -> str:
        """The map's name: none, temperature, bias_corrected or isotonic."""
        return self.map.name

    @property
    def before(self) -> MapScore | None:
        """The figures of the model's own probabilities."""
        return self._figures(Identity.name)

    @property
    def after(self) -> MapScore | None:
        """The figures of the map that was chosen."""
        return self._figures(self.name)

    def _figures(self, name: str) -> MapScore | None:
        return next((score for score in self.scores if score.name == name), None)

    def apply(self, proba: ArrayLike) -> NDArray[np.float32]:
        """Calibrate class probabilities.

        Parameters
        ----------
        proba : float (n, n_classes)
            Rows sum to 1; rows are independent, so any chunking gives the same numbers.

        Returns
        -------
        float32 (n, n_classes)
            Rows sum to 1.

        Raises
        ------
        UsageError
            Another number of classes.
        """
        given = np.asarray(proba)
        if given.ndim != 2 or given.shape[1] != self.n_classes:
            raise UsageError(f"Calibration needs {self.n_classes} classes a row, not {given.shape}.")
        if isinstance(self.map, Identity):
            return given.astype(np.float32)
        # In this order of memory, whatever the caller's: NumPy rounds by it.
        return self.map.apply(np.ascontiguousarray(given, np.float64)).astype(np.float32)

    def to_parts(self) -> Parts:
        """Give settings and arrays, for the file."""
        settings, arrays = self.map.to_parts()
        scores = [[score.name, score.log_loss, score.ece] for score in self.scores]
        header = {"map": self.name, "settings": settings, "n_classes": self.n_classes, "n": self.n}
        return {**header, "scores": scores}, arrays

    @classmethod
    def from_parts(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Calibration:
        """Make it again of what `to_parts` gave.

        Raises
        ------
        UsageError
            A map that this version does not know.
        """
        scores = tuple(MapScore(*score) for score in settings["scores"])
        found = read_map(settings["map"], settings["settings"], arrays)
        return cls(found, settings["n_classes"], settings["n"], scores)


def fit_calibration(
    proba: ArrayLike, y: ArrayLike, weight: ArrayLike, item: ArrayLike, *, seed: int
) -> Calibration:
    """Choose and fit a map from a model's scores to probabilities.

    Parameters
    ----------
    proba : float (n, n_classes)
        Out-of-fold: each row from a model that did not train on its item.
    y : int (n,)
        Classes.
    weight : float (n,)
        Of each row, for instance the label's confidence; none negative. Without class weights: these would
        calibrate to shares that no pool has.
    item : int (n,)
        Rows of one item stay in one fold; rows with -1 (weak supervision) are left out.
    seed : int
        Of the folds. The order of the rows does not matter.

    Returns
    -------
    Calibration
        The candidate with the least cross-validated log-loss, or a simpler one that is not clearly worse (by a
        share of the standard error of the paired differences, after Breiman et al., 1984). ``none`` with fewer
        than `FEWEST_ITEMS` items or labels of one class alone.

    Raises
    ------
    UsageError
        Arrays that do not fit together, or a value that is not finite.
    """
    from threadpoolctl import threadpool_limits

    p, truth, w, items = _rows(proba, y, weight, item, seed)
    n_classes, n = p.shape[1], len(np.unique(items))
    if n < FEWEST_ITEMS or len(np.unique(truth)) < 2:
        return Calibration(Identity(), n_classes, n)
    by_class = n >= FEWEST_OF_A_CLASS * n_classes
    # The number of threads would change the order of sums.
    with threadpool_limits(limits=1):
        folds = _folds(items, truth, w, seed)
        mapped = _cross_validated(p, truth, w, folds, by_class=by_class)
        scores = tuple(_score(name, one, truth, w) for name, one in mapped.items())
        chosen = _simplest(mapped, truth, w)
        maps = {one.name: one for one in fit_maps(p, truth, w, by_class=by_class)}
    return Calibration(maps[chosen], n_classes, n, scores)


def _rows(
    proba: ArrayLike, y: ArrayLike, weight: ArrayLike, item: ArrayLike, seed: int
) -> tuple[Doubles, Ints, Doubles, Ints]:
    """Check the rows, leave out what is not measured on, and sort, so that their order does not matter."""
    p, truth = measures.checked(proba, y)
    w, items = np.asarray(weight, np.float64), np.asarray(item)
    if w.shape != truth.shape or items.shape != truth.shape:
        raise UsageError(
            f"{len(truth)} rows need as many weights and items, not {w.shape} and {items.shape}."
        )
    if not np.isfinite(w).all() or (w < 0).any():
        raise UsageError("A row's weight must be a number, 0 or more.")
    kept = np.flatnonzero((items >= 0) & (w > 0))
    kept = kept[np.lexsort((truth[kept], items[kept]))]
    numbers = np.unique(items[kept])
    most = max(_CELLS // p.shape[1], _ROWS)
    if len(numbers) > most:
        drawn = np.random.default_rng(seed).choice(numbers, most, replace=False)
        kept = kept[np.isin(items[kept], drawn)]
    return p[kept], truth[kept], w[kept], items[kept].astype(np.int64)


def _folds(items: Ints, y: Ints, weight: Doubles, seed: int) -> Ints:
    """Deal items to folds class by class; rows of one item go together."""
    numbers, place = np.unique(items, return_inverse=True)
    heaviest = np.lexsort((-weight, items))
    first = heaviest[np.flatnonzero(np.diff(items[heaviest], prepend=-1))]
    order = np.lexsort((np.random.default_rng(seed).permutation(len(numbers)), y[first]))
    fold = np.empty(len(numbers), np.int64)
    fold[order] = np.arange(len(numbers)) % FOLDS
    return np.asarray(fold[place])


def _cross_validated(
    p: Doubles, y: Ints, weight: Doubles, folds: Ints, *, by_class: bool
) -> dict[str, Doubles]:
    """Map each item by maps that were fitted without it."""
    mapped: dict[str, Doubles] = {}
    for fold in range(FOLDS):
        own = folds == fold
        for one in fit_maps(p[~own], y[~own], weight[~own], by_class=by_class):
            mapped.setdefault(one.name, np.empty(p.shape))[own] = one.apply(p[own])
    return mapped


def _score(name: str, p: Doubles, y: Ints, weight: Doubles) -> MapScore:
    w = weight[None]
    return MapScore(name, float(measures.log_loss(p, y, w)[0]), float(measures.calibration_error(p, y, w)[0]))


def _simplest(mapped: dict[str, Doubles], y: Ints, weight: Doubles) -> str:
    """Give the first map that is not clearly worse than the best."""
    share, own = weight / weight.sum(), (np.arange(len(y)), y)
    losses = {name: -np.log(np.clip(p[own], measures.SMALLEST, 1)) for name, p in mapped.items()}
    means = {name: float(share @ loss) for name, loss in losses.items()}
    best = min(means, key=lambda name: means[name])

    def as_good(name: str) -> bool:
        worse = losses[name] - losses[best]
        error = np.sqrt((np.square(share) * np.square(worse - share @ worse)).sum())
        return bool(share @ worse <= _CLEARLY * error)

    return next(name for name in means if as_good(name))
