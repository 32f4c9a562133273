"""Distances and clusters of feature rows: what the strategies of diversity share.

Rows are float32. Sums in another order have other last bits, and a matrix product may sum a row in another
order at another place of the matrix: results that must not depend on the order of rows are either made of
rows in hash order (`hash_order`), or summed row by row.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.pool.sampling import hash_ids
from tasks.strategies.candidates import Candidates

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# Multiplications of one full pass, items x clusters x dimensions, above which mini-batches take over.
FULL_PASS = 5e8
# Numbers held at once where rows are taken in blocks: 4 MB of float32.
_BLOCK = 1 << 20
# Squares of larger numbers overflow float32 within some thousand dimensions.
_LARGEST = 1e17


def finite(array: Any, name: str) -> Floats:
    """Give a matrix as float32, row after row in memory.

    Raises
    ------
    UsageError
        It holds NaN, infinity, or numbers too large for distances.
    """
    rows = np.ascontiguousarray(array, dtype=np.float32)
    if rows.size and not (rows.min() > -_LARGEST and rows.max() < _LARGEST):
        if np.isfinite(rows).all():
            raise UsageError(f"{name} holds numbers beyond {_LARGEST:g}; distances need FeatureSpace.embed.")
        raise UsageError(
            f"{name} holds NaN or infinity; distances need FeatureSpace.embed, which fills them in."
        )
    return rows


def known_rows(candidates: Candidates, width: int, *, distinct: bool = True) -> Floats:
    """Features of the known items, sorted, so that their order does not matter.

    Parameters
    ----------
    candidates : Candidates
    width : int
        Columns of an empty answer, where nothing is known.
    distinct : bool
        Give equal rows once.

    Returns
    -------
    float32 (m, e)
    """
    if candidates.known_features is None or len(candidates.known_features) == 0:
        return np.zeros((0, width), np.float32)
    rows = finite(candidates.known_features, "known_features")
    return np.unique(rows, axis=0) if distinct else rows[np.lexsort(rows.T[::-1])]


def hash_order(ids: Any, key: int) -> Ints:
    """Positions of ids by their keyed hash, int64 (n,): an order that theirs does not change."""
    return np.argsort(hash_ids(ids, key), kind="stable")


def blocks(n: int, width: int) -> Iterator[slice]:
    """Cut n rows into slices of which a matrix of `width` columns takes a few megabytes."""
    step = max(1, _BLOCK // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))


def squared_distances(rows: Floats, others: Floats) -> Floats:
    """Squared distance of each row to a row of its own, or to one row for all, summed row by row.

    Parameters
    ----------
    rows : float32 (n, e)
    others : float32 (n, e) or (e,)

    Returns
    -------
    float32 (n,)
        The same for a row wherever it stands. Differences below 1e-19 count as none.
    """
    found = np.empty(len(rows), np.float32)
    for part in blocks(len(rows), 8 * rows.shape[1]):
        gap = rows[part] - (others if others.ndim == 1 else others[part])
        np.square(gap, out=gap).sum(axis=1, out=found[part])
    return found


def mean_row(rows: Floats) -> NDArray[np.float64]:
    """Mean of one or more rows, float64 (e,), the same to the last bit for any order of them.

    Integers add up exactly: each column is counted in steps of 2**-62 n of its largest number.
    """
    largest = np.maximum(rows.max(axis=0), -rows.min(axis=0)).astype(np.float64)
    step = np.ldexp(1.0, np.frexp(largest)[1] + int(np.ceil(np.log2(max(2, len(rows))))) - 62)
    total = np.zeros(rows.shape[1], np.int64)
    for part in blocks(len(rows), 8 * rows.shape[1]):
        total += np.rint(rows[part] / step).astype(np.int64).sum(axis=0)
    return np.asarray(total * step / len(rows))


def partition(
    rows: Floats, k: int, seed: int, weights: Floats | None = None, *, full_pass: float | None = None
) -> tuple[Ints, Floats, Floats]:
    """Cluster rows by k-means (Lloyd, 1982, from k-means++ starts; mini-batches: Sculley, 2010).

    Where there are no more than k distinct rows, each is a cluster. The answer depends on the order of rows:
    bring them into hash order first.

    Parameters
    ----------
    rows : float32 (n, e)
    k : int
        Clusters, at least 1.
    seed : int
        Of the starts, 0 to 2**31 - 1.
    weights : float (n,), optional
        How much each row counts, 0 and more; all the same when None.
    full_pass : float, optional
        Work n k e of one pass, above which mini-batches take over.

    Returns
    -------
    clusters : int64 (n,)
        The number of the centre nearest to each row.
    centres : float32 (k', e)
        k' = min(k, distinct rows). Mini-batches may leave a centre without rows.
    distances : float32 (n,)
        Squared distance to the own centre.
    """
    if not _more_distinct_than(rows, k):
        centres, inverse = np.unique(rows, axis=0, return_inverse=True)
        return inverse.reshape(-1).astype(np.int64), centres, np.zeros(len(rows), np.float32)
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # Threads add up in the order in which they end, which would make the last bits a matter of luck.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rows nearer to each other than float32 can tell
        if float(len(rows)) * k * rows.shape[1] > (FULL_PASS if full_pass is None else full_pass):
            batch = max(4096, 2 * k)
            model = MiniBatchKMeans(k, n_init=1, random_state=seed, batch_size=batch, compute_labels=False)
            model.fit(rows, sample_weight=_positive(weights))
            clusters = model.predict(rows)
        else:
            model = KMeans(k, n_init=1, max_iter=50, random_state=seed)
            clusters = model.fit(rows, sample_weight=_positive(weights)).labels_
    centres = np.asarray(model.cluster_centers_, np.float32)
    clusters = clusters.astype(np.int64)
    return clusters, centres, squared_distances(rows, centres[clusters])


def one_each(
    clusters: Ints, distances: Floats, k: int, known: NDArray[Any] | None = None
) -> tuple[Ints, Ints]:
    """Take for each centre the item nearest to it, one to one, and from clusters in turn what is left to k.

    Each item belongs to one centre, so no two centres share one; a centre without items, or fewer centres
    than k, are made up for by the next nearest items of all clusters in turn.

    Parameters
    ----------
    clusters : int64 (n,)
        Number of the centre that each item belongs to. Of items equally near the first is taken.
    distances : float32 (n,)
        To the own centre; squared will do.
    k : int
        At most n.
    known : int (at least the largest number + 1,), optional
        How many known items each cluster holds.

    Returns
    -------
    positions : int64 (k,)
        All different: turn by turn, clusters with few known items first, of these the largest.
    numbers : int64 (k,)
        The cluster of each.
    """
    n = len(clusters)
    number = int(clusters.max(initial=-1)) + 1
    known = np.zeros(number, np.int64) if known is None else known
    size = np.bincount(clusters, minlength=number)
    nearest = np.lexsort((np.arange(n), distances, clusters))
    starts = np.cumsum(size) - size
    turn = np.empty(n, np.int64)
    turn[nearest] = np.arange(n) - np.repeat(starts, size)
    first = np.full(number, n)
    np.minimum.at(first, clusters, np.arange(n))
    order = np.lexsort((first[clusters], -size[clusters], known[clusters], turn))[:k].astype(np.int64)
    return order, clusters[order]


def _more_distinct_than(rows: Floats, k: int) -> bool:
    """Tell whether there are more than k distinct rows, mostly from the first few."""
    seen = min(len(rows), 2 * k)
    while len(np.unique(rows[:seen], axis=0)) <= k:
        if seen == len(rows):
            return False
        seen = min(len(rows), 2 * seen)
    return True


def _positive(weights: Floats | None) -> Floats | None:
    """Lift weights of 0 a little: centres must not be without a place where too few rows count."""
    if weights is None or not weights.max(initial=0) > 0:
        return None
    return np.asarray(np.maximum(weights, 1e-6 * weights.max()), np.float32)
