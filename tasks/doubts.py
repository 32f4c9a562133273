"""Labels that are probably wrong: found by models that did not see them, listed with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.campaign import Campaign
from tasks.labelled import KIND, LABEL, class_codes
from tasks.targets import targets_of

if TYPE_CHECKING:
    import pyarrow as pa


def doubted(found: pa.Table, unseen: NDArray[np.float32], campaign: Campaign) -> pa.Table:
    """List the labels that a model trained without them does not believe, the most suspicious first.

    Parameters
    ----------
    found
        The labelled items that the model learnt from.
    unseen
        What models that did not see them say of each, float32 (n, n_classes).

    Returns
    -------
    pa.Table
        ``item_id``, ``kind``, ``label``, ``suggested``, the probabilities of both, and ``why``.
    """
    import pyarrow as pa

    doubts = targets_of(campaign).doubts(class_codes(found, campaign), unseen)
    rows = pa.array([one.row for one in doubts], pa.int64())
    return pa.table(
        {
            "item_id": found.column(0).take(rows),
            "kind": found.column(KIND).take(rows),
            "label": found.column(LABEL).take(rows),
            "suggested": pa.array([one.suggested for one in doubts], pa.string()),
            "label_probability": pa.array([one.label_probability for one in doubts], pa.float64()),
            "suggested_probability": pa.array([one.suggested_probability for one in doubts], pa.float64()),
            "why": pa.array([one.why for one in doubts], pa.string()),
        }
    )
