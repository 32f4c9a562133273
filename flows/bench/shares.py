"""Three intervals of a share of errors, and how often each holds it: computed, not drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.evaluation.intervals import mid_p, wilson


def shares(n: int, *, between: tuple[float, float]) -> list[dict[str, Any]]:
    """Compute how often the intervals of a share of errors hold it, exactly, over 200 shares in a range.

    Returns
    -------
    list of dict
        For each way: ``way``, ``n``, ``from``, ``to``, and the ``mean`` and ``least`` chance to hold the share.
    """
    from scipy.stats import beta, binom

    k = np.arange(n + 1)
    with np.errstate(invalid="ignore"):
        exact = (
            np.nan_to_num(beta.ppf(0.025, k, n - k + 1)),
            np.nan_to_num(beta.ppf(0.975, k + 1, n - k), nan=1),
        )
    ways = {
        "Wilson": np.array([wilson(hits / n, n) for hits in k]).T,
        "mid-P": np.array([mid_p(float(hits), float(n)) for hits in k]).T,
        "Clopper-Pearson": np.array(exact),
    }
    rates = np.linspace(*between, 200)
    chance = binom.pmf(k, n, rates[:, None])
    found = []
    for way, (low, high) in ways.items():
        held = (chance * ((low <= rates[:, None]) & (rates[:, None] <= high))).sum(axis=1)
        told = {"mean": float(held.mean()), "least": float(held.min())}
        found.append({"way": way, "n": n, "from": between[0], "to": between[1], **told})
    return found
