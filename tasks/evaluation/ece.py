"""The expected calibration error without the part of it that is chance.

The plug-in figure adds up |claimed - correct| over bins, and the absolute value of noise does not average out: a model
that is perfectly calibrated shows .05 on 100 items (Roelofs et al., 2022).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation import measures

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

# Times the gaps that were seen. The last is far beyond what noise can hide.
_SCALES = np.array(
    [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1.125, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 6, 9]
)


def calibration(p: Doubles, y: Ints, w: Doubles, level: float) -> tuple[float, float, float]:
    """Estimate the calibration error in 15 bins of the top probability, and its interval.

    A family of models stands for what may be true: in each bin the share of errors lies t times as far from what the
    model claims as it was seen (at least as far as noise goes), t >= 0. For each t the plug-in figure of as many items
    a bin is a sum of distances of binomial numbers, of known mean and variance; a gamma distribution that has these
    gives its tails. The interval holds the t under which what was seen is no surprise (inversion of a test), the value
    is the t under which it is the median, so 0 where a calibrated model shows as much half the time.

    Returns
    -------
    value, low, high : float
    """
    from scipy.special import gammainc, ndtri

    place = measures.bin_of(p, measures.ECE_BINS)
    here = (place[:, None] == np.unique(place)).astype(np.float64)
    total = w @ here
    size = np.maximum(np.rint(total**2 / (np.square(w) @ here)), 1)
    mass, doubt = total / w.sum(), (w * (1 - p.max(axis=1))) @ here / total
    gap = (w * (p.argmax(axis=1) != y)) @ here / total - doubt
    seen = float(mass @ np.abs(gap))
    noise = np.sqrt(np.clip(doubt * (1 - doubt), 1e-6, None) / size)
    # Where noise hides the sign, errors may have been missed: there is no room for less than none.
    away = np.where(gap < -noise, gap, np.maximum(np.abs(gap), noise))
    rates = np.clip(doubt + _SCALES[:, None] * away, 0, 1)
    truth = np.abs(rates - doubt) @ mass
    distance = _distance(rates, size, doubt)
    mean = distance @ mass
    square = rates * (1 - rates) / size + np.square(rates - doubt)
    variance = np.maximum((square - np.square(distance)) @ np.square(mass), 1e-12)
    # The chance of no more than was seen; it falls as t grows.
    chance = np.minimum.accumulate(gammainc(mean**2 / variance, mean * max(seen, 1e-12) / variance))
    # On the normal scale the chances are nearly linear in t.
    z = ndtri(np.clip(chance, 1e-15, 1 - 1e-15))

    def at(quantile: float) -> float:
        if z[0] <= quantile:
            return 0.0
        return float(np.interp(-quantile, -z, truth)) if z[-1] < quantile else float(truth.max())

    tail = float(ndtri(0.5 + level / 2))
    value = at(0.0)
    return value, min(at(tail), value), max(at(-tail), value)


def _distance(rate: Doubles, size: Doubles, from_: Doubles) -> Doubles:
    """Give the mean of |x / size - from_| for binomial x: twice that of the part above less that of all."""
    from scipy.special import betainc

    above = np.floor(size * from_) + 1  # The least x beyond.
    more = np.where(above <= size, betainc(above, np.maximum(size - above + 1, 1e-9), rate), 0.0)
    # Of one item less, at least one success less: x bin(x; n, r) = n r bin(x - 1; n - 1, r).
    shifted = np.where(
        above > 1, betainc(np.maximum(above - 1, 1e-9), np.maximum(size - above + 1, 1e-9), rate), 1.0
    )
    beyond = np.where(above <= size, rate * shifted - from_ * more, 0.0)
    return np.asarray(2 * beyond - (rate - from_))
